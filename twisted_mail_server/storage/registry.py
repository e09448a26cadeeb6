"""
The stores that ship with the server; others arrive as plugins.
"""

from __future__ import annotations

from twisted_mail_server.storage.memory import MemoryStore
from twisted_mail_server.storage.sqlite import SqliteStore

#: By the name that the settings use.
STORES = {"memory": MemoryStore, "sqlite": SqliteStore}
