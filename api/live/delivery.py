"""Counts what became of updates: handed to a socket, given way to a newer one, or left when a socket closed."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from api.live.entries import Span
from api.live.outbox import Outbox, Outgoing
from api.ports import Meter

_SPANS: Final[tuple[Span, ...]] = ("live", "alert")


class Delivery:
    """Adds up between two calls of `count`, so that an update costs no call of the meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._delivered = 0
        self._bytes = 0
        self._delays_ms: dict[Span, list[float]] = {span: [] for span in _SPANS}

    def sent(self, messages: Sequence[Outgoing], *, now_ms: float) -> None:
        """Note what was handed to a socket."""
        for one in messages:
            self._bytes += len(one.message)
            self._delivered += one.update
            if one.span is not None:
                self._delays_ms[one.span].append(now_ms - one.received_ms)

    def count(self) -> None:
        """Tell the meter what was noted since the last call."""
        self._meter.count("delivered_total", self._delivered)
        self._meter.count("delivered_bytes_total", self._bytes)
        self._delivered = self._bytes = 0
        for span, delays_ms in self._delays_ms.items():
            if delays_ms:
                self._meter.observe(span, np.array(delays_ms) / 1000)
                delays_ms.clear()

    def lost(self, outbox: Outbox) -> None:
        """Tell the meter what gave way in an outbox, and what was dropped with its socket."""
        if outbox.coalesced:
            self._meter.count("coalesced_total", outbox.coalesced)
        if outbox.dropped:
            self._meter.count("dropped_total", outbox.dropped)
        outbox.coalesced = outbox.dropped = 0

    def left(self, outbox: Outbox) -> None:
        """Tell the meter about a socket that has ended: why, where we ended it, and what still waited."""
        if outbox.closing is not None:
            self._meter.count("live_closed_total", code=str(outbox.closing[0]))
        outbox.abandon()
        self.lost(outbox)
