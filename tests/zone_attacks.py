"""What somebody who is told of every zone might try to learn of one person, and whether it succeeds."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import h3
import numpy as np

from inference.slots import Bools
from inference.zones.bins import ClosedBin
from inference.zones.disclosure import COUNT_STEPS, FEW, LEAST
from schemas.zones import AREA, BIN_MS, RECURRENCE_STEPS, SHARE_STEPS
from stream_processors.operators.zone_bins import GRACE_MS
from tests.zone_families import CLASSES, ENDLESS, Bounds, all_told, bounds_of, class_of, pinned
from tests.zone_world import ZoneWorld, counts

_ID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_NUMBER: Final = re.compile(r"\d+")
_LEVELS: Final = {"usual", "elevated", "warning", "critical", "too_few_wearers"}
_MINUTES: Final = range(5, 125, 5)
_CONDITIONS: Final = {"zone.count", "zone.shift"}


def _in(*allowed: Any) -> Callable[[Any], bool]:
    return lambda value: value in allowed


def _text(value: Any) -> bool:
    """Say whether the numbers in a text are no more than lengths of windows."""
    return isinstance(value, str) and all(int(found) in _MINUTES for found in _NUMBER.findall(value))


def _on_grid(value: Any) -> bool:
    return value is None or _ms(value) % BIN_MS == 0


def _closing(value: Any) -> bool:
    """Say whether a time is that at which a bin was closed, which no one wearer decides."""
    return value is None or _ms(value) % BIN_MS == GRACE_MS


def _ms(value: str) -> int:
    return round(datetime.fromisoformat(value).timestamp() * 1000)


def _cell(value: Any) -> bool:
    return h3.get_resolution(value) in {6, 7}


def _ids(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _listed(inner: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(inner(one) for one in value)


RULES: Final[Mapping[str, Callable[[Any], bool]]] = {
    # Of a live message.
    "type": _in("snapshot", "update", "Feature", "FeatureCollection", "MultiPolygon", "Polygon", "physiological"),
    "id": lambda value: value in range(3) or _cell(value),
    "cursor": lambda value: value is None or isinstance(value, str),
    # Of a status.
    "zone_id": lambda value: isinstance(value, str),
    "zone": lambda value: isinstance(value, str),
    "name": lambda value: isinstance(value, str),
    "active_episodes": _in(0, 1, 2),
    "risk_level": _in("safe", "elevated", "warning", "critical", "unknown"),
    "overall_status": _in("safe", "elevated", "warning", "critical", "unknown"),
    "last_updated": _on_grid,
    "timestamp": _closing,
    "level": lambda value: value in _LEVELS,
    "state": _in("starting", "ok", "delayed"),
    "version": _in(1, 2),
    "revision": lambda value: isinstance(value, int),
    "window_min": lambda value: value is None or value in _MINUTES,
    "recurrence": lambda value: isinstance(value, str) and not _NUMBER.search(value),
    "recurrence_days": lambda value: value is None or value in RECURRENCE_STEPS,
    "test": _in("count", "shift", None),
    "labels": _listed(_in("activity", "firmware", "backfill", "clock_change")),
    "possible": _listed(_in("activity", "firmware", "backfill", "clock_change")),
    "coverage": lambda value: value in CLASSES,
    "smallest_visible": lambda value: value is None or value in SHARE_STEPS,
    "cell": _cell,
    "active": lambda value: value is None or (value >= LEAST and value in COUNT_STEPS),
    "flagged": lambda value: value is None or (value >= FEW and value in COUNT_STEPS),
    "region": _listed(_cell),
    "scopes": _listed(_in("status", "alerts", "act")),
    "bounds": lambda value: value is None or len(value) == 4,
    "coordinates": lambda value: isinstance(value, list),
    # Of an alert or an episode.
    "alert_id": _ids,
    "episode_id": _ids,
    "writer": _in("zones"),
    "kind": lambda value: value in _CONDITIONS | {"onset", "raised", "updated", "cleared"},
    "condition": lambda value: value in _CONDITIONS | {"active", "cleared"},
    "priority": _in("low", "medium", "high"),
    "response": _in("unseen"),
    "phase": _in("opened", "updated", "ended"),
    "tier": _in(1, 2),
    "pages": lambda value: isinstance(value, bool),
    "onset": _on_grid,
    "changed": _on_grid,
    "ended": _on_grid,
    "raised": _closing,
    "cleared": _closing,
    "at": _closing,
    "end_reason": _in("recovered", "data_ended", "superseded", None),
    "cleared_reason": _in("recovered", "data_ended", "superseded", None),
    "acknowledged_by": _in(None),
    "resolved_by": _in(None),
    "note": _text,
    "title": _text,
    "reason": _text,
    "rule": lambda value: value in _CONDITIONS,
    "model": _in("zone scan 1"),
    "place": lambda value: isinstance(value, str),
    "duration_s": lambda value: value % 300 == 0,
}
"""Everything that may be told, by its name, and what its value may be; what is not named here may not be told."""
_WITHIN: Final = frozenset(
    {"data", "items", "zones", "features", "properties", "geometry", "subject", "evidence", "events"}
)
_OF_AREA: Final = frozenset({"region", "active", "flagged", "cell"})


def faults(told: Any, *, zone: str = AREA) -> Iterator[str]:
    """Yield what of a message may not be told."""
    if isinstance(told, list):
        for one in told:
            yield from faults(one, zone=zone)
        return
    zone = str(told.get("zone_id", told.get("subject", {}).get("zone", zone)))
    for name, value in told.items():
        if name == "cells":
            yield from _cells(value, zone)
        elif name in _WITHIN:
            yield from faults(value if value is not None else [], zone=zone)
        elif name not in RULES:
            yield f"{name} is told"
        elif not RULES[name](value) or (name in _OF_AREA and zone != AREA and value):
            yield f"{name} of {zone} is {value!r}"


def _cells(value: Any, zone: str) -> Iterator[str]:
    """A definition names a zone's cells; the area's status has cells with what is told of each, no other status."""
    if value and isinstance(value[0], dict):
        if zone != AREA:
            yield f"cells of {zone} are told of"
        yield from faults(value)


def step_bounds(step: int) -> Bounds:
    """Return how few and how many a told count may stand for."""
    ends = [*COUNT_STEPS, ENDLESS]
    return step, ends[ends.index(step) + 1] - 1


class Record:
    """What a run told, what was tried on it, and what came of it."""

    def __init__(self, world: ZoneWorld) -> None:
        self.inspected: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.learned: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self._world = world
        self._draw = np.random.default_rng(5)
        self._closed: ClosedBin | None = None
        self._shown: dict[str, dict[str, Any]] = {}
        self._names = {one.bytes.hex() for one in world.wearers}

    async def look(self, *, all_routes: bool) -> None:
        """Inspect what was told of the newest bin, and try to subtract in it."""
        live, answers = self._world.live(), await self._world.answers(all_routes=all_routes)
        for way, messages in (("live", live), ("http", answers)):
            for one in messages:
                self.inspected[way] += 1
                self.faults.update(faults(one))
                text = json.dumps(one)
                self.faults.update(
                    "a wearer's id" for found in _ID.findall(text) if found.replace("-", "") in self._names
                )
        told = {one["zone_id"]: one for one in answers[0]["zones"]}
        self._nested(told)
        self._totals(told[AREA])
        self._successive(told[AREA])

    def before(self, closed: ClosedBin, on: Bools, *, toggles: bool) -> None:
        """Take note of what is true of the next bin; where asked, compare it with one in which one person differs."""
        self._closed = closed
        if toggles and len(closed.cell):
            self._toggle(closed, on)

    def summary(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "inspected": dict(self.inspected),
            "faults": dict(self.faults),
            "tried": dict(self.tried),
            "learned": dict(self.learned),
            "changed_by_one_person": dict(sorted(self.changed.items())),
        }

    def _nested(self, told: Mapping[str, Any]) -> None:
        """Try what zones and those within them say together; by the rule in force, and by the minimum ruled out."""
        if self._closed is None:
            return
        for names in self._world.families:
            zones = [frozenset(self._world.zones[name].tolist()) for name in names]
            truth = [counts(self._closed, self._world.zones[name]) for name in names]
            now = all_told(zones, [bounds_of(told[name]["coverage"]) for name in names])
            eleven = all_told(zones, [bounds_of(class_of(count, FEW), FEW) for count in truth])
            self.tried["nested"] += 1
            self.learned["nested"] += any(map(pinned, now))
            self.learned["nested, were zones told of from 11 on"] += any(map(pinned, eleven))

    def _totals(self, area: Mapping[str, Any]) -> None:
        """Try the area's class less the counts of its cells."""
        shown = [step_bounds(one["active"]) for one in area["cells"] if one["active"] is not None]
        low, high = bounds_of(area["coverage"])
        hidden = low - sum(one[1] for one in shown), high - sum(one[0] for one in shown)
        self.tried["totals"] += 1
        self.learned["totals"] += pinned(hidden)

    def _successive(self, area: Mapping[str, Any]) -> None:
        """Try a cell's count less that of the bin before."""
        now = {one["cell"]: one for one in area["cells"]}
        for cell, one in now.items():
            for name in ("active", "flagged"):
                before, after = self._shown.get(cell, {}).get(name), one[name]
                if before is not None and after is not None:
                    self.tried["successive bins"] += 1
                    self.learned["successive bins"] += 0 < abs(after - before) < FEW
        self._shown = now

    def _toggle(self, closed: ClosedBin, on: Bools) -> None:
        """Compare what is told with what would be, had one person's flag been another, or moved, or not been there."""
        row = int(self._draw.integers(len(closed.cell)))
        flag, cell = closed.flag.copy(), closed.cell.copy()
        flag[row] = not flag[row]
        ring = h3.grid_ring(h3.int_to_str(int(cell[row])), 1)
        cell[row] = h3.str_to_int(ring[int(self._draw.integers(len(ring)))])
        gone, left = on.copy(), np.delete(np.arange(len(closed.cell)), row)
        gone[np.flatnonzero(on)[row]] = False
        columns = {
            name: getattr(closed, name)[left] for name in ("wearer", "cell", "flag", "rate", "deviate", "moving")
        }
        without = replace(closed, **columns)
        base = self._world.otherwise(closed, on)
        for kind, one, there in (
            ("flag", replace(closed, flag=flag), on),
            ("moves", replace(closed, cell=cell), on),
            ("absent", without, gone),
        ):
            other = self._world.otherwise(one, there)
            for first, second in zip(base.statuses, other.statuses, strict=True):
                self.tried[f"one person: {kind}"] += 1
                self._compare(kind, first, second)

    def _compare(self, kind: str, first: Any, second: Any) -> None:
        different = [name for name in first.__struct_fields__ if getattr(first, name) != getattr(second, name)]
        self.learned[f"one person: {kind}"] += bool(different)
        self.changed.update(f"{kind}: {name}" for name in different if name != "cells")
        pairs: Sequence[Any] = list(zip(first.cells or (), second.cells or (), strict=True))
        for one, other in pairs:
            for name in ("level", "active", "flagged"):
                before, after = getattr(one, name), getattr(other, name)
                if before != after:
                    self.changed[f"{kind}: cells.{name}"] += 1
                if isinstance(before, int) and isinstance(after, int):
                    self.tried["one person counted"] += 1
                    self.learned["one person counted"] += 0 < abs(after - before) < FEW
