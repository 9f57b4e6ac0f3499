"""The two-night rule."""

from collections.abc import Sequence

import numpy as np

from inference.pulsenet.nights import NIGHT_MIN, NIGHTS_LEAST, Nights
from inference.pulsenet.series import HEART_RATE, VITAL_COUNT
from tests.unit.inference.pulsenet.made import DAY, MIDNIGHT

SLOT = np.zeros(1, dtype=np.int64)
HOURS = 6 * 60
CALM = [0.0, 0.1, -0.1, 0.1, -0.1, 0.0]


def told(nights: Sequence[float | None], *, slept: int = HOURS, rule: Nights | None = None, first: int = 0) -> float:
    """Return what is said at noon after nights of these deviations (None: nothing worn by night)."""
    made = rule or Nights()
    made.table.extend(1)
    said = np.full((1, VITAL_COUNT), np.nan)
    for night, deviation in enumerate(nights, first):
        begins = MIDNIGHT + night * DAY
        z = np.full((1, VITAL_COUNT), np.nan)
        if deviation is not None:
            z[0, HEART_RATE] = deviation
            for minute in range(slept):
                made.follow(SLOT, np.array([begins + minute]), z, ~np.isnan(z))
        awake = np.zeros((1, VITAL_COUNT), dtype=np.bool_)
        said = made.follow(SLOT, np.array([begins + DAY - 1]), z, awake)
    return float(said[0, HEART_RATE])


def test_two_nights_running_above_the_usual_are_told() -> None:
    """After six calm nights two high ones are far above, and the smaller of both is what is said."""
    rule = Nights()
    one = told([*CALM, 1.5], slept=NIGHT_MIN, rule=rule)
    two = told([2.0], slept=NIGHT_MIN, rule=rule, first=7)
    assert one < 1.0
    assert two > 2.5


def test_one_high_night_between_calm_ones_says_nothing() -> None:
    """A night counts only with the one before it."""
    assert told([*CALM, 2.0, 0.0], slept=NIGHT_MIN) < 1.0


def test_nights_with_one_missing_between_do_not_run() -> None:
    """Two high nights with one without the watch between them are not two nights running."""
    assert np.isnan(told([*CALM, 2.0, None, 2.0], slept=NIGHT_MIN))


def test_what_two_nights_said_does_not_outlive_the_next() -> None:
    """Who takes the watch off at night hears nothing of nights long ago."""
    rule = Nights()
    assert told([*CALM, 2.0, 2.0], slept=NIGHT_MIN, rule=rule) > 2.0
    assert np.isnan(told([None], rule=rule, first=8))
    assert np.isnan(told([None], rule=rule, first=9))


def test_the_first_nights_are_not_compared() -> None:
    """With three nights known, the fourth is the first compared, and the fifth the first that runs on."""
    assert np.isnan(told([0.0] * (NIGHTS_LEAST + 1), slept=NIGHT_MIN))
    assert not np.isnan(told([0.0] * (NIGHTS_LEAST + 2), slept=NIGHT_MIN))


def test_a_short_night_does_not_count() -> None:
    """Nights of less than two hours with a value are as good as none."""
    rule = Nights()
    assert np.isnan(told([*CALM, 2.0, 2.0], slept=NIGHT_MIN - 1, rule=rule))
    assert rule.table["nights"][0, HEART_RATE] == 0


def test_a_night_is_told_only_when_it_is_over() -> None:
    """Six hours after the last minute asleep the night ends; at breakfast nothing is said of it."""
    rule = Nights()
    told([*CALM, 2.0], slept=NIGHT_MIN, rule=rule)
    begins = MIDNIGHT + 7 * DAY
    z = np.full((1, VITAL_COUNT), 2.0)
    for minute in range(NIGHT_MIN):
        rule.follow(SLOT, np.array([begins + minute]), z, z > 0)
    last = begins + NIGHT_MIN - 1
    before, after = (
        float(rule.follow(SLOT, np.array([minute]), z, z < 0)[0, HEART_RATE]) for minute in (last + 360, last + 361)
    )
    assert before < 1.0
    assert after > 2.0


def test_a_vital_that_is_not_measured_at_night_has_no_nights() -> None:
    """Absent values are no calm nights."""
    rule = Nights()
    told(CALM, slept=NIGHT_MIN, rule=rule)
    assert rule.table["nights"][0].tolist() == [6.0, *[0.0] * (VITAL_COUNT - 1)]


def test_one_feverish_night_does_not_become_usual() -> None:
    """After thirty nights an absurd one moves the usual night by no more than its clipped part."""
    rule = Nights()
    rule.table.extend(1)
    rule.table["nights"][0] = 30.0
    rule.table["scatter"][0] = 0.3
    told([50.0], slept=NIGHT_MIN, rule=rule)
    assert float(rule.table["centre"][0, HEART_RATE]) < 0.04
