"""`pulsera chaos`: load on a temporary system, a fault a round, and at the end what became of every promise."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.chaos.auditor import AuditError
from infra.chaos.camera import NEWEST
from infra.chaos.plan import FAMILIES, Fault
from infra.chaos.scene import Audited, LoadPlan, Say, Scene, finish, kept_on_breach, scene
from infra.chaos.system import replaced, second_workers, strike

RECOVERS_WITHIN_S: Final = 60.0
DECIDES_IN_S: Final = (3, 6, 10)
"""Each round injects an episode that is decided before the fault, one just after it, and one while it is mended."""
STRIKES_AFTER_S: Final = 5.0
SAYS_EVERY_S: Final = 10.0
_POLL_S: Final = 0.3
_FRESH: Final = (
    "SELECT (extract(epoch FROM (SELECT max(time) FROM readings WHERE wearer_id = w)) * 1000)::bigint AS stored, "
    "(extract(epoch FROM (SELECT max(bin) FROM scores WHERE wearer_id = w)) * 1000)::bigint AS scored "
    "FROM (SELECT (:'wearers'::uuid[])[1] AS w) AS one"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One fault: seconds from its end until the system was well, None where it was not in time and why."""

    fault: Fault
    recovery_s: float | None
    worst_ack_s: float
    trouble: str = ""
    waits: dict[str, float] = field(default_factory=dict)
    """What was not well yet, and until how many seconds after the fault's end."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Everything that a run found."""

    audited: Audited
    rounds: list[Round] = field(default_factory=list)


async def run_chaos(plan: LoadPlan, faults: Sequence[Fault], say: Say) -> Outcome:
    """Do one fault after the other and return what was found; evictions need second workers, which run then."""
    outcome = Outcome(audited=Audited(plan=plan))
    each = len(DECIDES_IN_S)
    struck = {target for fault in faults for target in fault.targets}
    twins = FAMILIES if any(fault.kind == "evict" for fault in faults) else ()
    async with (
        kept_on_breach(outcome.audited, say) as folder,
        scene(plan, len(faults) * each, folder, say, targets=struck) as now,
        second_workers(now.system, folder, twins),
    ):
        for number, fault in enumerate(faults):
            done = await _round(now, fault, plan.connections + number * each, say)
            outcome.rounds.append(done)
            well = f"well after {done.recovery_s:.1f} s" if done.recovery_s is not None else done.trouble
            say(f"round {number + 1} of {len(faults)}: {fault}: {well}; slowest ack {done.worst_ack_s:.1f} s")
            if done.recovery_s is None:
                outcome.audited.others["not well again"] = 1
                break
        injected = now.people[plan.connections :][: len(outcome.rounds) * each]
        await finish(now, outcome.audited, injected, say)
    return outcome


async def _round(now: Scene, fault: Fault, first_patient: int, say: Say) -> Round:
    await now.load.tell("mark")
    for place, decides_in_s in enumerate(DECIDES_IN_S):
        await now.load.tell("episode", str(first_patient + place), str(decides_in_s))
    await asyncio.sleep(STRIKES_AFTER_S)
    struck = await strike(now.system, fault)
    ended_s, ended_ms = time.monotonic(), int(time.time() * 1000)
    trouble, waits = "not asked yet", dict[str, float]()
    while trouble and time.monotonic() - ended_s < RECOVERS_WITHIN_S:
        trouble = await _trouble(now, struck, fault, ended_s=ended_s, ended_ms=ended_ms)
        if trouble:
            waited_s = time.monotonic() - ended_s
            if waited_s // SAYS_EVERY_S > max(waits.values(), default=0.0) // SAYS_EVERY_S:
                say(f"{fault}: after {waited_s:.0f} s {trouble}")
            waits[trouble] = round(waited_s, 1)
            await asyncio.sleep(_POLL_S)
    recovery_s = None if trouble else time.monotonic() - ended_s
    worst_ack_s = now.load.status["worst_ack_s"]
    return Round(fault=fault, recovery_s=recovery_s, worst_ack_s=worst_ack_s, trouble=trouble, waits=waits)


async def _trouble(now: Scene, struck: dict[str, int], fault: Fault, *, ended_s: float, ended_ms: int) -> str:
    """Return "" where everything works that worked before the fault, else what does not yet."""
    if not replaced(struck, now.system.pids(), fault):
        return "it has not been started again"
    if trouble := await now.system.all_up():
        return trouble
    if now.load.status["served_s"] <= ended_s:
        return "some device has heard no ack"
    try:
        trouble = await asyncio.to_thread(_behind, now, ended_ms)
    except AuditError as error:
        return f"the database cannot be asked: {error}"
    if trouble or now.zones is None or await now.zones.is_level(ended_ms):
        return trouble
    return "zones is behind"


def _behind(now: Scene, ended_ms: int) -> str:
    """Return "" where the first device's readings of after the fault are stored and scored, and the camera's pulse."""
    row = now.database.table(_FRESH, [now.people[0].wearer_id]).to_pylist()[0]
    if (row["stored"] or 0) <= ended_ms:
        return "storage is behind"
    if (row["scored"] or 0) <= ended_ms - 5_000:
        return "vitals is behind"
    if now.camera is None:
        return ""
    newest = now.database.table(NEWEST, [now.camera.wearer_id]).column("stored")[0].as_py()
    return "" if (newest or 0) > ended_ms else "video is behind"
