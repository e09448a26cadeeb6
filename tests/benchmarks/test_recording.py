"""
L{benchmarks.recording}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.recording import Recording, Summary, read_stacks, room_of, room_of_stack, thread_name

#: As C{py-spy} writes it.
RAW = """\
thread (0x7F01): "MainThread";run (twisted/internet/base.py:600);read (twisted_mail_server/protocols/imap/server.py:12) 6
thread (0x7F02): "PoolThread-disk-0";commit (twisted_mail_server/disk/databases.py:5) 2
thread (0x7F03): "PoolThread-disk-1";commit (twisted_mail_server/disk/databases.py:9);Condition.wait (threading.py:288) 1
thread (0x7F01): "MainThread";run (twisted/internet/base.py:600);dumps (json/__init__.py:183) 1
"""


class RecordingTests(SynchronousTestCase):
    """
    Stacks and their sums.
    """

    def test_threads_of_a_pool(self) -> None:
        """
        Threads are told apart by their names without their numbers.
        """
        self.assertEqual("MainThread", thread_name('thread (0x7F01): "MainThread"'))
        self.assertEqual("PoolThread-disk", thread_name('thread (0x7F02): "PoolThread-disk-12"'))
        self.assertEqual("thread", thread_name("thread (0x7F03)"))

    def test_stacks(self) -> None:
        """
        Numbers of lines are left out, and stacks that become the same by it are one.
        """
        text = "thread (1);f (a.py:1) 2\nthread (2);f (a.py:7) 3\n"
        self.assertEqual({("thread", "f (a.py)"): 5}, read_stacks(text))

    def test_rooms(self) -> None:
        """
        A frame is in a package of ours, in one of C{protocols}, in Twisted or its logger, or nowhere; generated code is where its
        class is.
        """
        expected = {
            "f (twisted_mail_server/spool/directory.py)": "spool",
            "f (/somewhere/twisted_mail_server/protocols/smtp/extensions/auth.py)": "protocols.smtp",
            "f (twisted_mail_server/interfaces.py)": "interfaces",
            "__init__ (<attrs generated init twisted_mail_server.model.queue.Story>)": "model",
            "f (twisted/internet/tcp.py)": "twisted",
            "f (twisted/logger/_file.py)": "twisted.logger",
            "f (json/encoder.py)": None,
            "process 12": None,
        }
        self.assertEqual(expected, {frame: room_of(frame) for frame in expected})

    def test_room_of_a_stack(self) -> None:
        """
        A library's time counts for who called it; waiting for another thread or a peer, and the work of the kernel for a connection,
        for nobody.
        """
        house = "f (twisted_mail_server/telemetry/logs.py)"
        self.assertEqual("telemetry", room_of_stack(("MainThread", house, "dumps (json/__init__.py)")))
        self.assertEqual("threads", room_of_stack(("PoolThread", house, "Condition.wait (threading.py)")))
        self.assertEqual("sockets", room_of_stack(("MainThread", house, "untilConcludes (twisted/python/util.py)")))
        poll = "EPollReactor.doPoll (twisted/internet/epollreactor.py)"
        self.assertEqual("waiting", room_of_stack(("MainThread", poll)))
        own = "install_reactor.<locals>.RoundsReactor.doPoll (twisted_mail_server/app/rounds.py)"
        self.assertEqual("waiting", room_of_stack(("MainThread", own)))
        self.assertEqual("telemetry", room_of_stack(("MainThread", poll, house)))
        self.assertEqual("other", room_of_stack(("MainThread", "dumps (json/__init__.py)")))

    def test_summary(self) -> None:
        """
        Shares by room and thread; functions by themselves, and those of the house with what they called.
        """
        found = Summary.of(Recording(RAW, 0.04, 0.03))
        self.assertEqual(10, found.samples)
        self.assertEqual({"protocols.imap": 6, "disk": 2, "threads": 1, "twisted": 1}, found.rooms)
        self.assertEqual({"MainThread": 7, "PoolThread-disk": 3}, found.threads)
        self.assertEqual(1, found.itself["dumps (json/__init__.py)"])
        commit = "commit (twisted_mail_server/disk/databases.py)"
        self.assertEqual((2, 3), (found.itself[commit], found.inclusive[commit]))
        self.assertNotIn("run (twisted/internet/base.py)", found.inclusive)
        self.assertEqual("protocols.imap 60 %, disk 20 %", found.heaviest_rooms(2))

    def test_nothing(self) -> None:
        """
        Of a server that did nothing there is nothing to say.
        """
        self.assertEqual("", Summary.of(Recording()).heaviest_rooms(3))

    def test_reactor(self) -> None:
        """
        The reactor has called everything, which says nothing.
        """
        text = "thread (1): MainThread;RoundsReactor.doPoll (twisted_mail_server/app/rounds.py:40);f (twisted_mail_server/a.py:1) 3"
        self.assertEqual({"f (twisted_mail_server/a.py)": 3}, Summary.of(Recording(text)).inclusive)
