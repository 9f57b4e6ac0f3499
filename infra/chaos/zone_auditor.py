"""Was a series of a zone told bin by bin, none left out? Judged by plain SQL, as `auditor` judges readings.

All it knows is what docs/zones.md says: bins of 5 min, told at the latest 7 min after their start, and a level that is
`too_few_wearers` only where too few wearers are judged: a wearer counts where the model expected something in most of a
bin, which the stored scores tell.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from infra.chaos.auditor import SHOWN, Database

BIN_MS: Final = 300_000
TOLD_AFTER_MS: Final = 420_000
TOO_FEW: Final = "too_few_wearers"
SURELY_ENOUGH: Final = 44
"""Twice as many wearers as a zone needs to be told of."""
_JUDGED: Final = (
    "SELECT bin_ms, count(*) AS wearers FROM ("
    "SELECT wearer_id, floor(extract(epoch FROM bin) / 300)::bigint * 300000 AS bin_ms "
    "FROM scores GROUP BY 1, 2 HAVING count(tier0_rate) > 30) AS most GROUP BY bin_ms"
)
"""Of each bin of five minutes, whom the model expected something of in more than half of its sixty bins of 5 s."""
_SERIES: Final = (
    "SELECT zone_id, (extract(epoch FROM bin) * 1000)::bigint AS bin_ms, body->>'level' AS level FROM zone_status"
)


@dataclass(slots=True)
class ZoneFindings:
    """Bins of all zones that had to be told, and how many lack, were told in two ways, or as if nobody were there.

    `judged` are those in which enough were judged: of no other one could tell that it was told as if nobody were there.
    """

    expected: int = 0
    judged: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    shown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """When so many wearers were in every zone, Unix ms."""

    begun_ms: int
    ended_ms: int
    wearers: int

    def covers(self, bin_ms: int) -> bool:
        """Whether they were there during a whole bin, and enough of them."""
        return self.begun_ms <= bin_ms and bin_ms + BIN_MS <= self.ended_ms and self.wearers >= SURELY_ENOUGH

    def due(self) -> range:
        """Return the starts of the bins that began within it and had to be told by its end; a short one has none."""
        first_ms = -(-self.begun_ms // BIN_MS) * BIN_MS
        return range(first_ms, self.ended_ms - TOLD_AFTER_MS + 1, BIN_MS)


def audit_zones(
    database: Database, zones: Sequence[str], stay: Stay, told: Mapping[tuple[str, int], AbstractSet[str]]
) -> ZoneFindings:
    """Compare what is stored of zones, and what a live socket showed, with what had to be told by the stay's end.

    `told` are the bodies of each (zone, revision) that the socket showed. Raises AuditError without an answer.
    """
    judged = {int(row["bin_ms"]): int(row["wearers"]) for row in database.table(_JUDGED).to_pylist()}
    return compare_series(zones, database.table(_SERIES), stay, told, judged)


def compare_series(
    zones: Sequence[str],
    stored: pa.Table,
    stay: Stay,
    told: Mapping[tuple[str, int], AbstractSet[str]],
    judged: Mapping[int, int],
) -> ZoneFindings:
    """Return which bins lack from the stay's first whole one to the one that is due last, and what else is amiss.

    `judged` are the wearers who were judged, by the start of the bin (ms).
    """
    found = ZoneFindings()
    expected = stay.due()
    for zone in zones:
        levels = {int(row["bin_ms"]): row["level"] for row in stored.to_pylist() if row["zone_id"] == zone}
        lacking = [bin_ms for bin_ms in expected if bin_ms not in levels]
        found.expected += len(expected)
        found.lost += len(lacking)
        known = [bin_ms for bin_ms in sorted(levels) if stay.covers(bin_ms) and judged.get(bin_ms, 0) >= SURELY_ENOUGH]
        empty = [bin_ms for bin_ms in known if levels[bin_ms] == TOO_FEW]
        found.judged += len(known)
        found.wrong += len(empty)
        found.shown += [f"zone {zone}: nothing is told of {bin_ms}" for bin_ms in lacking]
        found.shown += [f"zone {zone}: {bin_ms} is told as if nobody were there" for bin_ms in empty]
    ways = [(zone, revision, len(bodies)) for (zone, revision), bodies in sorted(told.items()) if len(bodies) > 1]
    found.doubled = len(ways)
    found.shown += [f"zone {zone}: revision {revision} was told in {count} ways" for zone, revision, count in ways]
    del found.shown[SHOWN:]
    return found
