"""How the confidence is fitted: the regression, its reliability, and what is shipped."""

import json
from pathlib import Path

import numpy as np
import pytest

from inference.rppg import confidence
from inference.rppg.confidence import NAMES, Logistic
from inference.rppg.fitting.logistic import fit, probabilities, reliability


def test_the_regression_finds_what_made_the_data() -> None:
    """Weights that drew the answers are found again within a tenth."""
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (20_000, 3))
    true = np.array([1.5, -0.7, 0.0, 0.4])
    right = rng.random(20_000) < probabilities(features, true)
    assert np.abs(fit(features, right) - true).max() < 0.1


def test_reliability_compares_said_and_true() -> None:
    """Ten ranges hold the windows, what was said on average, and what came true; the error weighs them."""
    told = reliability(np.array([0.05, 0.95, 0.95, 1.0]), np.array([False, True, True, False]))
    assert told.count.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    assert told.true[9] == pytest.approx(2 / 3)
    assert told.error == pytest.approx(0.25 * 0.05 + 0.75 * (2.9 / 3 - 2 / 3))


def test_the_shipped_weights_are_those_of_this_version() -> None:
    """The shipped file names the features of this version, and its signs are the ones that reason asks for."""
    weights = dict(zip(NAMES, confidence.shipped().weights, strict=True))
    assert weights["snr"] > 0
    assert weights["halves"] > 0
    assert weights["agreement"] < 0
    assert weights["background"] < 0
    assert json.loads(confidence.WEIGHTS.read_text())["fitted_on"]


def test_weights_of_other_features_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with other features is refused, with what to do."""
    other = tmp_path / "confidence.json"
    other.write_text(json.dumps({"weights": {"snr": 1.0}, "constant": 0.0}))
    monkeypatch.setattr(confidence, "WEIGHTS", other)
    confidence.shipped.cache_clear()
    with pytest.raises(ValueError, match="pulsera train rppg"):
        confidence.shipped()
    confidence.shipped.cache_clear()


def test_probabilities_stay_inside() -> None:
    """However far the evidence goes, the probability lies strictly between 0 and 1."""
    belief = Logistic((100.0,) * len(NAMES), 0.0)
    for sign in (1.0, -1.0):
        assert 0 < belief.probability(np.full(len(NAMES), sign * 1e6)) < 1
