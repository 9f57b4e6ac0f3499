"""The body of `pulsera replay`: recordings through the device socket, each wearer's with a device of its own."""

import asyncio
import dataclasses
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from inference.recordings.e4 import Recording, read_e4
from inference.recordings.formats import FORMATS, read
from inference.recordings.track import Track
from infra.enrol import api_client, device_of, device_socket, find_system, newest_ms
from infra.logs import configure_logging
from infra.progress_line import ProgressLine
from infra.replays import Kept, Replays
from infra.settings import Settings, load_settings
from infra.termination import run_until_terminated
from ingest.client.connection import DeviceClient, wall_clock_ms
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
from schemas.errors import ContractError, SetupError

DEMO: Final = "demo"
DEMO_WEARER: Final = "Demo wearer"
TRACK_MODEL: Final = "table (replay)"
SPEED: Final = 60.0
TRACK_SPEED: Final = 3_600.0
"""A table holds days: an hour of it a second."""

OneRecording = Recording | Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to replay: a folder or file (or `DEMO`), in which format, whose, and how; None is the default."""

    dataset: str
    form: str | None
    person: str | None
    speed: float | None
    present_s: int | None

    @property
    def place(self) -> str:
        """The recording's place, whatever the working directory."""
        return DEMO if self.dataset == DEMO else str(Path(self.dataset).resolve())


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send: for whom, and either a device's own address and token or None for the running system."""

    wearer: str | None
    url: str | None
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    """One recording on its way: for which wearer, by which plan, to which socket, as which device."""

    name: str
    plan: ReplayPlan
    url: str
    token: str


def run_replay(asked: Asked, target: Target) -> None:
    """Replays a recording until its end.

    Raises:
        RecordingError: There is no such recording, or it is of no format that is read.
        SetupError: There is nowhere to send it.
        DeviceStoppedError: The gateway will not take the device any more.
    """
    settings = load_settings()
    # On a terminal the progress line has the floor.
    configure_logging("replay", level="warning" if sys.stderr.isatty() else settings.log_level)
    recordings = _chosen(asked)
    if len(recordings) > 1 and (target.wearer or target.token):
        raise SetupError(
            f"{asked.dataset} holds {len(recordings)} people, and one name or token fits one of them.",
            next_step=f"Choose one with --person: {', '.join(one.name for one in recordings[:10])}.",
        )
    for one in recordings:
        _tell_left_out(one)
    run_until_terminated(_replayed(asked, recordings, settings, target))


def _chosen(asked: Asked) -> Sequence[OneRecording]:
    if asked.dataset == DEMO:
        return [read_e4(DEMO_FOLDER)]
    form = next((one for one in FORMATS if one == asked.form), None)
    if asked.form and form is None:
        raise ContractError(f"There is no format {asked.form!r}; there are {', '.join(FORMATS)}.")
    recordings = read(Path(asked.dataset), form)
    found = [one for one in recordings if asked.person in {None, one.name}]
    if not found:
        there = ", ".join(one.name for one in recordings[:10])
        raise ContractError(f"{asked.dataset} holds nobody called {asked.person!r}, but {there}.")
    return found


def _planned(asked: Asked, recording: OneRecording) -> ReplayPlan:
    """Return the plan of a replay that begins now."""
    demo, table = asked.dataset == DEMO, isinstance(recording, Track)
    # The whole of a table is history; who wants it live says which second of it is now.
    present_s = DEMO_PRESENT_S if demo else recording.seconds if table else 0
    speed = DEMO_SPEED if demo else TRACK_SPEED if table else SPEED
    return ReplayPlan(
        recording=recording,
        present_s=present_s if asked.present_s is None else asked.present_s,
        speed=speed if asked.speed is None else asked.speed,
        start_ms=wall_clock_ms(),
        injection=DEMO_INJECTION if demo else None,
    )


async def _replayed(asked: Asked, recordings: Sequence[OneRecording], settings: Settings, target: Target) -> None:
    sendings = [await _placed(asked, one, settings, target) for one in recordings]
    line = ProgressLine()
    told: dict[str, tuple[Progress, int]] = {}

    async def send(one: _Sending) -> int:
        model = TRACK_MODEL if isinstance(one.plan.recording, Track) else MODEL
        async with DeviceClient(one.url, one.token, model=model, origin="replay") as client:

            def show(progress: Progress) -> None:
                told[one.name] = (progress, client.unacknowledged)
                line.show(_said(told))

            return await replay(one.plan, client, monotonic_s=time.monotonic, on_progress=show)

    sent = sum(await asyncio.gather(*map(send, sendings)))
    names = ", ".join(one.name for one in sendings)
    line.end(f"{names}: the recording has ended; {sent} readings sent, all acknowledged.")


def _said(told: Mapping[str, tuple[Progress, int]]) -> str:
    """Return how far the recording is of whom it is told; of several, how far the last of them is."""
    name = min(told, key=lambda one: told[one][0].second / told[one][0].seconds)
    slowest, sent = told[name][0], sum(progress.readings for progress, _ in told.values())
    waiting = sum(unacknowledged for _, unacknowledged in told.values())
    phase = "backlog" if slowest.backlog else "live"
    return (
        f"{name}: second {slowest.second} of {slowest.seconds} ({phase}), {sent} readings sent, "
        f"{sent - waiting} acknowledged"
    )


async def _placed(asked: Asked, recording: OneRecording, settings: Settings, target: Target) -> _Sending:
    """Return where a recording goes and from where on: one that was stopped goes on, of the same wearer and device."""
    plan = _planned(asked, recording)
    name = target.wearer or (DEMO_WEARER if asked.dataset == DEMO else f"Recording {recording.name}")
    if target.token:
        url = target.url or settings.gateway_url
        if not url:
            raise SetupError("A device's token needs the gateway's address.", next_step="Give --url as well.")
        return _Sending(name=name, plan=plan, url=device_socket(url), token=target.token)
    system = find_system(settings)
    url = device_socket(target.url) if target.url else system.gateway_url
    # Another system than that of the data folder has other wearers.
    replays = None if settings.api_url else Replays(settings.data_dir)
    key = f"{name}: {asked.place}"
    async with api_client(system) as http:
        kept = replays.find(key) if replays else None
        model = TRACK_MODEL if isinstance(recording, Track) else MODEL
        device = await device_of(http, name, model=model, kept=kept.device if kept else None)
        newest = await newest_ms(http, name)
    plan = dataclasses.replace(plan, start_ms=wall_clock_ms())
    if newest is not None:
        same = kept is not None and kept.device == device
        began = dataclasses.replace(plan, start_ms=kept.start_ms, present_s=kept.present_s) if kept and same else None
        plan = plan.resumed(newest_ms=newest, began=began)
        _tell_where(name, plan)
    if replays:
        replays.keep(key, Kept(device=device, start_ms=plan.start_ms, present_s=plan.present_s))
    return _Sending(name=name, plan=plan, url=url, token=device.token)


def _tell_where(name: str, plan: ReplayPlan) -> None:
    if plan.first_s:
        typer.echo(f"{name}: goes on at second {plan.first_s} of the recording.", err=True)
    elif plan.injection and plan.injection.start_s > plan.present_s:
        later = math.ceil((plan.injection.start_s - plan.present_s) / 60)
        typer.echo(f"{name}: an earlier replay has just ended; the injected episode comes in {later} min.", err=True)


def _tell_left_out(recording: OneRecording) -> None:
    left_out = {name: count for name, count in recording.left_out.items() if count}
    if left_out:
        told = ", ".join(f"{count} of {name}" for name, count in left_out.items())
        typer.echo(f"Implausible values of the recording are left out: {told}.", err=True)
