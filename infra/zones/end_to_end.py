"""A made city through a whole temporary system: what comes out of the zones in so many minutes, and what does not."""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import typer

from infra.bench.path import running_system
from infra.bench.processes import Usage, watch
from infra.city_command import CityPlan, live, settle
from infra.enrol import System, api_client, device_socket
from infra.kafka.follower import KafkaFollower
from infra.logs import configure_logging
from infra.zones.hearing import Alarm, Heard
from ingest.client.city import CitySize, Crowd
from ingest.client.happenings import Happening
from ingest.client.simulator import Tally
from schemas.topics import EPISODES, SCORES, ZONES
from stream_processors.operators.zone_bins import GRACE_MS, ZONE_BIN_MS

EVERY_S: Final = 10.0
HOUR: Final = 10.0
JUDGED_FROM_MIN: Final = 21
"""Of a new wearer 15 min are not judged (`inference.pulsenet.activity.WARM_UP_MIN`), and nothing is usual before five
minutes at rest (`inference.pulsenet.personal.KNOWN_MIN`)."""
_TAIL_S: Final = 30.0
_LEAST_MIN: Final = 5.0
"""What lasts shorter than a bin is hardly in it."""


def happenings_of(minutes: float, event: str, decoy: str) -> list[Happening]:
    """Return the event and the decoy, far apart in what is left once wearers are judged."""
    judged = JUDGED_FROM_MIN + _LEAST_MIN
    first = judged if minutes >= judged + _LEAST_MIN else 0.4 * minutes
    left = minutes - first
    lasts = max(0.35 * left, _LEAST_MIN)
    return [
        Happening(kind=event, begins_min=first, lasts_min=lasts, rings=2, share=0.8),
        Happening(kind=decoy, begins_min=first + 0.6 * left, lasts_min=lasts, rings=2, share=0.8),
    ]


def last_bin_s(now_ms: int) -> float:
    """Return how long after the city's end its last bin closes: writers' clocks go on without devices."""
    return (ZONE_BIN_MS - now_ms % ZONE_BIN_MS + GRACE_MS) / 1000 + _TAIL_S


async def end_to_end(*, minutes: float, people: int, rings: int, seed: int, event: str, decoy: str) -> dict[str, Any]:
    """Start a system, let the city live in it, and return the report.

    Raises:
        SetupError: The system cannot be started.
    """
    configure_logging("evaluate", level="warning")
    happenings = happenings_of(minutes, event, decoy)
    plan = CityPlan(
        size=CitySize(people=people, rings=rings, seed=seed),
        every_s=EVERY_S,
        seconds=minutes * 60,
        hour=HOUR,
        happenings=happenings,
    )
    with tempfile.TemporaryDirectory(prefix="pulsera-city-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        async with running_system(Path(folder) / "data") as ready:
            return await _followed(plan, ready)


async def _followed(plan: CityPlan, ready: dict[str, Any]) -> dict[str, Any]:
    url = device_socket(ready["gateway"])
    system = System(api_url=ready["api"], gateway_url=url, admin_token=ready["admin_token"])
    async with api_client(system) as http:
        tokens, named = await settle(http, plan.size)
    heard = Heard()
    follower = KafkaFollower(
        ready["kafka"], [SCORES.name, ZONES.name, EPISODES.name], begin=lambda *_: None, take=heard.take
    )
    following = asyncio.create_task(follower.run(from_ms=round(time.time() * 1000) - 60_000))
    began: list[tuple[Crowd, int]] = []
    seconds = plan.seconds or 0.0
    usage = asyncio.create_task(watch({**ready["pids"], "evaluate": os.getpid()}, seconds))
    said = _Said(heard)
    try:
        await follower.attached.wait()
        tally = await live(
            plan, url, tokens, on_progress=said.show, begun=lambda crowd, start_ms: began.append((crowd, start_ms))
        )
        await asyncio.sleep(last_bin_s(round(time.time() * 1000)))
        cores = await usage
    finally:
        usage.cancel()
        following.cancel()
        await asyncio.wait({usage, following})
    crowd, start_ms = began[0]
    return _report(plan, heard, crowd, start_ms, tally, cores, named)


def _report(
    plan: CityPlan, heard: Heard, crowd: Crowd, start_ms: int, tally: Tally, cores: dict[str, Usage], named: list[str]
) -> dict[str, Any]:
    alarms = heard.alarms(plan.happenings, start_ms)
    return {
        "data": "simulated",
        "minutes": (plan.seconds or 0) / 60,
        "wearers": plan.size.people,
        "rings": plan.size.rings,
        "seed": plan.size.seed,
        "zones": named,
        "happened": [
            {
                "kind": one.kind,
                "begins_min": round(one.begins_min, 2),
                "lasts_min": round(one.lasts_min, 2),
                "wearers": crowd.affected(number),
            }
            for number, one in enumerate(plan.happenings)
        ],
        "readings_sent": tally.sent,
        "readings_acknowledged": tally.acknowledged,
        **heard.figures(),
        "alarms": [
            {"zone": one.zone, "condition": one.condition, "tier": one.tier, "labels": list(one.labels),
             "possible": list(one.possible), "at_min": one.at_min, "of": one.of}
            for one in alarms
        ],
        "event_delay_s": _delay_s(alarms, plan.happenings[0]),
        "cpu": {name: round(one.cores, 4) for name, one in cores.items()},
        "rss_mib": {name: round(one.rss_mib, 1) for name, one in cores.items()},
    }  # fmt: skip


def _delay_s(alarms: list[Alarm], event: Happening) -> float | None:
    """Return how long after the event began an alarm was told of it, None where none was."""
    own = [one.at_min for one in alarms if one.of == event.kind and one.at_min >= event.begins_min]
    return round(60 * (min(own) - event.begins_min), 1) if own else None


def told(report: dict[str, Any]) -> str:
    """Return the report in words; nothing found is said as such."""
    event, decoy = report["happened"]
    made = f"{report['wearers']} made wearers for {report['minutes']:g} min, seed {report['seed']}. All simulated."
    closed = (
        f"{report['bins_closed']} bins of five minutes closed on zones.v1, {report['bins_of_scores']} by the scores;"
    )
    within = f"Wearers a bin {_words(report['wearers_a_bin'])}; flags a bin {_words(report['flags_a_bin'])}, expected"
    delay_s = report["event_delay_s"]
    seen = "no zone alarm told of it." if delay_s is None else f"an alarm after {delay_s:g} s."
    lines = [
        made,
        f"{closed} {report['bins_delayed']} told delayed, {report['rows_late']} rows late.",
        f"{within} {report['flags_expected_a_bin']}; {report['rows_scored']} of {report['rows']} rows had a score.",
        f"{_began(event)}: {seen}",
        f"{_began(decoy)}: {_of(report, decoy['kind'])}",
        *(_alarm(one) for one in report["alarms"]),
        f"The zones worker used {report['cpu'].get('zones', float('nan')):.3f} of a core.",
    ]
    if not report["alarms"]:
        lines.append(
            f"Nothing was found. Wearers at rest are judged from minute {JUDGED_FROM_MIN} on; the rate of their "
            "flags is the population's until they have worn the device for weeks, and for the first two the thresholds "
            "are those of made cities."
        )
    return "\n".join(lines)


def _began(one: dict[str, Any]) -> str:
    return f"{one['kind']} from min {one['begins_min']:g} for {one['lasts_min']:g} min, {one['wearers']} wearers"


def _of(report: dict[str, Any], kind: str) -> str:
    own = [one for one in report["alarms"] if one["of"] == kind]
    labelled = sum(bool(one["labels"] or one["possible"]) for one in own)
    return f"{len(own)} alarms, {labelled} of them labelled." if own else "no zone alarm."


def _alarm(one: dict[str, Any]) -> str:
    labels = ", ".join([*one["labels"], *(f"possible: {label}" for label in one["possible"])]) or "none"
    what = f"{one['condition']}, tier {one['tier']}, at min {one['at_min']:g}"
    return f"alarm of {one['zone']}: {what}, labels {labels} ({one['of']})"


def _words(spread: dict[str, float] | None) -> str:
    return "none" if spread is None else f"{spread['least']:g} to {spread['most']:g}, half of them {spread['median']:g}"


class _Said:
    """Says once a minute how far it is."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._began_s = time.monotonic()
        self._minute = 0

    def show(self, tally: Tally) -> None:
        """Take note of what was sent."""
        minute = int((time.monotonic() - self._began_s) // 60)
        if minute > self._minute:
            self._minute = minute
            closed = self._heard.closed
            newest = (
                f", {len(closed[-1].cell)} wearers and {int(closed[-1].flag.sum())} flags in the last" if closed else ""
            )
            typer.echo(
                f"minute {minute}: {tally.sent} sent, {tally.acknowledged} acknowledged, {len(closed)} bins closed"
                f"{newest}, {len(self._heard.opened)} zone alarms",
                err=True,
            )
