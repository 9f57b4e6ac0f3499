"""When a zone's scores are an alarm, and when that is over: episodes of zones, as the evaluation counts alarms.

What passes the once-a-year threshold opens an episode. While it is open, and for two hours after it passed last, what
passes again in that zone belongs to it, whichever test it is. It ends when no test has reached the once-a-month cut for
six bins in a row, or when for as long too few wearers are there to tell: what few show keeps nothing open.
"""

from typing import Final, Self

import msgspec
import numpy as np

from inference.zones.covariates import Causes
from inference.zones.disclosure import LEAST, coverage
from inference.zones.levels import CUTS_DAYS
from inference.zones.monitor import Region
from inference.zones.recurrence import REST_BINS, SHIPPED_DAYS
from schemas.episodes import EndReason, Episode, Evidence, Phase, Subject, episode_id
from schemas.zones import BIN_MS
from stream_processors.operators import zone_words
from stream_processors.operators.zone_bins import GRACE_MS
from stream_processors.operators.zone_standing import BIN_MIN, Sight, Standing, recurrence_step

WRITER: Final = "zones"
QUIET_BINS: Final = 6
MODEL: Final = "zone scan 1"
_HOLDS_DAYS: Final = CUTS_DAYS[-1][0]
_NOTICE, _ALERT = 1, 2
_QUIET_MIN: Final = QUIET_BINS * BIN_MIN


class _Open(msgspec.Struct, kw_only=True):
    """An episode that goes on. `cells` are those of resolution 8 that it is about, which are never told."""

    condition: str
    onset_ms: int
    revision: int
    tier: int
    evidence: Evidence
    cells: list[int]
    quiet: int = 0
    few: int = 0


class _Saved(msgspec.Struct, frozen=True):
    open: dict[str, _Open]
    passed_ms: dict[str, int]


class ZoneAlarms:
    """The open episode of each zone, at most one, and when each zone passed the threshold last."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._passed_ms: dict[str, int] = {}

    def active(self, zone_id: str) -> int:
        """Return how many episodes of a zone are open."""
        return int(zone_id in self._open)

    def judge(self, sight: Sight, standing: Standing) -> list[Episode]:
        """Return what one bin changes in a zone's episodes."""
        held = self._open.get(sight.zone_id)
        few = sight.wearers < LEAST
        best = None if few else sight.rarest
        passing = best if best is not None and best.recurrence_days >= SHIPPED_DAYS else None
        if held is None:
            return [] if passing is None else self._opened(sight, passing, standing.causes(passing))
        holds = best is not None and best.recurrence_days >= _HOLDS_DAYS
        if holds:
            held.quiet = held.few = 0
        elif few or standing.active(np.array(held.cells, dtype=np.int64)) < LEAST:
            held.few += 1
        else:
            held.quiet, held.few = held.quiet + 1, 0
        if passing is not None:
            self._passed_ms[sight.zone_id] = sight.bin_ms
            return self._updated(sight, held, passing, standing.causes(passing))
        if held.few >= QUIET_BINS:
            return self._ended(sight, held, "data_ended", zone_words.data_ended(held.evidence, minutes=_QUIET_MIN))
        if held.quiet >= QUIET_BINS:
            return self._ended(sight, held, "recovered", zone_words.recovered(held.evidence, minutes=_QUIET_MIN))
        return []

    def withdraw(self, zone_id: str, *, bin_ms: int) -> list[Episode]:
        """Return the end of a zone's episode with a bin, if one is open, and forget the zone."""
        self._passed_ms.pop(zone_id, None)
        held = self._open.pop(zone_id, None)
        if held is None:
            return []
        held.revision += 1
        reason = zone_words.withdrawn(held.evidence)
        return [_episode(zone_id, held, "ended", reason, bin_ms, end="data_ended")]

    def dump(self) -> bytes:
        """Return the state."""
        return msgspec.json.encode(_Saved(self._open, self._passed_ms), order="deterministic")

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return what `dump` returned as it was."""
        saved, found = msgspec.json.decode(data, type=_Saved), cls()
        found._open, found._passed_ms = saved.open, saved.passed_ms
        return found

    def _opened(self, sight: Sight, region: Region, causes: Causes) -> list[Episode]:
        last_ms = self._passed_ms.get(sight.zone_id)
        resting = last_ms is not None and sight.bin_ms - last_ms <= REST_BINS * BIN_MS
        if resting:
            return []
        self._passed_ms[sight.zone_id] = sight.bin_ms
        evidence = _evidence(sight, region, causes)
        held = _Open(
            condition=f"zone.{region.test}",
            onset_ms=sight.bin_ms,
            revision=1,
            tier=_NOTICE if causes.likely else _ALERT,
            evidence=evidence,
            cells=region.cells.tolist(),
        )
        self._open[sight.zone_id] = held
        return [_told(sight, held, "opened")]

    def _updated(self, sight: Sight, held: _Open, region: Region, causes: Causes) -> list[Episode]:
        """Tell what is new: rarer than it was, other causes; the tier only rises."""
        held.cells = region.cells.tolist()
        before = held.evidence
        rarer = (recurrence_step(region.recurrence_days) or 0.0) > (before.recurrence_days or 0.0)
        tier = max(held.tier, _NOTICE if causes.likely else _ALERT)
        same = [*causes.likely] == before.labels and [*causes.possible] == before.possible
        if not rarer and same and tier == held.tier:
            return []
        evidence = _evidence(sight, region, causes)
        days = max(evidence.recurrence_days or 0.0, before.recurrence_days or 0.0)
        held.evidence = msgspec.structs.replace(
            evidence,
            recurrence_days=days,
            duration_s=(sight.bin_ms + BIN_MS - held.onset_ms) / 1000,
        )
        held.tier, held.revision = tier, held.revision + 1
        return [_told(sight, held, "updated")]

    def _ended(self, sight: Sight, held: _Open, end: EndReason, reason: str) -> list[Episode]:
        del self._open[sight.zone_id]
        held.revision += 1
        return [_episode(sight.zone_id, held, "ended", reason, sight.bin_ms, end=end)]


def _evidence(sight: Sight, region: Region, causes: Causes) -> Evidence:
    return Evidence(
        rule=f"zone.{region.test}",
        model=MODEL,
        place=sight.name,
        recurrence_days=recurrence_step(region.recurrence_days),
        window_min=region.window_bins * BIN_MIN,
        labels=list(causes.likely),
        possible=list(causes.possible),
        coverage=coverage(sight.wearers),
        region=list(sight.region),
        duration_s=BIN_MS / 1000,
    )


def _told(sight: Sight, held: _Open, phase: Phase) -> Episode:
    reason = zone_words.opened(held.condition, held.evidence)
    return _episode(sight.zone_id, held, phase, reason, sight.bin_ms)


def _episode(
    zone_id: str, held: _Open, phase: Phase, reason: str, bin_ms: int, *, end: EndReason | None = None
) -> Episode:
    subject, end_ms = Subject(zone=zone_id), bin_ms + BIN_MS
    decided_ms = end_ms + GRACE_MS
    return Episode(
        episode_id=episode_id(subject, held.condition, held.onset_ms),
        subject=subject,
        condition=held.condition,
        type="physiological",
        phase=phase,
        tier=held.tier,
        writer=WRITER,
        revision=held.revision,
        pages=True,
        onset_ms=held.onset_ms,
        changed_ms=end_ms,
        reason=reason,
        evidence=held.evidence,
        decided_received_ms=decided_ms,
        decided_append_ms=decided_ms,
        ended_ms=end_ms if end is not None else None,
        end_reason=end,
    )
