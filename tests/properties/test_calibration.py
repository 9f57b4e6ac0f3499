"""What a wearer's own past may do to thresholds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.pulsenet.calibration import DAY_LEAST_MIN, OWN_DAYS, Calibration
from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS
from inference.pulsenet.series import HEART_RATE
from inference.slots import Floats
from tests.unit.inference.pulsenet.made import DAY, MIDNIGHT, population

SLOT = np.zeros(1, dtype=np.int64)
HEART = np.array([channel.vital == HEART_RATE for channel in CHANNELS])
HIGHEST = st.one_of(st.none(), st.floats(0.0, 12.0))
DAYS = st.lists(st.tuples(*[HIGHEST] * int(HEART.sum())), min_size=1, max_size=2 * OWN_DAYS)
"""Highest scores of the heart rate on a wearer's days, by channel; None where nothing was measured."""


def after(made: Calibration, number: int, told: Floats) -> Floats:
    """Take a whole day with these scores; return the thresholds that were in force, shape (CHANNEL_COUNT, 2)."""
    minute = np.array([MIDNIGHT + number * DAY])
    said = made.judge(SLOT, minute, minute % DAY, told, now=~np.isnan(told))
    made.table["judged"][:1] = DAY_LEAST_MIN
    threshold: Floats = said.threshold[0]
    return threshold


@settings(max_examples=50)
@given(DAYS)
def test_no_past_raises_the_threshold_of_a_heart_rate_before_an_alert(days: list[tuple[float | None, ...]]) -> None:
    """Whatever a wearer's days were, a heart rate's threshold of neither tier lies above the population's.

    So in the first week whatever happens, and then for as long as the wearer's own alerts have not raised it.
    """
    own, people = (Calibration(population(), own=shrunk, adapt=shrunk) for shrunk in (True, False))
    for made in (own, people):
        made.table.extend(1)
    for number, scores in enumerate(days):
        told = np.full((1, CHANNEL_COUNT), np.nan)
        told[0, HEART] = [np.nan if score is None else score for score in scores]
        mine, theirs = (after(made, number, told) for made in (own, people))
        unraised = own.table["shift"][0] <= 0.0
        assert unraised.all() or number > OWN_DAYS
        assert (mine <= theirs + 1e-9)[HEART & unraised].all()
