"""The model without its predicted spread."""

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inference.pulsenet.evaluation.detectors import spread
from inference.pulsenet.evaluation.detectors.spread import Constant
from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.predictor import Prediction
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.weights.loading import FOLDER, predictor
from inference.slots import Floats


def test_only_the_spread_of_the_context_is_taken_away() -> None:
    """Means and state are the model's, the spread is the given one in every row."""
    draw = np.random.default_rng(1)
    context, seen = draw.normal(size=(5, CONTEXT)), draw.normal(size=(5, SEEN))
    model, scale = predictor("network"), np.linspace(0.5, 1.5, VITAL_COUNT)
    states = np.zeros((2, 5, model.width), dtype=np.float32)
    whole, without = model.predict(context, seen, states[0]), Constant(model, scale).predict(context, seen, states[1])
    assert np.array_equal(whole.mean, without.mean)
    assert np.array_equal(whole.next_scale, without.next_scale)
    assert np.array_equal(states[0], states[1])
    assert np.array_equal(without.scale, np.tile(scale, (5, 1)))
    assert not np.allclose(whole.scale, without.scale)


class _Alternating:
    """Expects nothing in particular, with a spread of 1 and of 4 in turn."""

    name = "made by hand"
    width = 1

    def __init__(self) -> None:
        self._steps = 0

    def predict(self, context: Floats, _seen: Floats, _state: npt.NDArray[np.float32]) -> Prediction:
        self._steps += 1
        wide = np.full((len(context), VITAL_COUNT), 4.0 if self._steps % 2 else 1.0)
        return Prediction(np.zeros_like(wide), wide, np.zeros_like(wide), wide)


def test_the_one_spread_is_the_model_s_own_geometric_mean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of 1 and 4 in turn over made people's minutes: 2."""
    folder = shutil.copytree(FOLDER, tmp_path / "weights")
    monkeypatch.setattr(spread, "PEOPLE", 2)
    monkeypatch.setattr(spread, "DAYS", 1)
    monkeypatch.setattr(spread, "predictor", lambda _kind, *, folder: _Alternating() if folder else None)
    told = spread.constant("ridge", folder)
    context, seen, state = np.zeros((3, CONTEXT)), np.zeros((3, SEEN)), np.zeros((3, 1), dtype=np.float32)
    assert np.allclose(told.predict(context, seen, state).scale, 2.0, rtol=0.01)
