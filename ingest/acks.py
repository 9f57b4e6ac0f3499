"""When a device is told how far it is acknowledged: at once, or with what follows in a tenth of a second."""

from collections.abc import Iterable
from typing import Final

from ingest.ports import Clock
from ingest.sequence import Sequence

ACK_SPACING_S: Final = 0.1
"""Time between two acks of what has become durable, while more is on its way."""


class Acks:
    """The acks of one connection; every method that returns a seq returns the one to acknowledge now, or None.

    While more of its messages are on their way a device hears of this ten times a second at most: the next ack says
    it too, and costs both sides a packet less. Where there is none in time, `overdue` says it. One that waits for
    each ack is told at once.
    """

    __slots__ = ("_clock", "_sequence", "_told_s", "_withheld")

    def __init__(self, sequence: Sequence, clock: Clock) -> None:
        self._sequence = sequence
        self._clock = clock
        self._told_s = -ACK_SPACING_S
        self._withheld: int | None = None

    def settled(self, seqs: Iterable[int]) -> int | None:
        """Take note that what was admitted from these messages is durable."""
        lowest = self._withheld
        for seq in seqs:
            self._sequence.release(seq)
            lowest = seq if lowest is None or seq < lowest else lowest
        if lowest is None:
            return None
        now_s = self._clock.monotonic_s()
        if self._sequence.outstanding and now_s < self._told_s + ACK_SPACING_S:
            self._withheld = lowest
            return None
        return self._told(lowest, now_s)

    def handled(self, seq: int) -> int | None:
        """Take note of a message of which nothing has to become durable."""
        due = self._sequence.due(seq)
        if due is not None:
            self._withheld = None
        return due

    def overdue_in_s(self) -> float | None:
        """Return in how many seconds `overdue` says what is withheld, None where nothing is."""
        if self._withheld is None:
            return None
        return max(0.0, self._told_s + ACK_SPACING_S - self._clock.monotonic_s())

    def overdue(self) -> int | None:
        """Say what is withheld, if the last ack is long enough ago."""
        now_s = self._clock.monotonic_s()
        if self._withheld is None or now_s < self._told_s + ACK_SPACING_S:
            return None
        return self._told(self._withheld, now_s)

    def _told(self, touched: int, now_s: float) -> int | None:
        self._withheld = None
        due = self._sequence.due(touched)
        if due is not None:
            self._told_s = now_s
        return due
