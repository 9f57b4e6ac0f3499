"""`pulsera chaos`: load on a temporary system, a fault a round, and at the end what became of every promise."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.chaos.alerts import AlertFindings, api_alerts, judge, stored_alerts
from infra.chaos.auditor import AuditError, Database, Findings, Wearer, audit
from infra.chaos.carer import Carer
from infra.chaos.loading import Loading
from infra.chaos.made_readings import table_of_values
from infra.chaos.plan import Fault, draw_plan
from infra.chaos.system import System, make_people, replaced, running_system, strike
from infra.embedded.postgres import client_program

RECOVERS_WITHIN_S: Final = 60.0
DECIDES_IN_S: Final = (3, 7, 12)
"""Each round injects an episode that is decided before the fault, one just after it, and one while it is mended."""
STRIKES_AFTER_S: Final = 5.0
SETTLES_WITHIN_S: Final = 60.0
"""What is acknowledged must be stored, and what was decided told, at the latest so long after the load's end."""
STEADY_S: Final = 4.0
_POLL_S: Final = 0.3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosPlan:
    """What to strike, `rounds` times each; the load is `rate` messages a second over `connections` devices."""

    targets: tuple[str, ...]
    rounds: int
    seed: int
    rate: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One fault: seconds from its end until the system was well, None where it was not in time and why."""

    fault: Fault
    recovery_s: float | None
    worst_ack_s: float
    trouble: str = ""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Everything that a run found; `kept` names the folder that is left where a promise was broken."""

    plan: ChaosPlan
    rounds: list[Round] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    alerts: AlertFindings = field(default_factory=AlertFindings)
    load: dict[str, Any] = field(default_factory=dict)
    carer: dict[str, int] = field(default_factory=dict)
    lasted_s: float = 0.0
    kept: Path | None = None

    @property
    def breaches(self) -> list[str]:
        """Name the promises that were broken, and how often."""
        counts = {
            "lost": self.findings.lost,
            "doubled": self.findings.doubled,
            "wrong": self.findings.wrong,
            "alerts missed": self.alerts.missed,
            "alerts doubled": self.alerts.doubled,
            "refused": self.load.get("counts", {}).get("refused", 0),
            "never acknowledged": self.load.get("waiting", 0),
            "not recovered": sum(one.recovery_s is None for one in self.rounds),
        }
        return [f"{count} {name}" for name, count in counts.items() if count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The running system, the people in it, and the load on it."""

    system: System
    database: Database
    people: list[Wearer]
    load: Loading
    carer: Carer
    folder: Path


async def run_chaos(plan: ChaosPlan, say: Say) -> Outcome:
    """Run the whole plan and return what it found; the folder is kept where a promise was broken."""
    faults = draw_plan(plan.targets, rounds=plan.rounds, seed=plan.seed)
    outcome = Outcome(plan=plan)
    begun_s = time.monotonic()
    async with kept_on_breach(outcome) as folder:
        patients = len(faults) * len(DECIDES_IN_S)
        async with scene(plan, patients, folder, say) as now:
            for number, fault in enumerate(faults):
                done = await _round(now, fault, plan.connections + number * len(DECIDES_IN_S))
                outcome.rounds.append(done)
                well = f"well after {done.recovery_s:.1f} s" if done.recovery_s is not None else done.trouble
                say(f"round {number + 1} of {len(faults)}: {fault}: {well}; slowest ack {done.worst_ack_s:.1f} s")
                if done.recovery_s is None:
                    break
            injected = now.people[plan.connections :][: len(outcome.rounds) * len(DECIDES_IN_S)]
            await finish(now, outcome, injected, say)
        outcome.lasted_s = time.monotonic() - begun_s
    return outcome


@asynccontextmanager
async def kept_on_breach(outcome: Outcome) -> AsyncIterator[Path]:
    """Give a temporary folder; it stays where a promise was broken, or the run itself failed."""
    folder = Path(tempfile.mkdtemp(prefix="pulsera-chaos-"))
    os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
    outcome.kept = folder
    try:
        yield folder
    except (asyncio.CancelledError, KeyboardInterrupt):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not outcome.breaches:
        shutil.rmtree(folder, ignore_errors=True)
        outcome.kept = None


@asynccontextmanager
async def scene(plan: ChaosPlan, patients: int, folder: Path, say: Say) -> AsyncIterator[Scene]:
    """Start the system, make its people, put the load on it, and end all of it."""
    async with running_system(folder) as system:
        say(f"system is up in {folder}; making {plan.connections + patients} wearers and devices")
        made = await make_people(system, plan.connections + patients)
        people = [Wearer(index, wearer, device) for index, (wearer, device, _) in enumerate(made)]
        host, port = system.gateway
        carer = Carer(system.api, system.token, seed=plan.seed)
        following = asyncio.create_task(carer.run())
        load = await Loading.start(
            {
                "host": host, "port": port, "tokens": [token for _, _, token in made], "steady": plan.connections,
                "rate": plan.rate, "seed": plan.seed,
            },
            folder,
        )  # fmt: skip
        try:
            say(f"{plan.rate} messages/s over {plan.connections} devices")
            await asyncio.sleep(STEADY_S)
            database = Database(client_program("psql"), str(system.ready["database_url"]))
            yield Scene(system=system, database=database, people=people, load=load, carer=carer, folder=folder)
        finally:
            following.cancel()
            await load.end()
            await asyncio.gather(following, return_exceptions=True)


async def _round(now: Scene, fault: Fault, first_patient: int) -> Round:
    await now.load.tell("mark")
    for place, decides_in_s in enumerate(DECIDES_IN_S):
        await now.load.tell("episode", str(first_patient + place), str(decides_in_s))
    await asyncio.sleep(STRIKES_AFTER_S)
    before = now.system.pids()
    await strike(now.system, fault)
    ended_s, ended_ms = time.monotonic(), int(time.time() * 1000)
    trouble = "not asked yet"
    while trouble and time.monotonic() - ended_s < RECOVERS_WITHIN_S:
        trouble = await _trouble(now, before, fault, ended_s=ended_s, ended_ms=ended_ms)
        if trouble:
            await asyncio.sleep(_POLL_S)
    recovery_s = None if trouble else time.monotonic() - ended_s
    return Round(fault=fault, recovery_s=recovery_s, worst_ack_s=now.load.status["worst_ack_s"], trouble=trouble)


async def _trouble(now: Scene, before: dict[str, int], fault: Fault, *, ended_s: float, ended_ms: int) -> str:
    """Return "" where everything works that worked before the fault, else what does not yet."""
    if not replaced(before, now.system.pids(), fault):
        return "it has not been started again"
    if trouble := await now.system.all_up():
        return trouble
    if now.load.status["served_s"] <= ended_s:
        return "some device has heard no ack"
    try:
        return await asyncio.to_thread(_behind, now, ended_ms)
    except AuditError as error:
        return f"the database cannot be asked: {error}"


def _behind(now: Scene, ended_ms: int) -> str:
    """Return whether the first device's readings of after the fault are stored and scored."""
    query = (
        "SELECT (extract(epoch FROM (SELECT max(time) FROM readings WHERE wearer_id = w)) * 1000)::bigint AS stored, "
        "(extract(epoch FROM (SELECT max(bin) FROM scores WHERE wearer_id = w)) * 1000)::bigint AS scored "
        "FROM (SELECT (:'wearers'::uuid[])[1] AS w) AS one"
    )
    row = now.database.table(query, [now.people[0].wearer_id]).to_pylist()[0]
    if (row["stored"] or 0) <= ended_ms:
        return "storage is behind"
    return "" if (row["scored"] or 0) > ended_ms - 5_000 else "vitals is behind"


async def finish(now: Scene, outcome: Outcome, injected: list[Wearer], say: Say) -> None:
    """End the load, wait until everything that was promised is kept or the time for it is over, and judge."""
    say("load ends; waiting for the last acks")
    await now.load.finish()
    outcome.load = now.load.status
    say("auditing every acknowledged reading")
    values = table_of_values(outcome.plan.seed)
    deadline_s = time.monotonic() + SETTLES_WITHIN_S
    while True:
        late = time.monotonic() > deadline_s
        try:
            outcome.findings = await asyncio.to_thread(audit, now.database, now.folder / "journal", now.people, values)
            outcome.alerts = await _judge_alerts(now, injected)
        except AuditError as error:
            if late:
                raise
            say(f"asking the database again: {error}")
        else:
            if late or not (outcome.findings.lost or outcome.alerts.missed):
                break
        await asyncio.sleep(1.0)
    carer = now.carer
    outcome.carer = {"connections": carer.connections, "repeats": carer.repeats, "resets": carer.resets}


async def _judge_alerts(now: Scene, injected: list[Wearer]) -> AlertFindings:
    stored = await asyncio.to_thread(stored_alerts, now.database)
    listed = await api_alerts(now.system.api, now.system.token)
    return judge(injected, stored, listed, now.carer.revisions)
