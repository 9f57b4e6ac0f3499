"""What a chaos run and a soak share: the system, the people, the load, and the judgement at the end."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import numpy.typing as npt

from infra.chaos.alerts import AlertFindings, api_alerts, judge, stored_alerts
from infra.chaos.auditor import AuditError, Database, Findings, Wearer, audit
from infra.chaos.camera import Camera, PulseFindings, audit_pulse
from infra.chaos.carer import Carer
from infra.chaos.loading import Loading
from infra.chaos.made_readings import table_of_values
from infra.chaos.system import System, make_people, running_system
from infra.chaos.zone_auditor import Stay, ZoneFindings, audit_zones
from infra.chaos.zones import PLACE, WATCHED, ZoneWatch, watched_zones
from infra.embedded.postgres import client_program
from infra.enrol import device_socket
from schemas.errors import SetupError

SETTLES_WITHIN_S: Final = 60.0
"""What is acknowledged must be stored, and what was decided told, at the latest so long after the load's end."""
SETTLED_AFTER_S: Final = 10.0
"""Longer than a bin waits to be closed (7 s): what comes twice comes late, so all is audited once more."""
AGAIN_AFTER_S: Final = 1.0
LEAST_SHARE: Final = 0.5
"""A run that made less than this share of the messages asked for shows nothing."""
STEADY_S: Final = 3.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """`rate` messages a second over `connections` devices; values, faults and the clients' trouble follow the seed."""

    seed: int
    rate: int
    connections: int


@dataclass(slots=True, kw_only=True)
class Audited:
    """What became of what was sent; `kept` names the folder that is left where a promise was broken."""

    plan: LoadPlan
    findings: Findings = field(default_factory=Findings)
    alerts: AlertFindings = field(default_factory=AlertFindings)
    pulse: PulseFindings = field(default_factory=PulseFindings)
    zones: ZoneFindings = field(default_factory=ZoneFindings)
    load: dict[str, Any] = field(default_factory=dict)
    carer: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    lasted_s: float = 0.0
    kept: Path | None = None

    @property
    def made_per_s(self) -> float:
        """Messages that the load put on the way each second, waiting ones included."""
        return float(self.load.get("made", 0) / max(self.load.get("sending_s", 0.0), 1.0))

    @property
    def breaches(self) -> list[str]:
        """Name the promises that were broken, and how often; `others` are the run's own."""
        counts = {
            "lost": self.findings.lost,
            "doubled": self.findings.doubled,
            "wrong": self.findings.wrong,
            "pulses lost": self.pulse.lost,
            "pulses doubled": self.pulse.doubled,
            "pulses wrong": self.pulse.wrong,
            "video never acknowledged": self.pulse.waiting,
            "bins of zones lost": self.zones.lost,
            "bins of zones doubled": self.zones.doubled,
            "bins of zones wrong": self.zones.wrong,
            "alerts missed": self.alerts.missed,
            "alerts doubled": self.alerts.doubled,
            "refused": self.load.get("counts", {}).get("refused", 0),
            "never acknowledged": self.load.get("waiting", 0),
            **self.others,
        }
        broken = [f"{count} {name}" for name, count in counts.items() if count]
        if self.load and self.made_per_s < LEAST_SHARE * self.plan.rate:
            broken.append(f"only {self.made_per_s:.0f} of {self.plan.rate} messages/s made")
        return broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The running system, the people in it, and the load on it since a moment, Unix ms.

    `camera` films one more wearer, if anybody; `zones` is there where people tell where they are.
    """

    system: System
    database: Database
    people: list[Wearer]
    load: Loading
    carer: Carer
    folder: Path
    camera: Camera | None = None
    filming: asyncio.Task[None] | None = None
    zones: ZoneWatch | None = None
    begun_ms: int = 0


@asynccontextmanager
async def kept_on_breach(audited: Audited, say: Say) -> AsyncIterator[Path]:
    """Give a temporary folder; it stays where a promise was broken, or the run itself failed."""
    folder = Path(tempfile.mkdtemp(prefix="pulsera-chaos-"))
    os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
    begun_s = time.monotonic()
    audited.kept = folder
    try:
        yield folder
    except (asyncio.CancelledError, KeyboardInterrupt):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except Exception:
        say(f"the run itself failed; data and logs are kept in {folder}")
        raise
    audited.lasted_s = time.monotonic() - begun_s
    if not audited.breaches:
        shutil.rmtree(folder, ignore_errors=True)
        audited.kept = None


@asynccontextmanager
async def scene(
    plan: LoadPlan, patients: int, folder: Path, say: Say, *, targets: Collection[str] = ()
) -> AsyncIterator[Scene]:
    """Start the system, make its people, put the load on it; end all of it with the context.

    Somebody is filmed where `video` is among what will be struck; all tell where they are where `zones` is.
    """
    filmed = "video" in targets
    async with running_system(folder) as system, AsyncExitStack() as stack:
        say(f"system is up in {folder}; making {plan.connections + patients} wearers and devices")
        made = await make_people(system, plan.connections + patients + filmed)
        camera = _camera(system, made.pop()) if filmed else None
        people = [Wearer(index, wearer, device) for index, (wearer, device, _) in enumerate(made)]
        host, port = system.gateway
        zones = None
        if "zones" in targets:
            zones = await stack.enter_async_context(watched_zones(system, folder, seed=plan.seed))
        carer = Carer(system.api, system.token, seed=plan.seed)
        following = asyncio.create_task(carer.run())
        load = await Loading.start(
            {
                "host": host, "port": port, "tokens": [token for _, _, token in made], "steady": plan.connections,
                "rate": plan.rate, "seed": plan.seed, "place": PLACE if zones is not None else None,
            },
            folder,
        )  # fmt: skip
        filming = None if camera is None else asyncio.create_task(camera.run())
        try:
            say(f"{plan.rate} messages/s over {plan.connections} devices")
            await asyncio.sleep(STEADY_S)
            database = Database(client_program("psql"), str(system.ready["database_url"]))
            yield Scene(
                system=system, database=database, people=people, load=load, carer=carer, folder=folder, camera=camera,
                filming=filming, zones=zones, begun_ms=int(time.time() * 1000),
            )  # fmt: skip
        finally:
            beside = [task for task in (following, filming) if task is not None]
            for task in beside:
                task.cancel()
            await load.end()
            await asyncio.gather(*beside, return_exceptions=True)


def _camera(system: System, person: tuple[str, str, str]) -> Camera:
    wearer_id, _, token = person
    return Camera(device_socket(str(system.ready["gateway"])), token, wearer_id)


async def finish(now: Scene, audited: Audited, injected: Sequence[Wearer], say: Say) -> None:
    """End the load, wait until everything that was promised is kept or the time for it is over, and judge."""
    say("the load ends; waiting for the last acks")
    stay = Stay(begun_ms=now.begun_ms, ended_ms=int(time.time() * 1000), wearers=audited.plan.connections)
    await now.load.finish()
    audited.load = now.load.status
    await _end_filming(now)
    say("auditing every acknowledged reading")
    values = table_of_values(audited.plan.seed)
    deadline_s = time.monotonic() + SETTLES_WITHIN_S
    was_kept = False
    while True:
        late = time.monotonic() > deadline_s
        try:
            await _judge(now, audited, injected, values)
            if now.zones is not None:
                told = now.zones.screen.told
                audited.zones = await asyncio.to_thread(audit_zones, now.database, WATCHED, stay, told)
        except (AuditError, httpx.HTTPError) as error:
            if late:
                raise SetupError(
                    f"The auditor has no answer: {error or type(error).__name__}", next_step="Read the logs."
                ) from error
            say(f"asking again: {error or type(error).__name__}")
            await asyncio.sleep(AGAIN_AFTER_S)
            continue
        is_kept = not (audited.findings.lost or audited.alerts.missed or audited.pulse.lost or audited.zones.lost)
        if late or (is_kept and was_kept):
            break
        was_kept = is_kept
        await asyncio.sleep(SETTLED_AFTER_S if is_kept else AGAIN_AFTER_S)
    carer = now.carer
    audited.carer = {"connections": carer.connections, "repeats": carer.repeats, "resets": carer.resets}


async def _end_filming(now: Scene) -> None:
    """Wait until the camera's last message is acknowledged; one that never is stays counted as waiting."""
    if now.camera is not None and now.filming is not None:
        now.camera.end()
        with contextlib.suppress(TimeoutError):
            await now.filming


async def _judge(now: Scene, audited: Audited, injected: Sequence[Wearer], values: npt.NDArray[np.float64]) -> None:
    beside = [] if now.camera is None else [now.camera.wearer_id]
    audited.findings = await asyncio.to_thread(
        audit, now.database, now.folder / "journal", now.people, values, beside=beside
    )
    audited.alerts = await _judge_alerts(now, injected)
    if now.camera is not None:
        audited.pulse = await asyncio.to_thread(audit_pulse, now.database, now.camera)


async def _judge_alerts(now: Scene, injected: Sequence[Wearer]) -> AlertFindings:
    stored = await asyncio.to_thread(stored_alerts, now.database)
    listed = await api_alerts(now.system.api, now.system.token)
    return judge(injected, stored, listed, now.carer.revisions)
