"""When a zone's scores are an alarm, and when that is over: episodes of zones.

What passes the once-a-year threshold opens an episode. While it is open, what passes again in that zone belongs to it,
whichever test it is. It ends when no test has reached the once-a-month cut for six bins in a row in which enough
wearers were there to tell, and what passes then is another one. Where for as long too few are there to tell, or two
hours go by without six such bins, its data has ended: what few show keeps nothing open.
"""

from typing import Final, Self

import msgspec
import numpy as np

from inference.zones.covariates import Causes
from inference.zones.disclosure import LEAST, coverage
from inference.zones.levels import CUTS_DAYS
from inference.zones.monitor import Region
from inference.zones.recurrence import SHIPPED_DAYS
from schemas.episodes import EndReason, Episode, Evidence, Phase, Subject, episode_id
from schemas.zones import BIN_MS
from stream_processors.operators import zone_words
from stream_processors.operators.zone_bins import GRACE_MS
from stream_processors.operators.zone_standing import BIN_MIN, Sight, Standing, recurrence_step

WRITER: Final = "zones"
QUIET_BINS: Final = 6
UNSURE_BINS: Final = 24
MODEL: Final = "zone scan 1"
_HOLDS_DAYS: Final = CUTS_DAYS[-1][0]
_NOTICE, _ALERT = 1, 2


class _Open(msgspec.Struct, kw_only=True):
    """An episode that goes on.

    `cells` are those of resolution 8 that it is about, which are never told. Since it last held there were `over` bins;
    the newest of them are `quiet` ones with enough wearers to tell, or `few` without.
    """

    condition: str
    onset_ms: int
    revision: int
    tier: int
    evidence: Evidence
    cells: list[int]
    quiet: int = 0
    few: int = 0
    over: int = 0


class _Saved(msgspec.Struct, frozen=True):
    open: dict[str, _Open]


class ZoneAlarms:
    """The open episode of each zone, at most one."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

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
        if best is not None and best.recurrence_days >= _HOLDS_DAYS:
            held.quiet = held.few = held.over = 0
        elif few or standing.active(np.array(held.cells, dtype=np.int64)) < LEAST:
            held.quiet, held.few, held.over = 0, held.few + 1, held.over + 1
        else:
            held.quiet, held.few, held.over = held.quiet + 1, 0, held.over + 1
        if passing is not None:
            return self._updated(sight, held, passing, standing.causes(passing))
        if held.quiet >= QUIET_BINS:
            return self._ended(sight, held, "recovered", zone_words.recovered(held.evidence, minutes=_minutes(held)))
        if held.few >= QUIET_BINS or held.over >= UNSURE_BINS:
            return self._ended(sight, held, "data_ended", zone_words.data_ended(held.evidence, minutes=_minutes(held)))
        return []

    def withdraw(self, zone_id: str, *, bin_ms: int) -> list[Episode]:
        """Return the end of a zone's episode with a bin, if one is open."""
        held = self._open.pop(zone_id, None)
        if held is None:
            return []
        held.revision += 1
        reason = zone_words.withdrawn(held.evidence)
        return [_episode(zone_id, held, "ended", reason, bin_ms, end="data_ended")]

    def dump(self) -> bytes:
        """Return the state."""
        return msgspec.json.encode(_Saved(self._open), order="deterministic")

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return what `dump` returned as it was."""
        found = cls()
        found._open = msgspec.json.decode(data, type=_Saved).open
        return found

    def _opened(self, sight: Sight, region: Region, causes: Causes) -> list[Episode]:
        held = _Open(
            condition=f"zone.{region.test}",
            onset_ms=sight.bin_ms,
            revision=1,
            tier=_NOTICE if causes.likely else _ALERT,
            evidence=_evidence(sight, region, causes),
            cells=region.cells.tolist(),
        )
        self._open[sight.zone_id] = held
        return [_told(sight, held, "opened")]

    def _updated(self, sight: Sight, held: _Open, region: Region, causes: Causes) -> list[Episode]:
        """Tell what is new: rarer than it was, other causes; the tier only rises.

        Likely is what was so in every bin, possible what was named in any other. Test, window and recurrence are those
        of the bin that chance gives most seldom.
        """
        held.cells = region.cells.tolist()
        before, now = held.evidence, _evidence(sight, region, causes)
        rarer = (now.recurrence_days or 0.0) > (before.recurrence_days or 0.0)
        labels = [label for label in before.labels if label in causes.likely]
        named = {*before.labels, *before.possible, *causes.likely, *causes.possible}
        possible = sorted(named.difference(labels))
        tier = max(held.tier, _NOTICE if labels else _ALERT)
        if not rarer and (labels, possible, tier) == (before.labels, before.possible, held.tier):
            return []
        held.evidence = msgspec.structs.replace(
            now if rarer else before,
            labels=labels,
            possible=possible,
            coverage=now.coverage,
            region=now.region,
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
        possible=sorted(causes.possible),
        coverage=coverage(sight.wearers),
        region=list(sight.region),
        duration_s=BIN_MS / 1000,
    )


def _minutes(held: _Open) -> int:
    return (held.quiet or held.over) * BIN_MIN


def _told(sight: Sight, held: _Open, phase: Phase) -> Episode:
    reason = zone_words.opened(held.evidence)
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
