"""The embedded ClickHouse: the engine as a library (chDB), in a process of its own, behind ClickHouse's two protocols.

codec, blocks      bytes of the native protocol            access       users, roles, limits
statements         what a statement's text says            guard        what people may ask
engine             chDB: one directory, many connections   watch        clients that leave or cancel
native, http       the two protocols, one connection each  listener     the two doors
"""

from storage.server.access import READER, WRITER, reader_password
from storage.server.listener import StoreServer

__all__ = ["READER", "WRITER", "StoreServer", "reader_password"]
