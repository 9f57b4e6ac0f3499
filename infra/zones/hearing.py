"""What a made city's hour gives: bins, statuses and alarms of zones as they lie on the topics, put into figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from inference.zones.bins import ClosedBin
from ingest.client.happenings import DECOYS, Happening
from schemas import episodes, scores, zones
from schemas.episodes import Episode
from schemas.topics import EPISODES, PARTITIONS, SCORES, ZONES
from schemas.zones import ZoneStatus
from stream_processors.operators.zone_bins import ZoneBins
from stream_processors.ports import Record

AFTER_MIN: Final = 30.0
"""An alarm that begins so long after the end of what happened is told to be of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One episode of a zone, from its first record on; `at_min` counts from the city's start."""

    zone: str
    condition: str
    tier: int
    labels: tuple[str, ...]
    possible: tuple[str, ...]
    at_min: float
    of: str


@dataclass(slots=True)
class Heard:
    """What came on `scores.v1`, `zones.v1` and `episodes.v1`."""

    bins: ZoneBins = field(default_factory=lambda: ZoneBins(PARTITIONS))
    closed: list[ClosedBin] = field(default_factory=list)
    statuses: list[ZoneStatus] = field(default_factory=list)
    opened: list[tuple[int, Episode]] = field(default_factory=list)
    wearer_episodes: int = 0
    rows: int = 0
    scored: int = 0

    def take(self, record: Record) -> None:
        """Take one record of one of the topics."""
        if record.topic == SCORES.name:
            told = scores.decode(record.value)
            self.rows += told.rows
            self.scored += int((~np.isnan(told.frame.floats("score"))).sum())
            self.closed += self.bins.take(record.partition, told)
        elif record.topic == ZONES.name and record.value:
            self.statuses.append(zones.decode(record.value))
        elif record.topic == EPISODES.name:
            episode = episodes.decode(record.value)
            if episode.phase == "opened" and episode.subject.zone is not None:
                self.opened.append((record.append_ms, episode))
            elif episode.phase == "opened" and episode.type == "physiological":
                self.wearer_episodes += 1

    def alarms(self, happenings: Sequence[Happening], start_ms: int) -> list[Alarm]:
        """Return the zones' alarms, each with what it is of: a happening that was under way, or chance."""
        found = []
        for append_ms, episode in self.opened:
            at_min = (append_ms - start_ms) / 60_000
            under_way = [one.kind for one in happenings if _covers(one, at_min)]
            labels, possible = tuple(episode.evidence.labels), tuple(episode.evidence.possible)
            likely = [kind for kind in under_way if (kind in DECOYS) == bool(labels)]
            found.append(
                Alarm(
                    zone=episode.subject.zone or "",
                    condition=episode.condition,
                    tier=episode.tier,
                    labels=labels,
                    possible=possible,
                    at_min=round(at_min, 2),
                    of=next(iter([*likely, *under_way]), "chance"),
                )
            )
        return found

    def figures(self) -> dict[str, Any]:
        """Return counts of bins and what was in them."""
        wearers = [len(one.cell) for one in self.closed]
        own = [one for one in self.statuses if one.zone_id == zones.AREA]
        levels: dict[str, Counter[str]] = {}
        for one in self.statuses:
            levels.setdefault(one.zone_id, Counter())[one.level] += 1
        return {
            "rows_scored": self.scored,
            "rows": self.rows,
            "bins_closed": len({one.bin_ms for one in own if one.state == "ok"}),
            "bins_of_scores": len(self.closed),
            "bins_delayed": sum(one.state == "delayed" for one in own),
            "rows_late": self.bins.late,
            "wearers_a_bin": _spread(wearers),
            "flags_a_bin": _spread([int(one.flag.sum()) for one in self.closed]),
            "flags_expected_a_bin": round(float(np.mean([one.rate.sum() for one in self.closed])), 3)
            if wearers
            else None,
            "judged_share": round(
                float(np.mean([np.isfinite(one.deviate).mean() for one in self.closed if len(one.deviate)])), 3
            )
            if any(wearers)
            else None,
            "mean_deviate_a_bin": [_mean(one) for one in self.closed],
            "levels": {zone: dict(counts) for zone, counts in sorted(levels.items())},
            "wearer_episodes": self.wearer_episodes,
        }


def _covers(one: Happening, at_min: float) -> bool:
    return one.begins_min <= at_min <= one.begins_min + one.lasts_min + AFTER_MIN


def _spread(values: list[int]) -> dict[str, float] | None:
    if not values:
        return None
    return {"least": min(values), "median": float(np.median(values)), "most": max(values)}


def _mean(closed: ClosedBin) -> float | None:
    known = closed.deviate[np.isfinite(closed.deviate)]
    return round(float(known.mean()), 3) if len(known) else None
