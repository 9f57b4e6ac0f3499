"""Crops of real skin in which nobody can read a pulse: the estimator must abstain."""

import os
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from inference.rppg.analysis import analyze
from inference.rppg.confidence import CALM, NAMES
from inference.rppg.estimates import Analysis
from inference.rppg.fitting.cases import cropped, crops, level
from inference.rppg.samples import Samples

CROPS: Final = "PULSERA_TEST_SKIN_CROPS"
"""Names the folder of the published crops (Dasari et al. 2021), which are not in the repository."""
pytestmark = pytest.mark.skipif(CROPS not in os.environ, reason=f"{CROPS} is not set: crops are read by path")


@pytest.fixture(scope="module")
def skin() -> dict[str, Samples]:
    """The crops' mean colours."""
    return crops(Path(os.environ[CROPS]))


def _reported(analyses: list[Analysis]) -> float:
    windows = [window for analysis in analyses for window in analysis.windows]
    return sum(window.heart_rate_bpm is not None for window in windows) / max(len(windows), 1)


def _first_minute(samples: Samples) -> Samples:
    return samples.rows(0, min(len(samples), 900))


def test_crops_tell_nothing(skin: dict[str, Samples]) -> None:
    """Of the windows of compressed skin crops at most one in a hundred tells a heart rate, and no crop as a whole."""
    analyses = [analyze(_first_minute(crop)) for crop in skin.values()]
    assert _reported(analyses) <= 0.01
    assert all(analysis.heart_rate_bpm is None for analysis in analyses)


def test_crops_without_their_jumps_tell_nothing_either(skin: dict[str, Samples]) -> None:
    """With their jumping brightness taken off, so that windows are judged, at most one in a hundred tells any."""
    analyses = [analyze(_first_minute(level(crop))) for crop in skin.values()]
    assert sum(len(analysis.windows) for analysis in analyses) > 300
    assert _reported(analyses) <= 0.01


def test_levelled_crops_keep_their_colours_and_lose_their_brightness(skin: dict[str, Samples]) -> None:
    """What is taken off is the brightness alone."""
    crop = next(iter(skin.values()))
    steady = level(crop)
    assert np.ptp(steady.rgb.sum(axis=1)) < 1e-6
    share = crop.rgb / crop.rgb.sum(axis=1, keepdims=True)
    assert np.allclose(steady.rgb / steady.rgb.sum(axis=1, keepdims=True), share)


def test_no_background_does_not_stand_for_the_crops(skin: dict[str, Samples]) -> None:
    """Half of the windows of the crops are told with a calm background, all of them as wrong."""
    cases = cropped(skin)
    without = cases.features[:, NAMES.index("no_background")]
    assert abs(without.mean() - 0.5) < 0.01
    assert set(cases.features[without == 0, NAMES.index("background")].tolist()) == {CALM}
    assert not cases.right.any()
