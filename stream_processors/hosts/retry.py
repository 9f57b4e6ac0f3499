"""Patience: what the world refuses for a while is tried again for ever, with what is in hand."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from schemas.errors import PassingError
from stream_processors.ports import Meter

_LOG = structlog.get_logger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits between tries: doubled each time, from `first_s` to `most_s`."""

    first_s: float = 0.1
    most_s: float = 5.0


class Patience:
    """Tries again after a `PassingError`, counts every try, and speaks once when the world goes and once at its return.

    `waiting` names what is being waited for, and why, for the health answer.
    """

    def __init__(self, meter: Meter, backoff: Backoff) -> None:
        self._meter = meter
        self._backoff = backoff
        self.waiting: dict[str, str] = {}

    async def insist(self, what: str, call: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `call` gives, however long that takes; every error but a passing one goes through."""
        wait_s = self._backoff.first_s
        while True:
            try:
                result = await call()
            except PassingError as error:
                await self.pause(what, error, wait_s)
                wait_s = min(wait_s * 2, self._backoff.most_s)
            except BaseException:
                self.waiting.pop(what, None)
                raise
            else:
                self.resumed(what)
                return result

    async def pause(self, what: str, error: PassingError, wait_s: float | None = None) -> None:
        """Note that the world refuses, and wait a little."""
        if what not in self.waiting:
            _LOG.warning("waiting", what=what, reason=str(error))
        self.waiting[what] = str(error)
        self._meter.count("retries_total", what=what)
        try:
            await asyncio.sleep(self._backoff.first_s if wait_s is None else wait_s)
        except asyncio.CancelledError:
            self.waiting.pop(what, None)
            raise

    def resumed(self, what: str) -> None:
        """Note that the world answers again."""
        if self.waiting.pop(what, None) is not None:
            _LOG.info("going on", what=what)
