"""How far what a model meets has moved."""

from pathlib import Path

import numpy as np
import pytest

from inference.pulsenet import drift
from inference.pulsenet.drift import LEAST_MIN, PLACES, Reference
from inference.pulsenet.series import HEART_RATE, SPO2, VITAL_COUNT
from inference.slots import Ints
from schemas.errors import ContractError


def met(rate_bpm: float, *, minutes: int = 20_000, seed: int = 1) -> Ints:
    """Return the places of made-up heart rates around this one; no other vital is measured."""
    counts = np.zeros((VITAL_COUNT, PLACES), dtype=np.int64)
    values = np.full((minutes, VITAL_COUNT), np.nan)
    values[:, HEART_RATE] = np.random.default_rng(seed).normal(rate_bpm, 12.0, minutes)
    drift.count(counts, drift.INPUTS, values)
    return counts


def reference() -> Reference:
    """Return what a made-up model met."""
    return Reference(model="made 1", source="made up", scores=met(72.0)[HEART_RATE], inputs=met(72.0))


def test_every_known_value_has_one_place() -> None:
    """Values beyond the scale count at its ends, unknown ones nowhere."""
    counts = np.zeros((1, PLACES), dtype=np.int64)
    drift.count(counts, drift.SCORES, np.array([[-9.0], [0.0], [9.0], [np.nan]]))
    assert counts.sum() == 3
    assert counts[0, [0, -1]].tolist() == [1, 1]


def test_the_same_crowd_has_not_moved_and_another_has() -> None:
    """A new sample of the same is near 0; the index grows with the distance and passes what is called large."""
    same = drift.drift(reference(), met(72.0, seed=2)[HEART_RATE], met(72.0, seed=2))
    assert same.scores is not None
    assert same.scores < 0.01
    indices = [drift.stability(met(rate)[HEART_RATE], reference().scores) or 0.0 for rate in (74.0, 80.0, 95.0)]
    assert indices == sorted(indices)
    assert indices[0] < 0.1 < drift.LARGE < indices[2]


def test_what_lies_where_nothing_lay_counts() -> None:
    """A reference all in one place tells of minutes beside it, on either side."""
    made, low, high = (np.zeros(PLACES, dtype=np.int64) for _ in range(3))
    made[8], low[0], high[20] = 9_000, 9_000, 9_000
    for other in (low, high):
        assert (drift.stability(other, made) or 0.0) > drift.LARGE
    assert drift.stability(made, made) == 0.0


def test_the_vital_that_moved_most_is_named() -> None:
    """Vitals that nobody measured are compared with nothing."""
    told = drift.drift(reference(), met(72.0)[HEART_RATE], met(95.0))
    assert told.vital == "heart_rate"
    assert told.most == told.inputs


def test_too_little_and_no_reference_tell_nothing() -> None:
    """There is no index before three wearer-days, and none without a reference."""
    few = met(72.0, minutes=LEAST_MIN - 1)
    assert drift.drift(reference(), few[HEART_RATE], few).most is None
    assert drift.drift(None, met(72.0)[HEART_RATE], met(72.0)).most is None
    assert drift.stability(met(72.0)[SPO2], met(72.0)[SPO2]) is None


def test_a_reference_is_read_as_it_was_written(tmp_path: Path) -> None:
    """All of it comes back."""
    reference().write(tmp_path / "reference.json")
    again = Reference.read(tmp_path / "reference.json")
    assert (again.model, again.source) == ("made 1", "made up")
    assert (again.scores == reference().scores).all()
    assert (again.inputs == reference().inputs).all()


@pytest.mark.parametrize(
    "content", [None, "no JSON", "[]", '{"model": "a", "source": "b", "scores": [1], "inputs": {}}']
)
def test_what_is_no_reference_is_refused(tmp_path: Path, content: str | None) -> None:
    """A missing, damaged or other file is a contract broken."""
    if content is not None:
        (tmp_path / "reference.json").write_text(content)
    with pytest.raises(ContractError):
        Reference.read(tmp_path / "reference.json")
