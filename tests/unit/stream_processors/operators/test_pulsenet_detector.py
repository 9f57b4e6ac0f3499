"""The anomaly model behind the contract of a detector."""

import dataclasses
import math

import numpy as np
import pytest

from inference.pulsenet.calibration import TIER0_RATE
from inference.pulsenet.weights import loading
from schemas.episodes import Evidence
from schemas.vitals import NAMES
from stream_processors.operators.conditions import CODE, PHYSIOLOGICAL
from stream_processors.operators.detector import Scores, Verdict
from stream_processors.operators.episodes import Episodes
from stream_processors.operators.minutes import MINUTE_MS
from stream_processors.operators.pulsenet import PulseNetDetector
from tests.closed_bins import T0_MS, activity, bins
from tests.made_model import detector

HIGH = CODE["heart_rate.high"]
RATE = NAMES.index("heart_rate")
FALSE = np.array([False])


class Told:
    """A detector with one wearer, who is followed for minutes with three bins each."""

    def __init__(self, made: PulseNetDetector) -> None:
        self.detector = made
        self.detector.extend(1)
        self.episodes = Episodes()
        self.episodes.table.extend(1)
        self.number = 0
        self.scores: list[Scores] = []
        self.verdicts: list[Verdict] = []

    def follow(self, minutes: int, rate: float, *, rmssd: float = math.nan, skin: float = math.nan) -> list[Verdict]:
        """Return the verdicts of so many minutes around this heart rate, variability and temperature of the skin."""
        first = len(self.verdicts)
        for _ in range(3 * minutes):
            beats = rate + (self.number * 7 % 11) / 5.0
            one = bins(
                self.number, heart_rate=beats, spo2=97.0, hrv_rmssd=rmssd, skin_temperature=skin, motion=0.01, steps=0.0
            )
            scores, verdicts = self.detector.judge(one, activity(), frozen=FALSE, learning=self.episodes)
            self.scores.append(scores)
            self.verdicts += verdicts
            self.number += 4
        return self.verdicts[first:]


def test_a_minute_is_judged_with_the_first_bin_of_the_next() -> None:
    """One verdict a minute, about that minute; the bins between are compared with what it expected."""
    told = Told(detector())
    verdicts = told.follow(60, 62.0)
    assert len(verdicts) == 60
    assert {verdict.bins.length_ms for verdict in verdicts} == {MINUTE_MS}
    assert (np.diff([verdict.bins.end_ms[0] for verdict in verdicts]) == MINUTE_MS).all()
    last, expected = told.scores[-1], told.detector.expectation(0, RATE)
    assert last.expected[0, RATE] == expected.centre
    assert last.z[0, RATE] == pytest.approx(0.0, abs=1.0)


def test_the_flag_has_a_rate_as_soon_as_a_heart_rate_is_expected() -> None:
    """Before, the combined score of other vitals is told already; the flag's promised rate is not."""
    told = Told(detector())
    told.follow(60, 62.0)
    rates = np.array([scores.tier0_rate[0] for scores in told.scores])
    expects = np.array([not np.isnan(scores.expected[0, RATE]) for scores in told.scores])
    scored = np.array([not np.isnan(scores.combined[0]) for scores in told.scores])
    assert (~expects & scored).any()
    assert (~np.isnan(rates) == expects).all()
    assert set(rates[expects].tolist()) == {TIER0_RATE}


def test_a_sustained_rate_fires_rises_and_goes() -> None:
    """Nothing fires while all is as usual; then a tier fires, the deviation holds, and what is back speaks for it."""
    told = Told(detector())
    assert not any(verdict.tier.any() for verdict in told.follow(60, 62.0))
    high = told.follow(15, 122.0)
    assert [verdict.tier[0, HIGH] > 0 for verdict in high][-5:] == [True] * 5
    assert high[-1].holds[0, HIGH]
    assert not np.delete(high[-1].tier[0], HIGH).any()
    back = told.follow(6, 62.0)
    assert (back[-1].holds[0, HIGH], back[-1].back[0, HIGH]) == (False, True)


def test_a_joint_drift_names_its_vitals() -> None:
    """Each vital that drifts is in the decision with how far, the most first; a decision of one vital has no parts."""
    told = Told(detector())
    told.follow(60, 62.0, rmssd=40.0, skin=33.0)
    drift = CODE["vitals.drift"]
    verdicts = told.follow(90, 100.0, rmssd=12.0, skin=36.5)
    last = [verdict for verdict in verdicts if verdict.tier[0, drift] > 0][-1]
    parts = last.decision(0, drift, 1).parts or {}
    assert set(parts) == {"heart_rate", "hrv_rmssd", "skin_temperature"}
    assert list(parts.values()) == sorted(parts.values(), reverse=True)
    assert min(parts.values()) > 0.3
    assert last.decision(0, HIGH, 1).parts is None


def test_a_decision_says_what_was_promised_and_over_how_long() -> None:
    """Threshold in standard deviations, time scale, and the rate; nothing is realised before the first whole day."""
    told = Told(detector())
    told.follow(60, 62.0)
    last = told.follow(15, 122.0)[-1]
    decision = last.decision(0, HIGH, 1)
    assert (decision.time_scale_s, decision.promised_rate, decision.realised_rate) == (600.0, 0.1, None)
    assert last.decision(0, HIGH, 2).threshold > decision.threshold > 0
    run = told.detector.run(0, HIGH)
    assert run.start_ms - T0_MS == pytest.approx(60 * MINUTE_MS, abs=2 * MINUTE_MS)


def test_a_recovery_is_forgotten_before_the_next_minute_that_ends_after_it() -> None:
    """What was smoothed goes with the first minute that ends at or after the recovery, not before."""
    told = Told(detector())
    told.follow(60, 62.0)
    high = told.follow(15, 122.0)
    told.detector.calm(0, HIGH, int(high[-1].bins.end_ms[0]) + 2 * MINUTE_MS)
    still, calm = told.follow(2, 122.0)
    assert (still.tier[0, HIGH] > 0, calm.tier[0, HIGH] > 0) == (True, False)


def test_a_recovery_forgets_nothing_of_a_vital_that_another_episode_is_about() -> None:
    """While the resting heart rate's episode is open, the recovery of the heart rate's leaves its average as it is."""
    told = Told(detector())
    told.follow(60, 62.0)
    last_ms = int(told.follow(15, 122.0)[-1].bins.end_ms[0])
    resting = CODE["resting_heart_rate.high"]
    told.episodes.begin(
        wearer=0, condition=resting, first_bin_ms=T0_MS, decided_ms=last_ms, tier=1, evidence=Evidence()
    )
    told.detector.calm(0, HIGH, last_ms)
    assert told.follow(1, 122.0)[0].tier[0, HIGH] > 0


def test_what_is_beyond_its_threshold_teaches_nothing_though_no_episode_is_open() -> None:
    """Half an hour that would alarm moves the wearer's centre by its first minutes alone."""
    told = Told(detector())
    told.follow(60, 62.0)
    before = told.detector.expectation(0, RATE).baseline
    told.follow(30, 122.0)
    after = told.detector.expectation(0, RATE).baseline
    assert before is not None
    assert after is not None
    assert after - before < 3.0


def test_what_a_wearer_costs_is_bounded() -> None:
    """The model keeps at most 2 KB of a wearer."""
    model = loading.load()
    model.extend(10)
    assert sum(array.nbytes for array in model.dump().values()) / 10 <= 2_048


def test_a_minute_is_judged_once_when_nothing_comes() -> None:
    """What gathers is judged when it is told to be complete, and not again."""
    told = Told(detector())
    told.follow(20, 62.0)
    wearers, end_ms = told.detector.gathering()
    first = told.detector.complete(wearers, end_ms, learning=told.episodes)
    again = told.detector.complete(wearers, end_ms, learning=told.episodes)
    assert (len(first), len(again)) == (1, 0)


def test_every_condition_of_the_body_has_a_verdict() -> None:
    """A verdict has a column for each."""
    told = Told(detector())
    verdict = told.follow(2, 62.0)[-1]
    for field in dataclasses.fields(verdict):
        value = getattr(verdict, field.name)
        if isinstance(value, np.ndarray):
            assert value.shape == (1, len(PHYSIOLOGICAL))
