"""A whole small study."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference.pulsenet.evaluation.detectors.rest import RestThreshold, RestZ
from inference.pulsenet.evaluation.detectors.ridge import Explained, RidgeLevel
from inference.pulsenet.evaluation.injection import HEADLINE, Scenario
from inference.pulsenet.evaluation.protocol import Detector, Judgement, Sided
from inference.pulsenet.evaluation.study import Study, examine, prepare
from inference.pulsenet.evaluation.summary import paired, row, with_unseen
from inference.pulsenet.series import Series
from tests.unit.inference.pulsenet.evaluation.made import recording, restless, walker

pytestmark = pytest.mark.story

SCENARIOS = (*HEADLINE, Scenario("rest", -20, 20))


def _somebody(number: int, days: int) -> Series:
    return recording(restless(days, seed=number), steps=walker(days, seed=number), name=f"person {number}")


@pytest.fixture(scope="module")
def study() -> Study:
    """Two wearers of eleven days, and a population of four."""
    return prepare(
        [_somebody(1, 11), _somebody(2, 11)],
        [_somebody(number, 12) for number in range(10, 14)],
        SCENARIOS,
        seed=1,
        events=5,
        headline_events=10,
    )


def _detectors(study: Study) -> list[Detector]:
    return [RestThreshold(), RestZ(), RidgeLevel(Explained.of(study.population))]


def test_every_simple_detector_finds_large_changes_of_a_steady_heart(study: Study) -> None:
    """On noise of 3 bpm all of +40 bpm is found, quickly, with few alarms on untouched days."""
    for detector in _detectors(study):
        told = row(examine(detector, study), study, SCENARIOS)
        headline = told["scenarios"]["rest_+40bpm_20min"]
        assert headline["recall"]["0.1"] == 1.0, detector.name
        assert headline["delay_min"] <= 6
        assert told["rules"]["shr"]["0.1"]["alarms"] <= 3
        assert told["scenarios"]["rest_-20bpm_20min"]["recall"]["1"] == 1.0


def test_scores_do_not_know_the_future(study: Study) -> None:
    """A recording cut short gives the scores of its beginning."""
    whole = study.wearers[0].series
    cut = recording(whole.values[:13_000, 0], steps=whole.steps[:13_000], name=whole.name)
    for detector in _detectors(study):
        long, short = detector.scores([whole])[0], detector.scores([cut])[0]
        assert np.allclose(long.high[:13_000], short.high, equal_nan=True)
        assert np.allclose(long.low[:13_000], short.low, equal_nan=True)


def test_a_detector_s_own_thresholds_are_the_ones_it_is_judged_by(study: Study) -> None:
    """One that never speaks finds nothing by its own rule, though its scores would have."""

    class Silent:
        name = "silent"

        def scores(self, series: Sequence[Series]) -> list[Sided]:
            return list(RestThreshold().scores(series))

        def judge(self, series: Sequence[Series]) -> list[Judgement]:
            never = {0.1: float("inf")}
            return [
                Judgement(
                    scores=one,
                    thresholds={
                        rate: Sided(high=np.full(len(one.high), line), low=np.full(len(one.low), line))
                        for rate, line in never.items()
                    },
                    others={},
                )
                for one in self.scores(series)
            ]

    outcome = examine(Silent(), study)
    told = row(outcome, study, SCENARIOS)["scenarios"]["rest_+40bpm_20min"]
    assert outcome.main == "own"
    assert told["recall"]["0.1"] == 0.0
    assert told["recall_by_rule"] == {"pop": 1.0, "shr": 1.0, "adapt": 1.0, "own": 0.0}
    loud = row(examine(RestThreshold(), study), study, SCENARIOS)
    difference = paired(row(outcome, study, SCENARIOS), loud, study, HEADLINE[0])
    assert difference["recall_difference"] == -1.0


def test_a_row_that_nobody_asked_of_the_others_tells_of_them_by_its_hits(study: Study) -> None:
    """Recall at the judged rate, its interval and the alarms are those of a row that was asked; the rest is null."""
    apart = replace(study, developed_on=("person 1",))
    asked = row(examine(RestThreshold(), apart), apart, SCENARIOS)
    old: dict[str, Any] = deepcopy(asked)
    for told in (*old["scenarios"].values(), *(rate for rates in old["rules"].values() for rate in rates.values())):
        del told["unseen"]
    new = with_unseen(old, apart)
    assert new["rules"] == asked["rules"]
    for name, told in new["scenarios"].items():
        own, whole = told["unseen"], asked["scenarios"][name]["unseen"]
        assert 0 < own["events"] == whole["events"] < told["events"]
        assert own["recall"] == {"1": None, "0.1": whole["recall"]["0.1"], "0.01": None}
        assert own["ci95"]["0.1"] == whole["ci95"]["0.1"]
        assert own["delay_min"] is None
    assert with_unseen(asked, apart) == asked, "what was asked stays"
    old["scenarios"]["rest_+40bpm_20min"]["hits"] += "1"
    assert with_unseen(old, apart)["scenarios"]["rest_+40bpm_20min"]["unseen"] is None, "of other places"
    absent = {"data": "semi", "absent": "river is not installed"}
    assert with_unseen(absent, apart) == absent
