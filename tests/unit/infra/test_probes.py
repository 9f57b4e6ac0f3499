"""What `/ready` is told: who answers, who is behind, and what was lost."""

import asyncio

import httpx
import pytest

from infra.probes import Check, Lag, SystemProbes
from schemas.errors import PassingError

URL = "http://care.invalid/health"


def states(
    *, core: dict[str, Check] | None = None, lags: dict[str, Lag] | None = None, beside: dict[str, Check] | None = None
) -> dict[str, tuple[str, str | None]]:
    """Return state and detail of each part, of a system whose care is well."""

    async def look() -> dict[str, tuple[str, str | None]]:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"status": "ok"}))
        async with httpx.AsyncClient(transport=transport) as client:
            probes = SystemProbes(client, core=core or {}, urls={"care": URL}, lags=lags or {}, beside=beside or {})
            return {one.name: (one.state, one.detail) for one in await probes.components()}

    return asyncio.run(look())


def behind(seconds: float | None) -> Lag:
    """Return a lag of so many seconds."""

    async def lag() -> float | None:
        return seconds

    return lag


@pytest.mark.parametrize(("seconds", "state"), [(None, "up"), (0.0, "up"), (10.0, "up"), (10.1, "degraded")])
@pytest.mark.parametrize("family", ["care", "vitals"])
def test_a_family_over_ten_seconds_behind_is_degraded(family: str, seconds: float | None, state: str) -> None:
    """Whether its health address is known, as that of care is here, or not, as that of vitals."""
    found = states(lags={family: behind(seconds)})
    assert found[family][0] == state
    assert state == "up" or found[family][1] == "It is 10 s behind."


def test_what_a_part_lacks_is_said() -> None:
    """A part that answers with a sentence is degraded, one that raises is down."""

    async def lacks() -> str | None:
        return "Records were lost."

    async def away() -> str | None:
        raise PassingError("It is away.")

    found = states(core={"kafka": away}, beside={"live": lacks})
    assert found == {"care": ("up", None), "kafka": ("down", "It is away."), "live": ("degraded", "Records were lost.")}


def test_many_who_ask_at_once_cost_one_look() -> None:
    """What was seen a moment ago is told again."""
    looks = 0

    async def count() -> str | None:
        nonlocal looks
        looks += 1
        return None

    async def ask() -> None:
        async with httpx.AsyncClient() as client:
            probes = SystemProbes(client, core={"kafka": count}, urls={}, lags={}, beside={})
            await asyncio.gather(*(probes.components() for _ in range(20)))

    asyncio.run(ask())
    assert looks == 1
