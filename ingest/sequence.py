"""Which messages of one connection are handled: the arithmetic behind the cumulative `ack`."""

from typing import Final

SEQ_MOST: Final = 2**53
"""Largest seq that every JSON reader keeps exactly."""


class Sequence:
    """The seqs of one connection: from the base, without gaps; a lower one is a resend and is handled again.

    Attributes:
        base: First seq of the connection, None before it.
        expected: The seq that must come next, None before the base.
        acked: Highest seq that an ack has named, 0 before the first.
    """

    __slots__ = ("_open", "acked", "base", "expected")

    def __init__(self) -> None:
        self.base: int | None = None
        self.expected: int | None = None
        self.acked = 0
        self._open: dict[int, int] = {}

    def accept(self, seq: int) -> bool:
        """Take the seq of a message; False says that it leaves a gap, and nothing has changed."""
        expected = self.expected
        if seq == expected:
            self.expected = seq + 1
            return True
        if expected is None:
            self.base = seq
            self.expected = seq + 1
            return True
        return seq < expected

    def hold(self, seq: int) -> None:
        """Note that something admitted from this message is not durable yet."""
        self._open[seq] = self._open.get(seq, 0) + 1

    def release(self, seq: int) -> None:
        """Note that what one `hold` stood for is durable."""
        left = self._open[seq] - 1
        if left:
            self._open[seq] = left
        else:
            del self._open[seq]

    @property
    def outstanding(self) -> int:
        """Number of messages that wait to become durable."""
        return len(self._open)

    def due(self, touched: int) -> int | None:
        """Return the seq to acknowledge now that message `touched` was handled, or None.

        It is said again for a resend of what was acknowledged before, once the resend is durable too.
        """
        if self.expected is None or self.base is None:
            return None
        handled = (min(self._open) if self._open else self.expected) - 1
        if handled < self.base or handled < self.acked:
            return None
        if handled == self.acked and touched > handled:
            return None
        self.acked = handled
        return handled
