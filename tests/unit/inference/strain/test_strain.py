"""The strain model: what ships, when it is silent, and how it is measured."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from inference.strain.model import FOLDER, GRAPH, MANIFEST, Manifest, Strain, shipped
from inference.strain.training.forest import exported, fitted, strain
from inference.strain.training.worth import area, roc_area

BEATS = {"mean_hr": 75.0, "std_hr": 4.0, "rmssd": 40.0, "pnn50": 15.0}


def test_what_ships_has_earned_it() -> None:
    """The lower bound of what the manifest tells is over 0.6, and the graph is the one that it names."""
    manifest = shipped()
    assert manifest is not None
    assert manifest.area_low > 0.6
    assert manifest.area_low < manifest.area < manifest.area_high
    told = Strain().judge(**BEATS, window_s=60.0)
    assert told.reason == "ok"
    assert told.strain is not None
    assert 0 < told.strain < 1
    assert told.level in {"low", "medium", "high"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"window_s": 40.0}, "too_short"),
        ({"window_s": 300.0}, "too_long"),
        ({"mean_hr": 180.0}, "out_of_distribution"),
        ({"rmssd": 400.0}, "out_of_distribution"),
        ({"rmssd": float("nan")}, "out_of_distribution"),
    ],
)
def test_what_it_was_not_made_for_it_does_not_judge(change: dict[str, float], reason: str) -> None:
    """Outside the windows and numbers that it has seen there is a reason and no value."""
    told = Strain().judge(**{**BEATS, "window_s": 60.0, **change})
    assert (told.strain, told.level, told.reason) == (None, None, reason)


def test_other_weights_than_the_manifest_s_are_not_run(tmp_path: Path) -> None:
    """A changed graph is refused before it is loaded, and a folder without a manifest ships nothing."""
    assert shipped(tmp_path) is None
    (tmp_path / MANIFEST).write_bytes((FOLDER / MANIFEST).read_bytes())
    (tmp_path / GRAPH).write_bytes((FOLDER / GRAPH).read_bytes() + b"\0")
    with pytest.raises(ValueError, match="not the one"):
        Strain(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(msgspec.ValidationError):
        shipped(tmp_path)


def test_the_area_is_that_of_the_curve() -> None:
    """Perfect order is 1, no order a half, ties count half; the interval holds the value where people differ little."""
    stressed = np.array([0, 0, 1, 1])
    assert roc_area(stressed, np.array([1.0, 2.0, 3.0, 4.0])) == 1.0
    assert roc_area(stressed, np.array([4.0, 3.0, 2.0, 1.0])) == 0.0
    assert roc_area(stressed, np.zeros(4)) == 0.5
    drawn = np.random.default_rng(2)
    person = np.repeat(np.arange(20), 30)
    many = np.tile([0, 0, 1], 200)
    found = area(many, many + drawn.normal(size=600), person, seed=1)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(0.76, abs=0.05)


def test_the_graph_tells_what_the_trees_tell() -> None:
    """Trees of scikit-learn and their graph agree, also where a number lies on an edge."""
    pytest.importorskip("sklearn")
    onnxruntime = pytest.importorskip("onnxruntime")
    drawn = np.random.default_rng(3)
    features = drawn.normal([75, 4, 40, 15], [10, 1, 15, 8], (400, 4)).round(1)
    stressed = (features[:, 0] + drawn.normal(0, 10, 400) > 80).astype(np.int64)
    model = fitted(features, stressed)
    session = onnxruntime.InferenceSession(exported(model), providers=["CPUExecutionProvider"])
    told = session.run(None, {"features": features.astype(np.float32)})[0][:, 0]
    assert np.allclose(told, strain(model, features), atol=1e-6)


def test_the_manifest_is_whole() -> None:
    """Levels rise and bounds are the right way round."""
    manifest = msgspec.json.decode((FOLDER / MANIFEST).read_bytes(), type=Manifest)
    assert manifest.medium < manifest.strong
    assert all(low < high for low, high in zip(manifest.low, manifest.high, strict=True))
