"""An area that is followed bin by bin: what stands out, what does not, and that order of arrival decides nothing."""

import copy
from dataclasses import replace

import h3.api.basic_int as h3
import numpy as np
import pytest

from inference.slots import Bools, Ints
from inference.zones.bins import ClosedBin
from inference.zones.city import BIN_MS, City, CityPlan
from inference.zones.disclosure import LEAST
from inference.zones.monitor import CELL_DAYS, DAY_MS, Monitor, Region
from inference.zones.scan import BINS_KEPT
from inference.zones.usual import SHIFT_DAYS

FAR = h3.latlng_to_cell(46.2, 7.4, 8)
PLAN = CityPlan(wearers=1_500, rings=6, seed=11)


@pytest.fixture(scope="module")
def morning() -> tuple[Monitor, list[ClosedBin]]:
    """A monitor to which shifts are known, that has seen four clean hours, and the hour that follows."""
    city, monitor = City(PLAN), Monitor()
    monitor.usual.days = SHIFT_DAYS
    for closed in city.bins(48):
        monitor.close(closed, {})
    return monitor, list(city.bins(12))


def told(regions: list[Region]) -> list[tuple[str, float, int, int]]:
    """Return what must be equal of two runs."""
    return [(one.test, one.score, one.window_bins, len(one.cells)) for one in regions]


def in_order(closed: ClosedBin, rows: Ints) -> ClosedBin:
    """Return the bin with its rows in another order."""
    columns = ("wearer", "cell", "flag", "rate", "deviate", "moving", "firmware", "backfill", "offset_min")
    return replace(closed, **{name: getattr(closed, name)[rows] for name in columns})


def test_a_neighbourhood_in_distress_is_the_highest_region(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """Thirty flags in one cell within a bin pass the once-a-year threshold, and the region holds that cell."""
    monitor, hour = copy.deepcopy(morning[0]), morning[1]
    cells, counts = np.unique(hour[0].cell, return_counts=True)
    full = cells[counts.argmax()]
    flag = hour[0].flag | (hour[0].cell == full)
    regions, _ = monitor.close(replace(hour[0], flag=flag), {})
    count = next(one for one in regions if one.test == "count")
    assert count.score > monitor.threshold("count", 365.0)
    assert count.recurrence_days >= 365.0
    assert full in count.cells


def test_everybody_a_little_off_is_a_common_shift(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """A deviate of 0.8 more in every wearer for half an hour passes the shift's threshold, not the count's alone."""
    monitor, hour = copy.deepcopy(morning[0]), morning[1]
    for closed in hour[:6]:
        regions, _ = monitor.close(replace(closed, deviate=closed.deviate + 0.8), {})
    shift = next(one for one in regions if one.test == "shift")
    assert shift.score > monitor.threshold("shift", 365.0)
    assert shift.mean_shift == pytest.approx(0.8, abs=0.25)


def test_a_common_shift_is_told_once_a_week_was_followed(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """A day less, and neither the area nor a zone of it has a region of the shift test, however far all are off."""
    monitor, hour = copy.deepcopy(morning[0]), morning[1]
    monitor.usual.days = SHIFT_DAYS - 1
    regions, zones = monitor.close(replace(hour[0], deviate=hour[0].deviate + 2.0), {"all": np.unique(hour[0].cell)})
    assert "shift" not in {one.test for one in (*regions, *zones["all"])}


def test_the_order_of_rows_changes_no_bit(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """Rows in any order give the same regions and the same sums, bit for bit."""
    one, other = copy.deepcopy(morning[0]), copy.deepcopy(morning[0])
    draw = np.random.default_rng(2)
    for closed in morning[1]:
        shuffled = in_order(closed, draw.permutation(len(closed.cell)))
        assert told(one.close(closed, {})[0]) == told(other.close(shuffled, {})[0])
    assert np.array_equal(one.bins, other.bins)


def test_late_rows_are_in_no_count(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """A bin of which every flagged row came late has no flags."""
    monitor = copy.deepcopy(morning[0])
    closed = morning[1][0]
    monitor.close(replace(closed, backfill=np.ones_like(closed.backfill)), {})
    assert monitor.bins[0].sum() == 0.0


def test_a_named_zone_is_judged_by_its_own_cells(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """Flags outside a zone leave its score as it was; a zone nobody reports from has no region."""
    monitor, closed = copy.deepcopy(morning[0]), morning[1][0]
    cells, counts = np.unique(closed.cell, return_counts=True)
    inside, outside = cells[counts.argsort()[-2:]]
    zones = {"inside": np.array([inside]), "nowhere": np.array([1], dtype=np.int64)}
    calm = copy.deepcopy(monitor).close(closed, zones)[1]
    loud = monitor.close(replace(closed, flag=closed.flag | (closed.cell == outside)), zones)[1]
    assert told(calm["inside"]) == told(loud["inside"])
    assert loud["nowhere"] == []


def test_no_region_of_few_wearers_or_few_flagged_scores(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """One alone in a cell and two in a full one are flagged for an hour: neither cell has a count that tells."""
    monitor, hour = copy.deepcopy(morning[0]), morning[1]
    cells, counts = np.unique(hour[0].cell, return_counts=True)
    full = cells[counts.argmax()]
    ill = hour[0].wearer[hour[0].cell == full][:3]
    zones = {"far": np.array([FAR]), "full": np.array([full])}
    for closed in hour:
        moved = closed_with(closed, rows=np.isin(closed.wearer, ill[:1]), cell=FAR)
        later_ms = closed.start_ms + BINS_KEPT * BIN_MS
        regions, named = monitor.close(replace(moved, start_ms=later_ms, flag=np.isin(moved.wearer, ill)), zones)
        assert all(one.wearers >= LEAST for one in regions)
        assert named["far"] == []
        assert not [one for one in named["full"] if one.test == "count"]


def closed_with(closed: ClosedBin, *, rows: Bools, cell: int) -> ClosedBin:
    """Return the bin with these rows in another cell."""
    found = closed.cell.copy()
    found[rows] = cell
    return replace(closed, cell=found)


def test_a_lesser_region_is_told_where_a_greater_one_holds_too_few(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """A true event in a full cell is found while twenty wearers elsewhere, all of them flagged, score higher."""
    monitor, closed = copy.deepcopy(morning[0]), morning[1][0]
    cells, counts = np.unique(closed.cell, return_counts=True)
    full = cells[counts.argmax()]
    away = closed_with(closed, rows=(closed.cell != full) & (np.cumsum(closed.cell != full) <= 20), cell=FAR)
    flag = away.flag | np.isin(away.cell, [full, FAR])
    regions, zones = monitor.close(replace(away, flag=flag), {"far": np.array([FAR])})
    count = next(one for one in regions if one.test == "count")
    assert full in count.cells
    assert count.recurrence_days >= 365.0
    assert zones["far"] == []


def test_bins_are_taken_once_and_in_order(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """A bin that comes again is refused, a gap of bins empties the windows."""
    monitor, hour = copy.deepcopy(morning[0]), morning[1]
    monitor.close(hour[0], {})
    with pytest.raises(ValueError, match="each once"):
        monitor.close(hour[0], {})
    monitor.close(replace(hour[1], start_ms=hour[0].start_ms + 100 * BIN_MS), {})
    assert monitor.bins[1:].sum() == 0.0


def test_cells_without_anybody_for_a_week_are_forgotten(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """A cell that one wearer passed through is known for a week and no longer; a monitor saved meanwhile agrees."""
    monitor, closed = copy.deepcopy(morning[0]), morning[1][0]
    passed = closed_with(closed, rows=closed.wearer == closed.wearer[0], cell=FAR)
    monitor.close(passed, {})
    for day in range(1, CELL_DAYS + 2):
        assert FAR in monitor.discs.cells
        monitor = Monitor.load(monitor.dump())
        monitor.close(replace(closed, start_ms=closed.start_ms + day * DAY_MS), {})
    assert FAR not in monitor.discs.cells
    assert set(closed.cell.tolist()) <= set(monitor.discs.cells.tolist())
    assert monitor.bins.shape[1] == len(monitor.discs.cells)


def test_a_monitor_that_was_saved_goes_on_as_if_it_had_not_been(morning: tuple[Monitor, list[ClosedBin]]) -> None:
    """Over midnight and with a named zone, a dumped and loaded monitor tells and holds the same, bit for bit."""
    one = copy.deepcopy(morning[0])
    zones = {"all": np.unique(morning[1][0].cell)}
    late = [replace(closed, start_ms=closed.start_ms + 240 * BIN_MS - 6 * BIN_MS) for closed in morning[1]]
    one.close(late[0], zones)
    other = Monitor.load(one.dump())
    for closed in late[1:]:
        assert told(one.close(closed, zones)[0]) == told(other.close(closed, zones)[0])
    kept, again = one.dump(), other.dump()
    assert kept.keys() == again.keys()
    assert all(np.array_equal(kept[name], again[name]) for name in kept)
