"""What waits to be sent to one live socket: alerts queue and are never dropped, readings give way to newer ones."""

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from api.live.entries import Span
from schemas.live_protocol import CLOSE_TOO_SLOW

MOST_QUEUED: Final = 1_000
"""Updates that must arrive and may wait; one more closes the socket, which resumes with `since`."""
COALESCE_FROM: Final = 64
"""So many waiting readings mean that the client is slow."""

_AT_ONCE: Final = True

Key = tuple[int, bytes, int]
"""Subscription, wearer and stream: a newer update of one key may take the place of an older one."""


class Outgoing(Struct, frozen=True, kw_only=True, gc=False):
    """One message, shared by all sockets that are told the same.

    Attributes:
        update: Is it a change, and not an answer or a snapshot?
        span: The histogram that its delay since `received_ms` belongs to, None where it is not to be counted.
        newest_key: It may give way to a newer one of this key; None for what must arrive.
        at_us: Event time, to tell which of a key is newer.
    """

    message: bytes
    subscription: int | None = None
    update: bool = False
    span: Span | None = None
    received_ms: int = 0
    newest_key: Key | None = None
    at_us: int = 0


class Outbox:
    """A queue without I/O; `wake` is called when there is something to do, with whether it may not wait a moment."""

    def __init__(self, wake: Callable[[bool], None]) -> None:
        self.closing: tuple[int, str] | None = None
        self.coalesced = 0
        self.dropped = 0
        self._wake = wake
        self._queued: deque[Outgoing] = deque()
        self._newest: deque[Outgoing] = deque()
        self._coalesce_from = COALESCE_FROM

    def put(self, outgoing: Outgoing) -> None:
        """Queue a message; an update too many of those that must arrive closes the socket instead."""
        if self.closing is not None:
            self.dropped += outgoing.update
            return
        if outgoing.newest_key is not None:
            self._newest.append(outgoing)
            if len(self._newest) > self._coalesce_from:
                self._coalesce()
        elif outgoing.update and len(self._queued) >= MOST_QUEUED:
            self.dropped += 1
            self.close(CLOSE_TOO_SLOW, "too slow for its alerts: resume with since")
            return
        else:
            self._queued.append(outgoing)
        self._wake(outgoing.newest_key is None)

    def forget(self, subscription: int) -> bool:
        """Take back what waits for a subscription and was not sent: it ends, or a snapshot replaces it.

        Returns whether there was any.
        """
        waited = len(self._queued) + len(self._newest)
        self._queued = deque(one for one in self._queued if one.subscription != subscription)
        self._newest = deque(one for one in self._newest if one.subscription != subscription)
        return len(self._queued) + len(self._newest) < waited

    def take(self, most_bytes: int) -> list[Outgoing]:
        """Return what is to be sent now, up to about so many bytes; what must arrive goes first."""
        taken: list[Outgoing] = []
        room = most_bytes
        while room > 0 and (self._queued or self._newest):
            outgoing = self._queued.popleft() if self._queued else self._newest.popleft()
            taken.append(outgoing)
            room -= len(outgoing.message)
        return taken

    def close(self, code: int, reason: str) -> None:
        """Drop everything and end the socket."""
        if self.closing is None:
            self.closing = (code, reason)
            self.abandon()
            self._wake(_AT_ONCE)

    def abandon(self) -> None:
        """Drop what waits, and count the updates among it."""
        self.dropped += sum(one.update for one in self._queued) + len(self._newest)
        self._queued.clear()
        self._newest.clear()

    @property
    def crowded(self) -> bool:
        """Is so much waiting that no request should add to it?"""
        return len(self._queued) > COALESCE_FROM

    def _coalesce(self) -> None:
        newest: dict[Key | None, Outgoing] = {}
        for one in self._newest:
            before = newest.pop(one.newest_key, None)
            newest[one.newest_key] = one if before is None or one.at_us >= before.at_us else before
        self.coalesced += len(self._newest) - len(newest)
        self._newest = deque(newest.values())
        # Many wearers on one socket: wait until as many again have come, so that this stays cheap.
        self._coalesce_from = max(COALESCE_FROM, 2 * len(newest))
