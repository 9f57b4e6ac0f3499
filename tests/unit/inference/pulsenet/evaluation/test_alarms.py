"""When alarms open, and what they find."""

import math

import numpy as np

from inference.pulsenet.evaluation.alarms import alarms, delay_min
from inference.pulsenet.evaluation.injection import Event, Scenario

EVENT = Event(Scenario("rest", 40, 20), 100)


def test_what_comes_back_within_three_hours_is_one_alarm() -> None:
    """A score that stays up is one alarm however long; one that was away for three hours opens another; NaN none."""
    score = np.full(900, 0.0)
    score[10:400] = 5.0
    score[:10] = np.nan
    score[[500, 679, 860]] = 5.0
    assert alarms(score, 5.0).tolist() == [10, 860]


def test_an_alarm_finds_an_event_up_to_five_minutes_after_its_end() -> None:
    """An alarm of the first minute has a delay of one minute; before the start or six minutes after, none counts."""
    assert delay_min(np.array([100]), EVENT) == 1.0
    assert delay_min(np.array([125]), EVENT) == 26.0
    assert math.isnan(delay_min(np.array([99, 126]), EVENT))
    assert math.isnan(delay_min(np.array([], dtype=np.int64), EVENT))
