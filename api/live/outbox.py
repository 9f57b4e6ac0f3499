"""What waits to be sent to one live socket: alerts queue and are never dropped, readings give way to newer ones."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.live.entries import Span
from schemas.live_protocol import CLOSE_TOO_SLOW

MOST_QUEUED: Final = 1_000
"""Updates that must arrive and may wait; one more closes the socket, which resumes with `since`."""
COALESCE_FROM: Final = 64
"""So many waiting readings mean that the client is slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message, and when its reading was received, where that is to be counted."""

    message: bytes
    subscription: int | None
    span: Span | None = None
    received_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Newest:
    key: tuple[int, bytes, int]
    at_us: int
    outgoing: Outgoing


class Outbox:
    """A queue without I/O; `wake` is called when there is something to do."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.closing: tuple[int, str] | None = None
        self.coalesced = 0
        self._wake = wake
        self._queued: deque[Outgoing] = deque()
        self._newest: deque[_Newest] = deque()
        self._coalesce_from = COALESCE_FROM

    def put(self, outgoing: Outgoing, *, update: bool = False) -> None:
        """Queue what must arrive; an update too many closes the socket instead."""
        if self.closing is not None:
            return
        if update and len(self._queued) >= MOST_QUEUED:
            self.close(CLOSE_TOO_SLOW, "too slow for its alerts: resume with since")
            return
        self._queued.append(outgoing)
        self._wake()

    def put_newest(self, key: tuple[int, bytes, int], at_us: int, outgoing: Outgoing) -> None:
        """Queue what may give way to a newer one of its key when the client is slow."""
        if self.closing is not None:
            return
        self._newest.append(_Newest(key, at_us, outgoing))
        if len(self._newest) > self._coalesce_from:
            self._coalesce()
        self._wake()

    def forget(self, subscription: int) -> None:
        """Drop what waits for a subscription and was not sent."""
        self._queued = deque(one for one in self._queued if one.subscription != subscription)
        self._newest = deque(one for one in self._newest if one.key[0] != subscription)

    def next(self) -> Outgoing | None:
        """Return what is to be sent now, None when nothing waits; what must arrive goes first."""
        if self._queued:
            return self._queued.popleft()
        if self._newest:
            return self._newest.popleft().outgoing
        return None

    def close(self, code: int, reason: str) -> None:
        """Drop everything and end the socket."""
        if self.closing is None:
            self.closing = (code, reason)
            self._queued.clear()
            self._newest.clear()
            self._wake()

    @property
    def crowded(self) -> bool:
        """Is so much waiting that no request should add to it?"""
        return len(self._queued) > COALESCE_FROM

    def _coalesce(self) -> None:
        newest: dict[tuple[int, bytes, int], _Newest] = {}
        for one in self._newest:
            before = newest.pop(one.key, None)
            newest[one.key] = one if before is None or one.at_us >= before.at_us else before
        self.coalesced += len(self._newest) - len(newest)
        self._newest = deque(newest.values())
        # Many wearers on one socket: wait until as many again have come, so that this stays cheap.
        self._coalesce_from = max(COALESCE_FROM, 2 * len(newest))
