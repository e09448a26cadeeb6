"""
CHUNKING: content in counted chunks, without dots and without looking for its end (RFC 3030 section 2).

The octets of a chunk follow its command whatever the answer will be, so they are swallowed even where BDAT is out of turn:
never is a part of a message read as commands.  BINARYMIME (section 3) is not offered; content is lines here, too.
"""

from __future__ import annotations

import re

from ....model import limits
from ....model.replies import Reply
from ..content import ChunkedContent
from ..conversation import Chunk, Conversation
from ..events import ContentAsked, ContentEnded, Event, Reset
from ..states import END_OF_CONTENT, State
from ..vocabulary import Extension, Offers, Usage, Verb

BDAT = "BDAT"

# bdat-cmd   ::= "BDAT" SP chunk-size [ SP end-marker ] CR LF       ; RFC 3030 section 2
# chunk-size ::= 1*DIGIT
# end-marker ::= "LAST"
_ARGUMENT = re.compile(r"(?P<size>[0-9]{1,20})(?: +(?P<last>LAST))?", re.IGNORECASE)

#: What follows is a chunk of unknown size: nothing of it may be taken for a command.
NO_SIZE = Reply(501, "BDAT has a number of octets, and LAST or nothing after it.", "5.5.4")
TOO_MUCH = Reply(421, "Too much that is not wanted.", "4.7.0")


def announce_chunk(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    C{BDAT size [LAST]}, in turn: with the first chunk it is asked whether content may come, as with DATA.
    """
    chunk = _read_argument(conversation, argument)
    if chunk is None:
        return None
    conversation.chunk = chunk
    chunk.back = State.CHUNKS
    if conversation.content is None:
        return ContentAsked()
    conversation.move(BDAT)
    return None


def swallow_chunk(conversation: Conversation, argument: str, refusal: Reply) -> None:
    """
    C{BDAT}, refused: its octets are on their way, and the reply comes after them.
    """
    chunk = _read_argument(conversation, argument)
    if chunk is not None:
        chunk.refusal = refusal
        conversation.chunk, conversation.state = chunk, State.CHUNK


def _read_argument(conversation: Conversation, argument: str) -> Chunk | None:
    found = _ARGUMENT.fullmatch(argument)
    if found is None:
        conversation.expel(NO_SIZE)
        return None
    size = int(found["size"])
    return Chunk(size, found["last"] is not None, size, conversation.state)


def take_first_chunk(conversation: Conversation) -> None:
    """
    Content may come.
    """
    conversation.content = ChunkedContent(conversation.policy.message_size)


def refuse_first_chunk(conversation: Conversation, reply: Reply) -> None:
    """
    Content may not come, and is on its way.
    """
    take_first_chunk(conversation)
    assert conversation.content is not None
    conversation.content.problem = reply
    conversation.state = State.CHUNK


def read_chunk(conversation: Conversation) -> Event | None:
    """
    What happens next while a chunk is due; C{None} until there is more input, or when it is over and answered.
    """
    chunk = conversation.chunk
    assert chunk is not None
    data = conversation.input.take(chunk.left)
    chunk.left -= len(data)
    conversation.allowance -= len(data)
    if chunk.refusal is not None:
        conversation.skipped += len(data)
        if conversation.skipped > limits.SMTP_SKIPPED:
            conversation.expel(TOO_MUCH)
            return None
        return None if chunk.left else _end_refused(conversation, chunk, chunk.refusal)
    content = conversation.content
    assert isinstance(content, ChunkedContent)
    event: Event | None = content.receive(data) if data else None
    if event is None and not chunk.left:
        event = content.end() if chunk.is_last else None
        return _end_chunk(conversation, chunk, content) if event is None else event
    return event


def _end_refused(conversation: Conversation, chunk: Chunk, refusal: Reply) -> Event | None:
    conversation.chunk, conversation.state = None, chunk.back
    if conversation.policy.is_lmtp and chunk.is_last and chunk.back is State.SENDER:
        # An answer for each recipient, and there is none (RFC 2033 section 4.3).
        conversation.end_transaction()
        return Reset()
    conversation.say_error(refusal)
    return None


def _end_chunk(conversation: Conversation, chunk: Chunk, content: ChunkedContent) -> Event | None:
    conversation.chunk = None
    if content.problem is not None:
        _end_spoiled(conversation, chunk, content, content.problem)
        return None
    if chunk.is_last:
        ended = ContentEnded()
        conversation.ask(ended, END_OF_CONTENT)
        return ended
    conversation.state = State.CHUNKS
    conversation.say(Reply(250, f"{chunk.size} octets received.", "2.0.0"))
    return None


def _end_spoiled(conversation: Conversation, chunk: Chunk, content: ChunkedContent, problem: Reply) -> None:
    """
    The transaction has failed with this chunk or an earlier one.  Chunks that were on their way already fail as well, up to
    the last, which ends it, or RSET (RFC 3030 section 2); together they are one error.
    """
    conversation.state = State.CHUNKS
    if chunk.is_last:
        conversation.say_outcome(problem)
        conversation.end_transaction()
    elif content.is_refused:
        conversation.say(problem)
    else:
        content.is_refused = True
        conversation.say_error(problem)


def learn_chunks(offers: Offers, argument: str) -> None:
    """
    As a client we may send content by BDAT.
    """
    offers.takes_chunks = True


EXTENSION = Extension(
    keyword="CHUNKING",
    rfc="RFC 3030",
    offer=lambda conversation: "CHUNKING",
    verbs=(
        Verb(
            BDAT,
            announce_chunk,
            needs_login=True,
            when_refused=swallow_chunk,
            moves={State.RECIPIENTS: State.CHUNK, State.CHUNKS: State.CHUNK},
        ),
    ),
    usage=Usage(learn_chunks),
)
