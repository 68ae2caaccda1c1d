"""Orders that counted: an order is told when it is placed and when it is paid, and a record may be told twice."""

from __future__ import annotations

from array import array
from functools import cached_property
from zlib import crc32

import msgspec

TEN = 10


def order_key(order: str) -> int:
    """Four bytes for an order's number. Among 10,000 orders two are taken for one about once in a hundred rooms."""
    return crc32(order.encode("utf-8", "surrogatepass"))


class Placed(msgspec.Struct, array_like=True, dict=True):
    """The orders of a room by the ten seconds in which they counted, four bytes each."""

    seconds: dict[int, bytes] = {}  # the first of every ten → the orders of the ten

    @cached_property
    def known(self) -> set[int]:
        """All of them, to look them up; kept beside the state."""
        return {order for packed in self.seconds.values() for order in array("I", packed)}

    def first(self, order: int, second: int) -> bool:
        """Note an order by its key; False when it is known."""
        if order in self.known:
            return False
        self.known.add(order)
        second -= second % TEN
        self.seconds[second] = self.seconds.get(second, b"") + array("I", (order,)).tobytes()
        return True

    def forget(self, oldest: int, keep: int) -> None:
        """Forget the seconds before ``oldest``, when there are more than ``keep`` orders."""
        if len(self.known) > keep and min(self.seconds) + TEN <= oldest:
            self.seconds = {second: packed for second, packed in self.seconds.items() if second + TEN > oldest}
            del self.known
