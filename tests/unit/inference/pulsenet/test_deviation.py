"""From a minute's deviations to a score a channel."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from inference.pulsenet.activity import ASLEEP, RESTING, Active
from inference.pulsenet.channels import CHANNELS, SHARES, of_scale
from inference.pulsenet.deviation import (
    AHEAD,
    FADE,
    FAST_SHARE,
    LEVEL_LAG_MIN,
    LONGER,
    MISSED,
    SETTLED_MIN,
    SUSTAINED_MIN,
    Deviation,
)
from inference.pulsenet.inputs import Look
from inference.pulsenet.personal import Personal
from inference.pulsenet.series import BODY_TEMPERATURE, HEART_RATE, HRV_RMSSD, SPO2, VITAL_COUNT
from inference.slots import Floats
from tests.unit.inference.pulsenet.made import NOON, wave

SLOT = np.zeros(1, dtype=np.int64)
HIGH, LOW, DESATURATED = (
    next(code for code, channel in enumerate(CHANNELS) if channel.condition == name)
    for name in ("heart_rate.high", "heart_rate.low", "spo2.low")
)
TEMPERATURE = next(code for code, one in enumerate(CHANNELS) if one.condition == "body_temperature.high")
(LONG,) = of_scale("8 h")
(JOINT,) = of_scale("60 min", joint=True)
Deviates = Mapping[int, float]


class Follower:
    """Follows one wearer's deviations, in the way the engine does."""

    def __init__(self, *, levelled: bool = True, at_rest_only: bool = True, sustained: bool = False) -> None:
        self.deviation = Deviation(levelled=levelled, at_rest_only=at_rest_only, sustained=sustained)
        for table in (self.deviation.table, self.deviation.nights.table):
            table.extend(1)
        self._seen = np.full(VITAL_COUNT, -(2**30))
        self._last = -(2**62)
        personal = Personal()
        personal.table.extend(1)
        self._usual = personal.usual(SLOT, SLOT)
        self.held = np.empty(0)
        self.parts = np.empty(0)

    def at(
        self, minute: int, deviates: Deviates, *, since_min: int = 60, state: int = RESTING, trust: float = 1.0
    ) -> Floats:
        """Return the scores of a minute after noon in which these vitals were judged."""
        z = np.full((1, VITAL_COUNT), np.nan)
        for vital, deviate in deviates.items():
            z[0, vital] = deviate
        step = wave(NOON + minute)
        gap = np.maximum(step.minute - self._last, 1)
        since = (step.minute - self._seen)[None, :]
        nothing = np.zeros((1, 0))
        active = Active(nothing, np.array([since_min]), np.array([state]), gap, np.array([100]))
        believed = ~np.isnan(z)
        look = Look(active, self._usual, nothing, nothing, since, z, believed, np.array([trust]), SLOT)
        told = self.deviation.follow(step, z, look)
        self._seen = np.where(believed[0], NOON + minute, self._seen)
        self._last = NOON + minute
        self.held = told.held[0]
        self.parts = told.parts[0]
        scores: Floats = told.score[0]
        return scores

    def run(self, minutes: Sequence[int] | range, deviates: Deviates, *, since_min: int = 60) -> Floats:
        """Return the scores of the last of these minutes, all alike."""
        scores = np.empty(0)
        for minute in minutes:
            scores = self.at(minute, deviates, since_min=since_min)
        return scores


def test_the_shares_of_all_channels_are_the_whole_promise() -> None:
    """The parts of the promised alerts add up to one."""
    assert SHARES.sum() == pytest.approx(1.0)


def test_the_fast_average_is_exponential() -> None:
    """Each counting minute takes a quarter of the way to its deviate, on both sides."""
    follower = Follower()
    follower.at(0, {HEART_RATE: 0.0})
    first, second = follower.at(1, {HEART_RATE: 4.0}), follower.at(2, {HEART_RATE: 4.0})
    assert first[HIGH] == pytest.approx(4 * FAST_SHARE)
    assert second[HIGH] == pytest.approx(4 * (1 - (1 - FAST_SHARE) ** 2))
    assert second[LOW] == -second[HIGH]


def test_a_minute_in_doubt_counts_less() -> None:
    """Half the trust, half the way."""
    follower = Follower()
    follower.at(0, {HEART_RATE: 0.0})
    assert follower.at(1, {HEART_RATE: 4.0}, trust=0.5)[HIGH] == pytest.approx(2 * FAST_SHARE)


LEAST, MOST = SUSTAINED_MIN


def test_what_lasts_counts_the_more_the_longer() -> None:
    """From the seventh minute a steady deviation counts whole, each minute up to the twelfth adds a tenth to it."""
    follower = Follower(sustained=True)
    told = [follower.at(minute, {HEART_RATE: 3.0})[HIGH] for minute in range(MOST + 3)]
    assert told[LEAST - 2] < 3.0 - AHEAD
    assert told[LEAST - 1 : MOST] == pytest.approx([3.0 + LONGER * longer for longer in range(MOST - LEAST + 1)])
    assert told[MOST:] == pytest.approx([told[MOST - 1]] * 3)


def test_one_calm_minute_is_a_veto() -> None:
    """A spell with a minute as usual in it is worth what its average is ahead by, on the low side too."""
    for side, sign in ((HIGH, 1.0), (LOW, -1.0)):
        follower = Follower(sustained=True)
        for minute in range(MOST):
            scores = follower.at(minute, {HEART_RATE: 0.0 if minute == MOST - 5 else 3.0 * sign})
        assert scores[side] == pytest.approx(follower.held[side] - AHEAD)
        assert scores[side] < 3.0 - AHEAD


def test_a_minute_missed_costs_but_is_no_veto() -> None:
    """A minute without a value among eleven that agree costs what two more of them are worth."""
    follower = Follower(sustained=True)
    for minute in range(MOST):
        scores = follower.at(minute, {} if minute == MOST - 5 else {HEART_RATE: 3.0})
    assert scores[HIGH] == pytest.approx(3.0 + LONGER * (MOST - 1 - LEAST) - MISSED)


def test_nothing_is_sustained_in_a_minute_of_movement() -> None:
    """Who just moved has the faded average alone."""
    follower = Follower(sustained=True, levelled=False)
    follower.run(range(20), {HEART_RATE: 3.0})
    moving = follower.at(20, {HEART_RATE: 3.0}, since_min=0)
    assert moving[HIGH] == pytest.approx(follower.held[HIGH] - AHEAD)


def test_movement_does_not_count_and_fades() -> None:
    """Until eight minutes after movement a heart rate moves no average, and each minute takes a tenth of it."""
    follower = Follower()
    settled = follower.run(range(10), {HEART_RATE: 2.0})[HIGH]
    moving = [follower.at(10 + minute, {HEART_RATE: 8.0}, since_min=minute)[HIGH] for minute in range(SETTLED_MIN)]
    np.testing.assert_allclose(moving, [settled * FADE ** (minute + 1) for minute in range(SETTLED_MIN)])
    assert follower.at(18, {HEART_RATE: 8.0}, since_min=SETTLED_MIN)[HIGH] > moving[-1] + 1.0


def test_without_the_rest_gate_movement_counts() -> None:
    """The ablation judges walking people too."""
    follower = Follower(at_rest_only=False)
    assert follower.run(range(9), {HEART_RATE: 4.0}, since_min=0)[HIGH] > 3.0


def test_absence_for_a_quarter_of_an_hour_changes_no_score() -> None:
    """Minutes without a value leave the score as it is for fifteen minutes; then it fades, and after two hours ends."""
    follower = Follower(levelled=False)
    before = follower.run(range(10), {HEART_RATE: 3.0, SPO2: -3.0})
    waits = [follower.at(10 + minute, {})[DESATURATED] for minute in range(15)]
    assert waits == [before[DESATURATED]] * 15
    assert follower.at(25, {})[DESATURATED] == pytest.approx(before[DESATURATED] * FADE)
    assert np.isnan(follower.run(range(26, 131), {})).all()


def test_a_rare_vital_does_not_fade_to_calm_between_two_values() -> None:
    """A saturation measured every ten minutes, low each time, has a score near its deviate all the while."""
    follower = Follower()
    for minute in range(60):
        scores = follower.at(minute, {HEART_RATE: 0.0, **({SPO2: -3.0} if minute % 10 == 0 else {})})
        if minute > 30:
            assert scores[DESATURATED] > 2.5


@pytest.mark.parametrize("interval", [3, 12, 20, 40])
def test_other_values_meanwhile_change_nothing(interval: int) -> None:
    """The scores of a rare vital are the same whether other minutes had data or none."""
    alone, among = Follower(levelled=False), Follower(levelled=False)
    for minute in range(0, 5 * interval, interval):
        lonely = alone.at(minute, {SPO2: -3.0})
        crowded = among.at(minute, {SPO2: -3.0, HEART_RATE: 1.0})
        among.run(range(minute + 1, minute + interval), {HEART_RATE: 1.0})
        assert lonely[DESATURATED] == pytest.approx(crowded[DESATURATED])


def test_absence_of_one_vital_says_nothing_of_another() -> None:
    """Scores of the heart rate are the same bits with a saturation and without."""
    with_it, without = Follower(), Follower()
    for minute in range(40):
        rate = {HEART_RATE: float(minute % 5)}
        assert with_it.at(minute, {**rate, SPO2: 1.0})[HIGH] == without.at(minute, rate)[HIGH]


def test_what_was_never_measured_has_no_score() -> None:
    """Only the channels of the measured vital say anything, and a joint one needs two vitals."""
    scores = Follower().run(range(30), {HEART_RATE: 1.0})
    assert np.flatnonzero(~np.isnan(scores)).tolist() == sorted([HIGH, LOW, LONG])


def test_the_own_level_is_that_of_twenty_minutes_ago_and_before() -> None:
    """The first twenty minutes of a change are scored whole; what it was before is taken from what follows."""
    follower = Follower()
    follower.run(range(30), {HEART_RATE: 0.0})
    early = follower.run(range(30, 30 + LEVEL_LAG_MIN), {HEART_RATE: 3.0})[HIGH]
    assert early == follower.held[HIGH]
    late = follower.run(range(30 + LEVEL_LAG_MIN, 110), {HEART_RATE: 3.0})[HIGH]
    assert follower.held[HIGH] == pytest.approx(3.0, abs=1e-3)
    assert late == pytest.approx(3.0 * np.exp(-60 / 60), abs=0.05)


def test_a_level_on_the_other_side_adds_nothing() -> None:
    """Who was low for an hour is not higher for it."""
    follower = Follower()
    follower.run(range(90), {HEART_RATE: -2.0})
    scores = follower.at(90, {HEART_RATE: 2.0})
    assert scores[HIGH] == follower.held[HIGH]


def test_without_levels_score_and_held_are_one() -> None:
    """The ablation keeps the level in."""
    follower = Follower(levelled=False)
    scores = follower.run(range(90), {HEART_RATE: 2.0})
    np.testing.assert_array_equal(scores, follower.held)


def test_the_level_forgets_what_lies_in_a_gap() -> None:
    """After a gap longer than the lag no minute from before it enters the level, which has faded by then."""
    short, long = Follower(), Follower()
    for one in (short, long):
        one.run(range(30), {HEART_RATE: 3.0})
    kept = float(long.deviation.table["level"][0, 0])
    long.at(30 + LEVEL_LAG_MIN, {HEART_RATE: 3.0})
    assert float(long.deviation.table["level"][0, 0]) == pytest.approx(kept * np.exp(-20 / 60))
    short.at(33, {HEART_RATE: 3.0})
    assert float(short.deviation.table["level"][0, 0]) > kept * np.exp(-3 / 60)
    assert int(np.isnan(short.deviation.table["lagged"][0, ::3]).sum()) == 3


def test_an_hour_average_takes_longer_and_waits() -> None:
    """A fever's score takes an hour for two thirds of the way, and a pause of an hour leaves it."""
    follower = Follower()
    follower.at(0, {BODY_TEMPERATURE: 0.0})
    after = follower.run(range(1, 61), {BODY_TEMPERATURE: 3.0})[TEMPERATURE]
    assert after == pytest.approx(3 * (1 - np.exp(-1)), abs=1e-6)
    assert follower.run(range(61, 121), {HEART_RATE: 0.0})[TEMPERATURE] == after


def test_the_long_average_takes_hours() -> None:
    """Four hours of a raised resting rate take the long score two fifths of the way."""
    follower = Follower()
    assert follower.run(range(240), {HEART_RATE: 3.0})[LONG] == pytest.approx(3 * (1 - np.exp(-0.5)), abs=0.05)


def test_joint_drift_adds_up_what_goes_together() -> None:
    """Pulse up, variability down, warmth up score more together than alone, by named parts; opposed they cancel."""
    ill, opposed = Follower(), Follower()
    together = ill.run(range(120), {HEART_RATE: 1.0, HRV_RMSSD: -1.0, BODY_TEMPERATURE: 1.0})
    apart = opposed.run(range(120), {HEART_RATE: 1.0, HRV_RMSSD: 1.0})
    assert together[JOINT] == pytest.approx(together[TEMPERATURE] * np.sqrt(3), rel=1e-6)
    assert apart[JOINT] == pytest.approx(0.0, abs=1e-9)
    shares = ill.parts[[HEART_RATE, HRV_RMSSD, BODY_TEMPERATURE]]
    assert together[JOINT] == pytest.approx(shares.sum() / np.sqrt(3), rel=1e-9)
    assert (shares > 0).all()
    assert np.isnan(ill.parts[SPO2])


def test_calm_forgets_a_vital_and_no_other() -> None:
    """After a recovery the averages of that vital begin at nothing."""
    follower = Follower(levelled=False)
    follower.run(range(30), {HEART_RATE: 3.0, SPO2: -3.0})
    follower.deviation.calm(SLOT, np.array([HEART_RATE]))
    scores = follower.at(30, {})
    assert scores[HIGH] <= 0.0
    assert scores[DESATURATED] > 2.9


def test_nights_are_followed_by_what_is_measured_asleep() -> None:
    """Minutes asleep count for the night, minutes awake do not."""
    follower = Follower()
    for minute in range(6):
        follower.at(minute, {HEART_RATE: 1.0}, state=ASLEEP if minute < 4 else RESTING)
    assert follower.deviation.nights.table["count"][0, HEART_RATE] == 4
