"""Thresholds that keep a promised rate of alerts."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inference.pulsenet.calibration import (
    _GRID,
    DAY_LEAST_MIN,
    ETA,
    OWN_DAYS,
    OWN_PART,
    REFRACTORY_MIN,
    RESTLESS,
    SHIFT_MOST,
    TIER0_RATE,
    TIER_RATES,
    Calibrated,
    Calibration,
    Population,
    _at_rates,
)
from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS, SHARES
from inference.pulsenet.series import RESPIRATORY_RATE
from inference.slots import Floats
from schemas.errors import ContractError
from tests.unit.inference.pulsenet.made import DAY, MIDNIGHT, population

SLOT = np.zeros(1, dtype=np.int64)
TENTH = _GRID.index(pytest.approx(0.1))
HUNDREDTH = _GRID.index(pytest.approx(0.01))


def of_days(maxima: Floats) -> Population:
    """Return the thresholds of days on which all channels had these maxima."""
    return Population.of(np.tile(maxima[:, None], (1, CHANNEL_COUNT)), flag=0.5, source="made")


def opened(wearers: int = 1, *, own: bool = True, adapt: bool = True, of: Population | None = None) -> Calibration:
    """Return a calibration with room for some wearers."""
    made = Calibration(of or population(), own=own, adapt=adapt)
    made.table.extend(wearers)
    return made


def scores(*channels: int, score: float = 0.0, wearers: int = 1) -> Floats:
    """Return one score of these channels, none of the others."""
    told = np.full((wearers, CHANNEL_COUNT), np.nan)
    told[:, channels] = score
    return told


def say(made: Calibration, minute: int, told: Floats) -> Calibrated:
    """Return what is said of a minute of wearers in UTC."""
    slots = np.arange(len(told))
    at = np.full(len(told), MIDNIGHT + minute)
    return made.judge(slots, at, at % DAY, told, now=~np.isnan(told))


def day(made: Calibration, number: int, told: Floats) -> Calibrated:
    """Take one whole day whose highest scores are these; return what is said at its start."""
    said = say(made, number * DAY, told)
    made.table["judged"][: len(told)] = DAY_LEAST_MIN
    return said


def test_a_threshold_is_the_conformal_quantile() -> None:
    """Of 9 days the 9th smallest promises a tenth, ceil(10 x 0.9) = 9; of 99 days the 99th a hundredth."""
    nine = of_days(np.arange(1.0, 10.0))
    assert nine.thresholds[0, TENTH] == 9.0
    assert nine.thresholds[0, 0] == 1.0
    many = of_days(np.arange(1.0, 100.0))
    assert many.thresholds[0, TENTH] == 90.0
    assert many.thresholds[0, HUNDREDTH] == 99.0


def test_beyond_what_days_can_tell_the_tail_goes_on() -> None:
    """Nine days cannot promise a hundredth: the largest stands, raised by the slope of the largest two."""
    told = of_days(np.arange(1.0, 10.0)).thresholds[0]
    slope = (9.0 - 8.0) / math.log(2)
    assert told[HUNDREDTH] == pytest.approx(9.0 + slope * math.log(1 / (0.01 * 10)))
    assert (np.diff(told) >= 0).all()


def test_a_channel_that_nobody_had_is_out_of_reach() -> None:
    """Without any day its threshold is far beyond every score, and what is absent of a day is left out of it."""
    maxima = np.tile(np.arange(1.0, 10.0)[:, None], (1, CHANNEL_COUNT))
    maxima[:, 3] = np.nan
    maxima[0, 4] = np.nan
    told = Population.of(maxima, flag=0.5, source="made")
    assert (told.thresholds[3] == 99.0).all()
    assert told.thresholds[4, 0] == 2.0
    assert told.centre[0] == 5.0
    assert told.spread[0] == pytest.approx(20 / 9)


def test_the_promised_rate_is_kept_on_exchangeable_days() -> None:
    """Over 600 populations of 39 days, a new day of the same kind passes the threshold of a tenth one time in ten."""
    random = np.random.default_rng(11)
    passing = []
    for _ in range(50):
        told = Population.of(random.exponential(1.0, (39, CHANNEL_COUNT)), flag=0.5, source="made")
        passing.append(np.exp(-told.thresholds[:, TENTH]).mean())
    assert np.mean(passing) == pytest.approx(0.1, abs=0.008)


@pytest.mark.parametrize(("shrunk", "channels"), [(False, range(CHANNEL_COUNT)), (True, (0, 1, 8))])
def test_wearers_get_as_many_alerts_as_promised(*, shrunk: bool, channels: Sequence[int]) -> None:
    """300 wearers whose days are those of the population get 0.1 alerts a day within a quarter, over 40 days.

    So with the population's thresholds and every vital measured, and with own days and adaptation of a heart rate.
    """
    random = np.random.default_rng(2)
    calm = Population.of(random.gamma(6.0, 0.2, (2_000, CHANNEL_COUNT)), flag=0.5, source="made")
    made = opened(300, own=shrunk, adapt=shrunk, of=calm)
    absent = np.isin(np.arange(CHANNEL_COUNT), channels, invert=True)
    for number in range(41):
        said = day(made, number, np.where(absent, np.nan, random.gamma(6.0, 0.2, (300, CHANNEL_COUNT))))
    assert said.days.tolist() == [40.0] * 300
    assert float(said.realised.mean()) == pytest.approx(TIER_RATES[0], rel=0.25)


def test_shares_of_what_is_not_measured_go_to_what_is() -> None:
    """A wearer with a heart rate alone is promised a tenth for it alone: its thresholds are lower than with all."""
    made = opened(2)
    told = np.vstack([scores(0, 1), scores(*range(CHANNEL_COUNT))])
    first = say(made, 0, told)
    then = say(made, 1, told)
    assert first.threshold[0].tobytes() == first.threshold[1].tobytes()
    assert then.threshold[0, 0, 0] < then.threshold[1, 0, 0]
    rates = made._rates(np.array([0, 1]))
    assert rates[0, :2, 0].tolist() == pytest.approx([0.1 * 0.45 / 0.52, 0.1 * 0.07 / 0.52])
    assert rates[1, :, 0].tolist() == pytest.approx((0.1 * SHARES).tolist())


def test_a_channel_counts_as_measured_for_some_days() -> None:
    """What is judged once a day keeps its share; what was judged for a day and then never loses it within two weeks."""
    made = opened()
    say(made, 0, scores(0, 5))
    made.table["measured"][0, 5] = DAY
    for number in range(1, 15):
        rates = made._rates(SLOT)[0, :, 0]
        if number == 7:
            assert rates[0] == pytest.approx(0.1 * SHARES[0] / (SHARES[0] + SHARES[5]))
        say(made, number * DAY, scores(0))
    assert made._rates(SLOT)[0, 0, 0] == pytest.approx(0.1)


def test_nothing_judged_is_not_a_calm_score() -> None:
    """Where no channel says anything there is no combined score, no flag, and nothing is counted."""
    made = opened()
    said = say(made, 0, scores())
    assert np.isnan(said.combined).all()
    assert not said.flag.any()
    assert made.table["judged"][0] == 0
    assert np.isnan(made.table["highest"][0]).all()


def test_the_combined_score_is_the_largest_over_its_threshold() -> None:
    """A score at its tier-1 threshold combines to one."""
    made = opened()
    threshold = say(made, 0, scores(0, 1)).threshold
    told = scores(0, 1)
    told[0, 1] = threshold[0, 1, 0]
    said = say(made, 0, told)
    assert said.combined.tolist() == pytest.approx([threshold[0, 1, 0] / said.threshold[0, 1, 0]])


def test_tier_two_is_the_higher_threshold() -> None:
    """A tenth of the rate needs a higher score on every channel."""
    said = say(opened(), 0, scores(0))
    assert (said.threshold[:, :, 1] > said.threshold[:, :, 0]).all()


def test_own_days_lower_a_threshold_to_the_wearer() -> None:
    """After a week of quieter days a threshold lies nearly half way to the wearer's own; a restless one's stays."""
    made = opened(2, adapt=False)
    start = say(made, 0, scores(0, wearers=2)).threshold[:, 0, 0]
    told = scores(0, wearers=2)
    told[:, 0] = (0.6, 1.9)
    for number in range(OWN_DAYS + 1):
        said = day(made, number, told)
    population = _at_rates(made._population.thresholds, made._rates(np.arange(2)))[:, 0, 0]
    assert said.threshold[0, 0, 0] < start[0] - 0.2
    assert said.threshold[1, 0, 0] == population[1]
    assert 0.875 < made._own_days(np.array([0]))[0][0, 0] < 0.95


def test_restless_days_make_no_wearer_deaf() -> None:
    """Weeks of days at the population's edge raise a breathing threshold to that of a tenth of the rate and no further.

    A heart rate's they do not raise at all. The wearer's own alerts raise both.
    """
    breathing = [channel.vital for channel in CHANNELS].index(RESPIRATORY_RATE)
    made, alerted = opened(adapt=False), opened()
    told = scores(0, breathing, score=1.8)
    told[:, breathing] = 2.5
    loud = scores(0, breathing, score=9.0)
    start = say(made, 0, scores(0, breathing)).threshold[0, :, 0]
    for number in range(1, 30):
        said = day(made, number, told).threshold[0, :, 0]
        raised = day(alerted, number, loud).threshold[0, :, 0]
    most = _at_rates(made._population.thresholds, made._rates(SLOT) * OWN_PART[:, None])[0, :, 0]
    rare = _at_rates(made._population.thresholds, made._rates(SLOT) * RESTLESS)[0, :, 0]
    assert start[breathing] < said[breathing] == rare[breathing] < raised[breathing]
    assert said[0] == most[0] < raised[0]


def test_own_alerts_keep_the_promise_of_restless_wearers() -> None:
    """Wearers with days a third above the population's get more than was promised at first, and then what was.

    Their threshold then lies above the population's: raised by what they were told, not by what they did.
    """
    random = np.random.default_rng(6)
    calm = Population.of(random.gamma(6.0, 0.2, (2_000, CHANNEL_COUNT)), flag=0.5, source="made")
    made = opened(300, of=calm)
    counts = []
    for number in range(100):
        told = scores(0, wearers=300)
        told[:, 0] = random.gamma(6.0, 0.2, 300) * 4 / 3
        said = day(made, number, told)
        counts.append(float(made.table["total"][:300].sum()))
    first, last = counts[OWN_DAYS], counts[99] - counts[39]
    assert first / 300 / OWN_DAYS > 2 * TIER_RATES[0]
    assert last / 300 / 60 == pytest.approx(TIER_RATES[0], rel=0.15)
    population = _at_rates(calm.thresholds, made._rates(SLOT))[0, 0, 0]
    assert float(np.median(said.threshold[:, 0, 0])) > population + 0.2


def test_without_own_days_and_adaptation_a_threshold_stands() -> None:
    """The population's thresholds are those of every wearer and day."""
    made = opened(own=False, adapt=False)
    day(made, 0, scores(0, score=9.0))
    second = say(made, DAY, scores(0)).threshold
    for number in range(2, 20):
        said = day(made, number, scores(0, score=9.0))
    assert said.threshold.tobytes() == second.tobytes()


def test_one_extreme_day_counts_as_one_at_the_edge() -> None:
    """A day of an absurd score moves the threshold as one three spreads from the centre."""
    far, near = opened(adapt=False), opened(adapt=False)
    edge = far._population.centre[0] + 3 * far._population.spread[0]
    day(far, 0, scores(0, score=1e6))
    day(near, 0, scores(0, score=float(edge)))
    np.testing.assert_allclose(day(far, 1, scores(0)).threshold, day(near, 1, scores(0)).threshold, rtol=1e-6)


def test_a_threshold_rises_with_alerts_and_falls_without() -> None:
    """From the eighth day on each day with an alert raises it by a quarter less the promise, one without lowers it."""
    made = opened()
    shifts = []
    for number in range(OWN_DAYS + 3):
        day(made, number, scores(0, score=50.0 if number == OWN_DAYS else 0.0))
        shifts.append(float(made.table["shift"][0, 0]))
    assert shifts[: OWN_DAYS + 1] == [0.0] * (OWN_DAYS + 1)
    assert shifts[OWN_DAYS + 1] == pytest.approx(ETA * (1 - TIER_RATES[0]))
    assert shifts[OWN_DAYS + 2] - shifts[OWN_DAYS + 1] == pytest.approx(-ETA * TIER_RATES[0])
    assert made.table["shift"][0, 1:].tolist() == [0.0] * (CHANNEL_COUNT - 1)


@pytest.mark.parametrize(("score", "bound"), [(1e3, SHIFT_MOST), (-1e3, -SHIFT_MOST)])
def test_adaptation_is_bounded(score: float, bound: float) -> None:
    """However many alerts there are, or how few, a threshold shifts by no more than the bound."""
    made = opened()
    made.table["days"][0] = OWN_DAYS
    made.table["shift"][0, 0] = 0.99 * bound
    for number in range(4):
        day(made, number, scores(0, score=score))
    assert made.table["shift"][0, 0] == pytest.approx(bound)


def test_what_passes_again_within_three_hours_is_the_same_alert() -> None:
    """One alert stays one while scores keep passing less than three hours apart; after three hours it is a second."""
    made = opened()
    minutes = (0, 1, REFRACTORY_MIN, 2 * REFRACTORY_MIN - 1, 3 * REFRACTORY_MIN - 1)
    alerts = []
    for minute in minutes:
        say(made, minute, scores(0, score=50.0))
        alerts.append(int(made.table["alarms"][0, 0]))
    assert alerts == [1, 1, 1, 1, 2]


def test_channels_of_one_condition_are_one_alert() -> None:
    """What a carer gets is counted: both channels of a condition at once, or within three hours, are one alert."""
    one, other = (code for code, channel in enumerate(CHANNELS) if channel.condition == "resting_heart_rate.high")
    made = opened()
    for minute, channels in ((0, (one, other)), (170, (other,)), (340, (one,)), (520, (one, 0))):
        say(made, minute, scores(*channels, score=50.0))
    assert made.table["alerts"].tolist()[0] == 3.0
    assert made.table["alarms"][0, [one, other, 0]].tolist() == [2.0, 1.0, 1.0]


def test_an_alert_opens_in_a_minute_with_its_vital() -> None:
    """An average that passes between two measurements opens nothing; with the next one it does."""
    made = opened()
    told = scores(0, score=50.0)
    for minute, measured in ((0, False), (1, True)):
        at = np.array([MIDNIGHT + minute])
        made.judge(SLOT, at, at % DAY, told, now=np.full(told.shape, measured))
        assert made.table["alerts"][0] == float(measured)


def test_alerts_are_counted_over_midnight_once() -> None:
    """An alert that goes on into the next day is none of that day."""
    made = opened()
    say(made, DAY - 1, scores(0, score=50.0))
    made.table["judged"][0] = DAY_LEAST_MIN
    say(made, DAY, scores(0, score=50.0))
    assert made.table["alarms"][0, 0] == 0
    assert made.table["total"][0] == 1


def test_the_realised_rate_is_alerts_over_whole_days() -> None:
    """Before the first whole day there is none; a day of few minutes is no day, but its alerts count with the next."""
    made = opened()
    assert np.isnan(say(made, 0, scores(0, score=50.0)).realised).all()
    assert say(made, DAY, scores(0)).days.tolist() == [0.0]
    day(made, 2, scores(0, score=50.0))
    day(made, 3, scores(0))
    said = say(made, 4 * DAY, scores(0))
    assert said.days.tolist() == [2.0]
    assert said.realised.tolist() == [1.0]


def test_a_day_is_the_wearers_own() -> None:
    """A day turns at the wearer's midnight, not at Greenwich's."""
    made = opened()
    for hour, days in ((0, 0.0), (9, 0.0), (10, 1.0)):
        minute = np.array([MIDNIGHT + hour * 60])
        told = scores(0)
        said = made.judge(SLOT, minute, (minute - 600) % DAY, told, now=~np.isnan(told))
        made.table["judged"][0] = DAY_LEAST_MIN
        assert said.days.tolist() == [days]


def test_the_flag_finds_its_rate() -> None:
    """From a limit far too low, wearers' flags come to about one bin of a hundred within a day."""
    random = np.random.default_rng(4)
    made = opened(500)
    flags = 0
    for number in range(288):
        told = scores(0, wearers=500)
        told[:, 0] = random.uniform(0.0, 1.6, 500)
        said = say(made, 5 * number, told)
        flags += int(said.flag.sum()) if number >= 188 else 0
    assert flags / 50_000 == pytest.approx(TIER0_RATE, rel=0.5)


def test_bins_in_which_nothing_was_judged_move_no_flag() -> None:
    """A wearer of whom nothing is judged keeps the limit; one judged and calm gets a lower one."""
    made = opened(2)
    for number in range(50):
        told = scores(0, wearers=2)
        told[1] = np.nan
        say(made, 5 * number, told)
    limits = made.table["flag"][:2].tolist()
    assert limits[0] < limits[1] == pytest.approx(0.5)


def test_a_bin_is_flagged_once() -> None:
    """Five flagged minutes of one bin raise the limit as one does."""
    once, often = opened(), opened()
    say(once, 0, scores(0, score=9.0))
    for minute in range(5):
        say(often, minute, scores(0, score=9.0))
    for made in (once, often):
        say(made, 5, scores(0))
    assert once.table["flag"][0] == often.table["flag"][0] > 0.5


def test_thresholds_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A file gives the thresholds back to four digits, with where they come from."""
    written = population()
    written.write(tmp_path / "thresholds.json")
    read = Population.read(tmp_path / "thresholds.json")
    np.testing.assert_allclose(read.thresholds, written.thresholds, atol=1e-4)
    np.testing.assert_allclose(read.centre, written.centre, atol=1e-4)
    np.testing.assert_allclose(read.spread, written.spread, atol=1e-4)
    assert (read.flag, read.wearer_days, read.source) == (0.5, 100, "made")


@pytest.mark.parametrize("fault", ["nothing", "text", "channel", "shape", "nan"])
def test_another_file_is_refused_by_name(tmp_path: Path, fault: str) -> None:
    """A file that is missing, no JSON, of other channels, of another shape or not finite is no calibration."""
    path = tmp_path / "thresholds.json"
    population().write(path)
    told = json.loads(path.read_text())
    first = next(iter(told["thresholds"]))
    if fault == "channel":
        del told["thresholds"][first]
    elif fault == "shape":
        told["thresholds"] = {name: row[:-1] for name, row in told["thresholds"].items()}
    elif fault == "nan":
        told["thresholds"][first][0] = float("nan")
    path.write_text("no JSON" if fault == "text" else json.dumps(told))
    if fault == "nothing":
        path.unlink()
    with pytest.raises(ContractError, match=r"thresholds\.json"):
        Population.read(path)


def test_a_channel_without_a_score_learns_nothing_of_the_day() -> None:
    """Days on which a channel said nothing leave what is known of the wearer's days of it."""
    made = opened()
    for number in range(4):
        day(made, number, scores(0, score=1.5))
    assert made.table["own_days"][0].tolist() == [3.0, *[0.0] * (CHANNEL_COUNT - 1)]
    assert made.table["centre"][0, 0] > 0
    for name in ("centre", "spread", "shift"):
        assert made.table[name][0, 1:].tolist() == [0.0] * (CHANNEL_COUNT - 1)


def test_thresholds_are_those_of_the_state_that_was_loaded() -> None:
    """A calibration that was in use takes over another's thresholds with its state."""
    used, other = opened(), opened()
    for number in range(5):
        day(used, number, scores(0, score=1.8))
        day(other, number, scores(0, score=0.5))
    used.load({name: array.copy() for name, array in other.table.dump().items()})
    loaded, kept = (say(made, 5 * DAY, scores(0)).threshold for made in (used, other))
    assert loaded.tobytes() == kept.tobytes()


def test_a_day_may_turn_with_the_first_minute_after_a_state_was_loaded() -> None:
    """A restart at midnight finds more wearers than a new table has room for, and ends the day of each."""
    wearers = 200
    before, after = opened(wearers), opened()
    say(before, 0, scores(0, score=0.5, wearers=wearers))
    after.load(before.table.dump())
    found, expected = (say(made, DAY, scores(0, wearers=wearers)).threshold for made in (after, before))
    assert found.tobytes() == expected.tobytes()
