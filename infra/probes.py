"""Looks at every part of the system for `/ready`: does it answer, how fast, and is it behind?"""

import asyncio
import dataclasses
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import httpx
import msgspec

from api.records import Component
from schemas.errors import PassingError, PulseraError

_PATIENCE_S: Final = 2.0
_LAG_MOST_S: Final = 10.0
_SEEN_FOR_S: Final = 1.0
_OK: Final = 200

Check = Callable[[], Awaitable[str | None]]
"""Returns when the part answers: None, or a sentence about what it lacks; raises PassingError when it does not."""
Lag = Callable[[], Awaitable[float | None]]
"""Returns how many seconds a family is behind, None where nothing tells."""


class SystemProbes:
    """The API's `Probes`: core parts and those beside them by a call, processes by their health, families by lag."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        core: Mapping[str, Check],
        urls: Mapping[str, str],
        lags: Mapping[str, Lag],
        beside: Mapping[str, Check],
    ) -> None:
        self._client = client
        self._core = core
        self._beside = beside
        self._urls = urls
        self._lags = lags
        self._told: dict[str, Mapping[str, Any] | None] = {}
        self._looking = asyncio.Lock()
        self._seen: Sequence[Component] = ()
        self._seen_s = -math.inf

    async def components(self) -> Sequence[Component]:
        """Return every part, as it was at most a second ago: many pages ask. Each is given two seconds to answer."""
        async with self._looking:
            if time.monotonic() - self._seen_s > _SEEN_FOR_S:
                self._seen = await self._look()
                self._seen_s = time.monotonic()
            return self._seen

    async def _look(self) -> Sequence[Component]:
        checks = [self._ask(name, check, core=True) for name, check in self._core.items()]
        checks += [self._ask(name, check, core=False) for name, check in self._beside.items()]
        checks += [self._ask(name, self._health(name, url), core=False) for name, url in self._urls.items()]
        # Where nobody told where a family answers, its lag still tells whether it does its work.
        checks += [self._ask(name, _nothing, core=False) for name in self._lags if name not in self._urls]
        return await asyncio.gather(*checks)

    async def _ask(self, name: str, check: Check, *, core: bool) -> Component:
        found = await self._asked(name, check, core=core)
        return dataclasses.replace(found, told=self._told.pop(name, None))

    async def _asked(self, name: str, check: Check, *, core: bool) -> Component:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                lacks = await check()
        except TimeoutError:
            return Component(name=name, state="down", detail="It does not answer in time.", core=core)
        except PulseraError as error:
            return Component(name=name, state="down", detail=str(error), core=core)
        latency_ms = round((time.perf_counter() - began) * 1000, 1)
        if lacks is not None:
            return Component(name=name, state="degraded", latency_ms=latency_ms, detail=lacks, core=core)
        behind_s = await self._behind(name)
        if behind_s is not None and behind_s > _LAG_MOST_S:
            detail = f"It is {behind_s:.0f} s behind."
            return Component(name=name, state="degraded", latency_ms=latency_ms, detail=detail, core=core)
        return Component(name=name, state="up", latency_ms=latency_ms, core=core)

    async def _behind(self, name: str) -> float | None:
        lag = self._lags.get(name)
        if lag is None:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await lag()
        except (PulseraError, TimeoutError):
            return None

    def _health(self, name: str, url: str) -> Check:
        async def check() -> str | None:
            try:
                response = await self._client.get(url)
            except (httpx.HTTPError, OSError) as error:
                raise PassingError(f"Its health address does not answer: {type(error).__name__}.") from error
            if response.status_code != _OK:
                raise PassingError(f"Its health address answers {response.status_code}.")
            try:
                health = msgspec.json.decode(response.content, type=_Health)
            except msgspec.MsgspecError:
                return "Its health address does not answer in our form."
            self._told[name] = health.detector
            return _lacks(health)

        return check


async def _nothing() -> str | None:
    return None


class _Health(msgspec.Struct):
    """What a process says of itself, where it says so."""

    waiting: dict[str, str] = {}
    lost_records: int = 0
    detector: dict[str, Any] | None = None


def _lacks(health: _Health) -> str | None:
    """Return what a process waits for, that the log lost records before it read them, or that a detector stands in."""
    if health.waiting:
        return "It waits. " + " ".join(f"{what}: {why}" for what, why in health.waiting.items())
    if health.lost_records:
        return (
            f"Kafka dropped {health.lost_records} records before they were read: what they told is missing. Lengthen "
            "the retention or start workers sooner; this is said until the worker is started again."
        )
    if health.detector is not None and health.detector.get("fallback"):
        return (
            f"{health.detector.get('alerting')} judges in the place of the wanted model: {health.detector['fallback']}"
        )
    return None
