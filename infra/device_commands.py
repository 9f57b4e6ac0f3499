"""The body of `pulsera simulate`."""

import functools
import secrets
import time
from contextlib import AsyncExitStack
from typing import Final

import typer

from infra.enrol import api_client, enrol, find_system
from infra.logs import configure_logging
from infra.progress_line import ProgressLine
from infra.settings import Settings, load_settings
from infra.termination import run_until_terminated
from ingest.client.connection import DeviceClient, wall_clock_ms
from ingest.client.faults import Faults, parse_faults
from ingest.client.simulator import People, Tally, check_rate, parse_injection, simulate

DEMO: Final = "demo"
_DEMO_WEARER: Final = "Demo wearer"
SIMULATED_MODEL: Final = "simulated watch"
BUFFER_BYTES_EACH: Final = 1_048_576
_PLAIN_EVERY_S: Final = 5.0


def run_simulate(
    *, devices: int, rate_hz: float, seconds: float | None, seed: int | None, faults: str, inject: str
) -> None:
    """Sends made data of many devices for `seconds`, or until Ctrl-C.

    Raises:
        ContractError: There is no such fault, rate, share or injection.
        SetupError: There is no running system.
        DeviceStoppedError: The gateway will not take one of the devices any more.
    """
    settings = load_settings()
    # A thousand devices that reconnect would drown everything else.
    configure_logging("simulate", level="warning")
    chosen = secrets.randbelow(2**31) if seed is None else seed
    check_rate(rate_hz)
    trouble = Faults(parse_faults(faults), devices=devices, step_s=1 / rate_hz, seed=chosen)
    typer.echo(f"seed {chosen}", err=True)
    people = People(devices, seed=chosen, injection=parse_injection(inject, seconds=seconds))
    run_until_terminated(_simulated(people, trouble, settings, rate_hz=rate_hz, seconds=seconds))


async def _simulated(
    people: People, faults: Faults, settings: Settings, *, rate_hz: float, seconds: float | None
) -> None:
    names = [f"Simulated {number:04d}" for number in range(1, len(faults.skews_ms) + 1)]
    system = find_system(settings)
    async with api_client(system) as http:
        tokens = await enrol(http, names, model=SIMULATED_MODEL)
    url = system.gateway_url
    line = ProgressLine()

    def show(tally: Tally) -> None:
        line.show(f"{tally.rate_hz:.1f} readings/s, {tally.sent} sent, {tally.acknowledged} acknowledged")

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                DeviceClient(
                    url,
                    token,
                    model=SIMULATED_MODEL,
                    origin="simulated",
                    capacity_bytes=BUFFER_BYTES_EACH,
                    clock_ms=functools.partial(_skewed_clock_ms, skew_ms),
                )
            )
            for token, skew_ms in zip(tokens, faults.skews_ms, strict=True)
        ]
        tally = await simulate(
            people,
            clients,
            rate_hz=rate_hz,
            seconds=seconds,
            start_ms=wall_clock_ms(),
            monotonic_s=time.monotonic,
            on_progress=show,
            faults=faults,
        )
    line.end(f"{tally.sent} readings sent, {tally.acknowledged} acknowledged.")
    if faults.counts:
        done = ", ".join(f"{count} {what}" for what, count in sorted(faults.counts.items()))
        typer.echo(f"Faults made: {done}.", err=True)


def _skewed_clock_ms(skew_ms: int) -> int:
    return wall_clock_ms() + skew_ms
