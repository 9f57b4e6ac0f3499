"""An excess is labelled with what besides illness may lie behind it."""

from dataclasses import replace

import numpy as np

from inference.zones.bins import ClosedBin
from inference.zones.city import BIN_MS
from inference.zones.covariates import Recent

HERE, THERE = 1, 2


def made(**changed: object) -> ClosedBin:
    """Return a bin of forty wearers here and a hundred and sixty elsewhere; four of those here are flagged."""
    rows = np.arange(200)
    cell = np.where(rows < 40, HERE, THERE)
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


def labels(*bins: ClosedBin) -> tuple[str, ...]:
    """Return what is told of the cell here over these bins."""
    recent = Recent()
    for closed in bins:
        recent.take(closed)
    return recent.labels(np.array([HERE]), len(bins), bins[-1].start_ms)


def test_plain_flags_have_no_label() -> None:
    """Flags of people at rest with several firmwares are told as they are."""
    assert labels(made()) == ()


def test_people_who_move_are_called_active() -> None:
    """Half of those here moving is activity, all those elsewhere moving is not."""
    here = np.arange(200) < 40
    assert labels(made(moving=here)) == ("activity",)
    assert labels(made(moving=~here)) == ()


def test_one_firmware_that_raises_flags_elsewhere_too_is_named() -> None:
    """The same firmware in every flag is a label only where it raises too many in other places as well."""
    rows = np.arange(200)
    same = np.where(rows < 100, 7, 1)
    assert labels(made(firmware=same)) == ()
    assert labels(made(firmware=same, flag=(rows < 4) | ((rows >= 60) & (rows < 70)))) == ("firmware",)


def test_data_that_came_late_is_named() -> None:
    """Three of ten rows that came late are a back-fill."""
    assert labels(made(backfill=np.arange(200) < 12)) == ("backfill",)


def test_a_change_of_the_clock_is_named_for_a_day() -> None:
    """Everybody's offset from UTC moving by an hour labels what follows, and no longer after a day."""
    changed = made(offset_min=np.full(200, 120), start_ms=2 * BIN_MS)
    assert labels(made(), changed) == ("clock_change",)
    assert labels(made(), changed, replace(changed, start_ms=changed.start_ms + 86_400_000)) == ()
