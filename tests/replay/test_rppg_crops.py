"""Crops of real skin in which nobody can read a pulse: the estimator must abstain."""

import numpy as np

from inference.rppg.analysis import analyze
from inference.rppg.confidence import CALM, NAMES
from inference.rppg.estimates import Analysis
from inference.rppg.fitting.cases import cropped, crops, level
from inference.rppg.samples import Samples


def _reported(analyses: list[Analysis]) -> float:
    windows = [window for analysis in analyses for window in analysis.windows]
    return sum(window.heart_rate_bpm is not None for window in windows) / max(len(windows), 1)


def _first_minute(samples: Samples) -> Samples:
    return samples.rows(0, min(len(samples), 900))


def test_crops_tell_nothing() -> None:
    """Of the windows of compressed skin crops at most one in a hundred tells a heart rate, and no crop as a whole."""
    analyses = [analyze(_first_minute(crop)) for crop in crops().values()]
    assert _reported(analyses) <= 0.01
    assert all(analysis.heart_rate_bpm is None for analysis in analyses)


def test_crops_without_their_jumps_tell_nothing_either() -> None:
    """With their jumping brightness taken off, so that windows are judged, at most one in a hundred tells any."""
    analyses = [analyze(_first_minute(level(crop))) for crop in crops().values()]
    assert sum(len(analysis.windows) for analysis in analyses) > 300
    assert _reported(analyses) <= 0.01


def test_levelled_crops_keep_their_colours_and_lose_their_brightness() -> None:
    """What is taken off is the brightness alone."""
    crop = next(iter(crops().values()))
    steady = level(crop)
    assert np.ptp(steady.rgb.sum(axis=1)) < 1e-6
    share = crop.rgb / crop.rgb.sum(axis=1, keepdims=True)
    assert np.allclose(steady.rgb / steady.rgb.sum(axis=1, keepdims=True), share)


def test_no_background_does_not_stand_for_the_crops() -> None:
    """Half of the windows of the crops are told with a calm background, all of them as wrong."""
    cases = cropped()
    without = cases.features[:, NAMES.index("no_background")]
    assert abs(without.mean() - 0.5) < 0.01
    assert set(cases.features[without == 0, NAMES.index("background")].tolist()) == {CALM}
    assert not cases.right.any()
