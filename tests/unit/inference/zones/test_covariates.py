"""An excess is labelled with what besides illness may lie behind it."""

from dataclasses import replace

import h3.api.basic_int as h3
import numpy as np
import pytest

from inference.zones.bins import ClosedBin
from inference.zones.city import BIN_MS
from inference.zones.covariates import Causes, Recent
from inference.zones.monitor import Region, Test
from schemas.frame import OFFSET_UNKNOWN

HERE, THERE = 1, 2
ROWS = np.arange(200)
INSIDE = ROWS < 40


def made(**changed: object) -> ClosedBin:
    """Return a bin of forty wearers here and a hundred and sixty elsewhere; four of those here are flagged."""
    rows = ROWS
    cell = np.where(INSIDE, HERE, THERE)
    plain = ClosedBin(
        start_ms=BIN_MS,
        wearer=rows,
        cell=cell,
        flag=rows < 4,
        rate=np.full(200, 0.01),
        deviate=np.zeros(200),
        moving=np.zeros(200, dtype=np.bool_),
        firmware=rows % 5,
        backfill=np.zeros(200, dtype=np.bool_),
        offset_min=np.full(200, 60),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def region(bins: int = 1, test: Test = "count", flags: int | None = None, expected: float | None = None) -> Region:
    """Return an excess in the cell here: ten times the flags expected or so many, and a common shift of 1."""
    return Region(
        test=test, score=20.0, recurrence_days=400.0, cells=np.array([HERE]), window_bins=bins,
        flags=4 * bins if flags is None else flags,
        expected=0.4 * bins if expected is None else expected, wearers=40.0, mean_shift=1.0, factor=1.0,
    )  # fmt: skip


def causes(
    *bins: ClosedBin,
    window_bins: int | None = None,
    test: Test = "count",
    flags: int | None = None,
    expected: float | None = None,
) -> Causes:
    """Return what is told of the cell here over these bins, or over the last of them."""
    recent = Recent()
    for closed in bins:
        recent.take(closed)
    return recent.causes(region(window_bins or len(bins), test, flags, expected), bins[-1].start_ms)


def labels(
    *bins: ClosedBin,
    window_bins: int | None = None,
    test: Test = "count",
    flags: int | None = None,
    expected: float | None = None,
) -> tuple[str, ...]:
    """Return the likely causes alone."""
    return causes(*bins, window_bins=window_bins, test=test, flags=flags, expected=expected).likely


def test_plain_flags_have_no_label() -> None:
    """Flags of people at rest with several firmwares are told as they are."""
    assert causes(made()) == Causes()


def test_flags_of_those_who_move_are_activity_however_many_stand_around() -> None:
    """Eight of forty who move have all flags: that is activity; as many who move elsewhere are none."""
    assert labels(made(moving=ROWS < 8)) == ("activity",)
    assert labels(made(moving=ROWS >= 192)) == ()


def test_a_crush_is_no_activity_where_who_stands_is_flagged_too() -> None:
    """With four of ten flags of those who move nothing is named; with six of ten movement is possible, not likely."""
    assert causes(made(moving=ROWS % 10 < 4, flag=ROWS < 20)) == Causes()
    assert causes(made(moving=ROWS % 10 < 6, flag=ROWS < 20)) == Causes(possible=("activity",))


def test_movement_is_only_possible_where_too_few_stand_still_to_say_so() -> None:
    """Ten times the flags expected: of seven who stand one would more likely be flagged than not, of six not."""
    assert causes(made(moving=ROWS < 33)) == Causes(likely=("activity",))
    assert causes(made(moving=ROWS < 34)) == Causes(possible=("activity",))
    assert causes(made(moving=INSIDE)) == Causes(possible=("activity",))
    assert labels(*[made(moving=ROWS < 38)] * 4) == ("activity",)


def test_movement_is_only_possible_where_who_stands_is_raised_too() -> None:
    """Nine of ten flags are of those who move: three people flagged of those who stand are too many, one is not."""
    flags = (ROWS < 27) | (ROWS == 30)
    assert labels(made(moving=ROWS < 30, flag=flags), flags=28) == ("activity",)
    flags = (ROWS < 27) | ((ROWS >= 30) & (ROWS < 33))
    assert causes(made(moving=ROWS < 30, flag=flags), flags=30) == Causes(possible=("activity",))


def test_one_who_stays_flagged_is_one() -> None:
    """One who stands flagged for six bins leaves the cause to those who move; six who are so in turn do not."""
    stays = made(moving=ROWS < 20, flag=(ROWS < 10) | (ROWS == 25))
    assert labels(*[stays] * 6, flags=66) == ("activity",)
    turns = [made(moving=ROWS < 20, flag=(ROWS < 10) | (ROWS - at == 25)) for at in range(6)]
    assert labels(*turns, flags=66) == ()


def test_who_walked_without_harm_and_is_flagged_then_is_not_calming_down() -> None:
    """After a walk that raised nobody, flags of those who stand are no movement; after a run that did they are."""
    walk, harmed = made(moving=INSIDE, flag=ROWS < 0), made(flag=ROWS < 8)
    assert labels(*[walk] * 6, harmed, window_bins=1) == ()
    run = made(moving=ROWS < 30, flag=ROWS < 8)
    assert labels(*[run] * 6, harmed, window_bins=1) == ("activity",)


def test_who_ran_for_long_has_not_calmed_down() -> None:
    """Flags of those who rest after 20 min of moving are activity until an hour is over, after 15 min never."""
    run, rest = made(moving=ROWS < 8), made()
    assert labels(*[run] * 4, rest, window_bins=1) == ("activity",)
    assert labels(*[run] * 4, *[rest] * 8, window_bins=1) == ("activity",)
    assert labels(*[run] * 4, *[rest] * 9, window_bins=1) == ()
    assert labels(*[run] * 3, rest, window_bins=1) == ()


def test_what_is_known_in_part_accounts_for_nothing() -> None:
    """Those who stand were flagged in the bins that are not known: movement and firmware are no cause of the whole."""
    runs, stands = made(moving=ROWS < 20, flag=ROWS < 4), made(moving=ROWS < 20, flag=(ROWS < 4) | (ROWS // 6 == 5))
    assert labels(stands, stands, runs, runs, flags=28) == ()
    assert causes(runs, runs, window_bins=4, flags=28) == Causes()
    assert labels(runs, runs, flags=8) == ("activity",)
    shifted = made(deviate=np.where(ROWS < 10, 4.0, 0.0), moving=ROWS < 10)
    assert labels(shifted, shifted, window_bins=3, test="shift") == ()
    assert labels(shifted, shifted, test="shift") == ("activity",)
    same = np.where((ROWS < 20) | (ROWS >= 120), 7, 1)
    wide = made(firmware=same, flag=(ROWS < 4) | ((ROWS >= 130) & (ROWS < 140)))
    assert labels(*[wide] * 3, window_bins=4, flags=16) == ()
    assert labels(*[wide] * 4) == ("firmware",)


def test_a_common_shift_of_those_who_move_is_activity() -> None:
    """A shift of those who move is activity; maybe where who stands has some, or all move; not where all have it."""
    raised = np.where(INSIDE, 1.0, 0.0)
    assert labels(made(deviate=np.where(ROWS < 10, 4.0, 0.0), moving=ROWS < 10), test="shift") == ("activity",)
    assert causes(made(deviate=raised, moving=ROWS < 10), test="shift") == Causes()
    some = made(deviate=np.where(ROWS < 10, 4.0, 0.9), moving=ROWS < 10)
    for one in (some, made(deviate=raised, moving=INSIDE)):
        assert causes(one, test="shift") == Causes(possible=("activity",))


def test_what_came_late_tells_of_no_activity() -> None:
    """Where all flags here came late, nothing is known of who moves."""
    assert causes(made(backfill=ROWS < 4, moving=ROWS < 8)) == Causes()


def test_what_was_told_is_kept_with_the_state() -> None:
    """A state that is saved and loaded labels as before; one saved without who moves names no activity."""
    recent = Recent()
    for closed in [made(moving=ROWS < 8)] * 4 + [made()]:
        recent.take(closed)
    state = recent.dump()
    assert Recent.load(state).causes(region(), BIN_MS).likely == ("activity",)
    assert all(np.array_equal(again, state[name]) for name, again in Recent.load(state).dump().items())
    del state["still_flagged"]
    assert Recent.load(state).causes(region(), BIN_MS).likely == ()


def test_one_firmware_that_raises_flags_elsewhere_too_is_named() -> None:
    """One firmware in every flag is likely where it raises too many elsewhere, and nothing before others show it."""
    same = np.where((ROWS < 20) | (ROWS >= 120), 7, 1)
    wide = made(firmware=same, flag=(ROWS < 4) | ((ROWS >= 130) & (ROWS < 140)))
    assert causes(*[made(firmware=same)] * 3) == Causes(possible=("firmware",))
    assert causes(*[wide] * 3) == Causes(likely=("firmware",))
    assert causes(wide) == Causes()


def test_a_fleet_of_one_firmware_has_no_firmware_to_blame() -> None:
    """Where all devices have one firmware a wide event is not its doing: no other firmware says that it is spared."""
    everywhere = made(firmware=np.full(200, 7), flag=ROWS % 5 == 0)
    assert causes(*[everywhere] * 6, flags=48) == Causes()
    unknown = made(firmware=np.where(ROWS % 2 == 0, 7, -1), flag=ROWS % 10 == 0)
    assert causes(*[unknown] * 6) == Causes()


def test_the_same_event_next_door_is_not_elsewhere() -> None:
    """A firmware that raises flags in the cells around alone may be the event's neighbourhood: it is only possible."""
    cell = h3.latlng_to_cell(52.52, 13.40, 8)
    near, far = h3.grid_ring(cell, 2)[0], h3.grid_ring(cell, 3)[0]
    same = np.where((ROWS < 20) | (ROWS >= 120), 7, 1)
    flag = (ROWS < 4) | ((ROWS >= 130) & (ROWS < 140))
    for there, told in ((near, Causes(possible=("firmware",))), (far, Causes(likely=("firmware",)))):
        bins = [made(firmware=same, flag=flag, cell=np.where(INSIDE, cell, there))] * 3
        recent = Recent()
        for closed in bins:
            recent.take(closed)
        assert recent.causes(replace(region(3), cells=np.array([cell])), BIN_MS) == told


def test_flags_that_others_raise_as_often_as_they_should_hide_no_firmware() -> None:
    """Eight flags of one firmware and three of others, of whom three are expected: the excess is the firmware's."""
    same = np.where((ROWS < 20) | (ROWS >= 100), 7, 1)
    flag = (ROWS < 8) | ((ROWS >= 20) & (ROWS < 23)) | ((ROWS >= 100) & (ROWS < 120))
    rate = np.where(same == 7, 0.01, 0.15)
    wide, usual = made(firmware=same, flag=flag, rate=rate), np.full(200, 0.01)
    assert labels(*[wide] * 2, flags=22, expected=6.4) == ("firmware",)
    assert labels(*[replace(wide, rate=usual)] * 2, flags=22, expected=0.8) == ()


def test_data_that_came_late_is_named() -> None:
    """Three of ten rows that came late are a back-fill."""
    assert causes(made(backfill=np.arange(200) < 12)) == Causes(possible=("backfill",))


def test_a_change_of_the_clock_is_named_for_a_day() -> None:
    """Everybody's offset from UTC moving by an hour labels what follows, and no longer after a day."""
    changed = made(offset_min=np.full(200, 120), start_ms=2 * BIN_MS)
    assert causes(made(), changed) == Causes(possible=("clock_change",))
    assert causes(made(), changed, replace(changed, start_ms=changed.start_ms + 86_400_000)) == Causes()


@pytest.mark.parametrize(("tell", "named"), [(100, ("clock_change",)), (99, ()), (1, ())])
def test_few_who_travel_change_no_clock(tell: int, named: tuple[str, ...]) -> None:
    """Less than half of all tell their offset: that it differs from before is nobody else's."""
    before, after = (np.where(np.arange(200) < tell, one, OFFSET_UNKNOWN) for one in (60, 120))
    found = causes(made(offset_min=before), made(offset_min=after, start_ms=2 * BIN_MS))
    assert found == Causes(possible=named)  # type: ignore[arg-type]


@pytest.mark.parametrize(("movers", "named"), [(19, ("activity",)), (10, ("activity",)), (9, ())])
def test_most_of_an_excess_makes_a_cause_possible(movers: int, named: tuple[str, ...]) -> None:
    """Of twenty flags at least half are of those who move: that is possible; where fewer are, nothing is named."""
    flags = (movers > ROWS) | ((ROWS >= 20) & (40 - movers > ROWS))
    assert causes(made(moving=ROWS < 20, flag=flags), flags=20, expected=0.0001).possible == named


@pytest.mark.parametrize(("own", "named"), [(11, ("firmware",)), (9, ("firmware",)), (7, ())])
def test_most_of_an_excess_makes_a_firmware_possible(own: int, named: tuple[str, ...]) -> None:
    """Of 96 flags too many 66, 54 or 42 are of one firmware that raises none elsewhere: possible, or nothing."""
    flags = (own > ROWS) | ((ROWS >= 20) & (40 - own > ROWS))
    same = np.where(ROWS < 20, 7, 1)
    rate = np.where(same == 7, 0.01, 1.0)
    found = causes(*[made(firmware=same, flag=flags, rate=rate)] * 6, flags=120, expected=24.0)
    assert found.possible == named
