"""Zones on the wires: the earlier words, nothing of a named zone but its class, and what is overdue is said."""

from typing import Any

import pytest

from api import zone_views
from api.records import Zone, ZoneNow
from schemas.zones import AREA, CellStatus, Level, ZoneStatus

BIN_MS = 1_795_248_000_000
CELL = CellStatus(cell="871f8d4c3ffffff", level="usual", active=22)


def status(**changes: Any) -> ZoneStatus:
    """Return a status of a named zone."""
    values: dict[str, Any] = {
        "zone_id": "ward",
        "name": "Ward",
        "version": 2,
        "revision": 5,
        "bin_ms": BIN_MS,
        "state": "ok",
        "level": "usual",
        "coverage": "good",
        "recurrence": "on most days",
    }
    return ZoneStatus(**{**values, **changes})


@pytest.mark.parametrize(
    ("level", "risk"),
    [("usual", "safe"), ("elevated", "elevated"), ("critical", "critical"), ("too_few_wearers", "unknown")],
)
def test_only_what_is_usual_is_safe(level: Level, risk: str) -> None:
    """The earlier word follows from the level; too few wearers are never called safe."""
    assert zone_views.status(status(level=level))["risk_level"] == risk


def test_a_named_zone_tells_no_cells() -> None:
    """Cells and region of a named zone's record stay behind; the area's are told."""
    named = zone_views.status(status(cells=(CELL,), region=(CELL.cell,)))
    assert not {"cells", "region"} & set(named)
    area = zone_views.status(status(zone_id=AREA, cells=(CELL,), region=(CELL.cell,)))
    assert area["cells"] == [{"cell": CELL.cell, "level": "usual", "active": 22, "flagged": None}]


def test_what_is_overdue_is_delayed_under_the_name_of_today() -> None:
    """A status is shown under the zone's present name; when later bins should have come, as delayed and not as safe."""
    now = ZoneNow(zone=Zone(zone_id="ward", name="West ward", version=3), status=status())
    fresh = zone_views.status_now(now, now_ms=BIN_MS + zone_views.LATE_MS)
    assert (fresh["state"], fresh["name"], fresh["version"]) == ("ok", "West ward", 2)
    assert fresh["risk_level"] == "safe"
    late = zone_views.status_now(now, now_ms=BIN_MS + zone_views.LATE_MS + 1)
    assert (late["state"], late["risk_level"]) == ("delayed", "unknown")


def test_what_is_delayed_is_not_safe_and_stays_critical() -> None:
    """While scores are missing nothing usual is called safe; what was critical is not called less."""
    assert zone_views.status(status(state="delayed"))["risk_level"] == "unknown"
    assert zone_views.status(status(state="delayed", level="critical"))["risk_level"] == "critical"


def test_before_the_first_bin_nothing_is_known() -> None:
    """A zone without a status is starting, of unknown risk, and was never updated."""
    found = zone_views.status_now(ZoneNow(zone=Zone(zone_id="ward", name="Ward", version=1), status=None), now_ms=0)
    assert (found["state"], found["risk_level"], found["last_updated"]) == ("starting", "unknown", None)
    assert set(found) == set(zone_views.status(status()))


@pytest.mark.parametrize(
    ("risks", "overall"),
    [([], "unknown"), (["safe"], "safe"), (["safe", "unknown"], "unknown"), (["unknown", "elevated"], "elevated"),
     (["critical", "warning", "safe"], "critical")],
)  # fmt: skip
def test_the_worst_counts(risks: list[str], overall: str) -> None:
    """One zone of which too little is known keeps the whole from being called safe."""
    assert zone_views.worst(risks) == overall
