"""The confidence of a pulse from video, fitted again and asked about scenes that it never saw."""

from pathlib import Path

import numpy as np

from inference.rppg import confidence
from inference.rppg.fitting import confidence_fit
from inference.rppg.fitting.cases import rendered
from inference.rppg.fitting.logistic import reliability
from inference.rppg.fitting.report import draw, table


def test_a_fit_gives_the_same_bytes_again(tmp_path: Path) -> None:
    """Two fits of the same seed give the same file, and a table and a picture of what it is worth."""
    one, other = (confidence_fit.fitted(None, scenes=8, seed=7) for _ in range(2))
    assert one.text == other.text
    assert table(one).count("\n") > 15
    draw(one, tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_unseen_scenes_come_true_as_often_as_said() -> None:
    """On scenes of a seed that nothing was fitted on, confident windows are right and doubtful ones mostly wrong."""
    others = rendered(40, seed=99)
    belief = confidence.shipped()
    said = np.array([belief.probability(row) for row in others.features])
    assert others.right[said >= 0.8].mean() > 0.85
    assert others.right[said < 0.3].mean() < 0.35
    assert reliability(said, others.right).error < 0.15
