"""The bodies of `pulsera replay` and `pulsera simulate`."""

import dataclasses
import functools
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import typer

from inference.recordings.e4 import Recording, read_e4
from infra.enrol import api_client, device_socket, enrol, find_system, unused_name
from infra.logs import configure_logging
from infra.settings import Settings, load_settings
from infra.termination import run_until_terminated
from ingest.client.connection import DeviceClient, wall_clock_ms
from ingest.client.faults import Faults, parse_faults
from ingest.client.replay import (
    DEMO_FOLDER,
    DEMO_INJECTION,
    DEMO_PRESENT_S,
    DEMO_SPEED,
    MODEL,
    Progress,
    ReplayPlan,
    replay,
)
from ingest.client.simulator import People, Tally, check_rate, parse_injection, simulate
from schemas.errors import SetupError

DEMO: Final = "demo"
_DEMO_WEARER: Final = "Demo wearer"
_SIMULATED_MODEL: Final = "simulated watch"
_BUFFER_BYTES_EACH: Final = 1_048_576
_PLAIN_EVERY_S: Final = 5.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send: for whom, and either a device's own address and token or None for the running system."""

    wearer: str | None
    url: str | None
    token: str | None


def run_replay(dataset: str, *, speed: float | None, present_s: int | None, target: Target) -> None:
    """Replays a recording until its end.

    Raises:
        SetupError: There is no such recording, or nowhere to send it.
        DeviceStoppedError: The gateway will not take the device any more.
    """
    settings = load_settings()
    # On a terminal the progress line has the floor.
    configure_logging("replay", level="warning" if sys.stderr.isatty() else settings.log_level)
    demo = dataset == DEMO
    recording = read_e4(DEMO_FOLDER if demo else Path(dataset))
    plan = ReplayPlan(
        recording=recording,
        present_s=present_s if present_s is not None else (DEMO_PRESENT_S if demo else 0),
        speed=speed if speed is not None else DEMO_SPEED,
        start_ms=wall_clock_ms(),
        injection=DEMO_INJECTION if demo else None,
    )
    _tell_left_out(recording)
    name = target.wearer or ("" if demo else f"Recording {recording.name}")
    run_until_terminated(_replayed(plan, settings, target, name))


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
    people = People(devices, seed=chosen, injection=parse_injection(inject))
    run_until_terminated(_simulated(people, trouble, settings, rate_hz=rate_hz, seconds=seconds))


async def _replayed(plan: ReplayPlan, settings: Settings, target: Target, name: str) -> None:
    name = name or await _demo_name(plan, settings, target)
    url, (token,) = await _where(settings, target, [name], model=MODEL)
    line = _ProgressLine()

    def show(progress: Progress) -> None:
        phase = "backlog" if progress.backlog else "live"
        line.show(
            f"{name}: second {progress.second} of {progress.seconds} ({phase}), {progress.readings} readings sent, "
            f"{progress.readings - client.unacknowledged} acknowledged"
        )

    async with DeviceClient(url, token, model=MODEL, origin="replay") as client:
        # The present is now, not when the wearer was made.
        starting = dataclasses.replace(plan, start_ms=wall_clock_ms())
        sent = await replay(starting, client, monotonic_s=time.monotonic, on_progress=show)
    line.end(f"{name}: the recording has ended; {sent} readings sent, all acknowledged.")


async def _simulated(
    people: People, faults: Faults, settings: Settings, *, rate_hz: float, seconds: float | None
) -> None:
    names = [f"Simulated {number:04d}" for number in range(1, len(faults.skews_ms) + 1)]
    nobody = Target(wearer=None, url=None, token=None)
    url, tokens = await _where(settings, nobody, names, model=_SIMULATED_MODEL)
    line = _ProgressLine()

    def show(tally: Tally) -> None:
        line.show(f"{tally.rate_hz:.1f} readings/s, {tally.sent} sent, {tally.acknowledged} acknowledged")

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                DeviceClient(
                    url,
                    token,
                    model=_SIMULATED_MODEL,
                    origin="simulated",
                    capacity_bytes=_BUFFER_BYTES_EACH,
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


async def _demo_name(plan: ReplayPlan, settings: Settings, target: Target) -> str:
    """Return a wearer's name under which nothing lies yet in the minutes that this replay will fill."""
    if target.token:
        return _DEMO_WEARER
    begins = datetime.now(UTC) - timedelta(seconds=plan.present_s)
    async with api_client(find_system(settings)) as http:
        return await unused_name(http, _DEMO_WEARER, since=begins)


async def _where(settings: Settings, target: Target, names: list[str], *, model: str) -> tuple[str, list[str]]:
    if target.token:
        url = target.url or settings.gateway_url
        if not url:
            raise SetupError("A device's token needs the gateway's address.", next_step="Give --url as well.")
        return device_socket(url), [target.token]
    system = find_system(settings)
    async with api_client(system) as http:
        url = device_socket(target.url) if target.url else system.gateway_url
        return url, await enrol(http, names, model=model)


def _tell_left_out(recording: Recording) -> None:
    left_out = {name: count for name, count in recording.left_out.items() if count}
    if left_out:
        told = ", ".join(f"{count} of {name}" for name, count in left_out.items())
        typer.echo(f"Implausible values of the recording are left out: {told}.", err=True)


class _ProgressLine:
    """One line on standard error: rewritten in place on a terminal, a new one now and then elsewhere."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._terminal = sys.stderr.isatty()
        self._shown_s = float("-inf")

    def show(self, text: str) -> None:
        if self._terminal:
            typer.echo(f"\r\x1b[2K{text}", err=True, nl=False)
        elif self._monotonic_s() - self._shown_s >= _PLAIN_EVERY_S:
            self._shown_s = self._monotonic_s()
            typer.echo(text, err=True)

    def end(self, text: str) -> None:
        typer.echo(f"\r\x1b[2K{text}" if self._terminal else text, err=True)
