"""The body of `pulsera simulate --city`."""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import httpx
import typer

from infra.device_commands import BUFFER_BYTES_EACH, SIMULATED_MODEL
from infra.enrol import System, api_client, enrol, find_system, make_zones, other_outlines
from infra.logs import configure_logging
from infra.progress_line import ProgressLine
from infra.settings import load_settings
from infra.termination import run_until_terminated
from ingest.client.city import CitySize, Crowd, Device, Wanderings, check_places, zones_around
from ingest.client.connection import DeviceClient, wall_clock_ms
from ingest.client.happenings import NEW_FIRMWARE, Happening, parse_happenings
from ingest.client.simulator import Tally, check_rate

FIRST_FIRMWARE: Final = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class CityPlan:
    """What a made city does: how often everybody tells, for how long, from which hour of its day, and what happens."""

    size: CitySize
    every_s: float
    seconds: float | None
    hour: float | None
    happenings: Sequence[Happening]


def run_city(
    *,
    people: int,
    rings: int,
    rate_hz: float,
    seconds: float | None,
    seed: int | None,
    hour: float | None,
    events: Sequence[str],
) -> None:
    """Sends made data of people who move over a city for `seconds`, or until Ctrl-C.

    Raises:
        ContractError: There is no such rate or event, or an event's place lies outside the city.
        SetupError: There is no running system.
        DeviceStoppedError: The gateway will not take one of the devices any more.
    """
    settings = load_settings()
    configure_logging("simulate", level="warning")
    chosen = secrets.randbelow(2**31) if seed is None else seed
    check_rate(rate_hz)
    plan = CityPlan(
        size=CitySize(people=people, rings=rings, seed=chosen),
        every_s=1 / rate_hz,
        seconds=seconds,
        hour=hour,
        happenings=parse_happenings(events, seconds=seconds),
    )
    check_places(plan.size, plan.happenings)
    typer.echo(f"seed {chosen}", err=True)
    run_until_terminated(_wandered(plan, find_system(settings)))


async def _wandered(plan: CityPlan, system: System) -> None:
    line = ProgressLine()

    def show(tally: Tally) -> None:
        line.show(f"{tally.rate_hz:.1f} readings/s, {tally.sent} sent, {tally.acknowledged} acknowledged")

    async with api_client(system) as http:
        tokens, zones = await settle(http, plan.size)
        wanted = zones_around(plan.size)
        kept = await other_outlines(http, {zone_id: wanted[zone_id] for zone_id in zones})
    typer.echo(
        f"{plan.size.people} wearers; zones {', '.join(zones)}. Who is to see them needs a grant: "
        f"{system.api_url}/app/zones, Make and share zones.",
        err=True,
    )
    if left := [zone_id for zone_id in wanted if zone_id not in zones]:
        typer.echo(
            f"{', '.join(left)} would cross a zone that is there, and so are left out (docs/zones.md).", err=True
        )
    if kept:
        typer.echo(
            f"{', '.join(kept)} keep the outlines of an earlier city with other rings; "
            "PUT /community/zones/ID gives one new cells (docs/zones.md).",
            err=True,
        )
    tally = await live(plan, system.gateway_url, tokens, on_progress=show, on_event=line.end)
    line.end(f"{tally.sent} readings sent, {tally.acknowledged} acknowledged.")


async def settle(http: httpx.AsyncClient, size: CitySize) -> tuple[list[str], list[str]]:
    """Make the city's wearers, devices and zones, as far as they are not there; return the tokens and the zones' ids.

    Raises:
        SetupError: The API cannot be reached, or refuses.
    """
    zones = await make_zones(http, zones_around(size))
    names = [f"Citizen {number:04d}" for number in range(1, size.people + 1)]
    return await enrol(http, names, model=SIMULATED_MODEL), zones


async def live(
    plan: CityPlan,
    url: str,
    tokens: Sequence[str],
    *,
    on_progress: Callable[[Tally], None],
    on_event: Callable[[str], None] = lambda _words: None,
    begun: Callable[[Crowd, int], None] = lambda _crowd, _start_ms: None,
) -> Tally:
    """Connect everybody's device to the socket at `url` and let them live; return what was sent.

    `on_event` is told what begins and ends, `begun` the crowd and when it began, Unix milliseconds.

    Raises:
        DeviceStoppedError: The gateway will not take one of the devices any more.
    """
    async with AsyncExitStack() as stack:
        exits: list[Callable[[], Awaitable[Any]]] = []

        async def connected(number: int, firmware: str) -> DeviceClient:
            mine = AsyncExitStack()
            stack.push_async_callback(mine.aclose)
            client = await mine.enter_async_context(
                DeviceClient(
                    url,
                    tokens[number],
                    model=SIMULATED_MODEL,
                    firmware=firmware,
                    origin="simulated",
                    capacity_bytes=BUFFER_BYTES_EACH,
                )
            )
            exits[number : number + 1] = [mine.aclose]
            return client

        devices: list[Device] = [await connected(number, FIRST_FIRMWARE) for number in range(len(tokens))]

        async def update(number: int) -> Device:
            await devices[number].drained()
            await exits[number]()
            return await connected(number, NEW_FIRMWARE)

        start_ms = wall_clock_ms()
        crowd = Crowd(plan.size, start_ms=start_ms, hour=plan.hour, happenings=plan.happenings)
        begun(crowd, start_ms)
        wanderings = Wanderings(crowd, devices, every_s=plan.every_s, update=update)
        return await wanderings.run(
            seconds=plan.seconds,
            start_ms=start_ms,
            monotonic_s=time.monotonic,
            on_progress=on_progress,
            on_event=on_event,
        )
