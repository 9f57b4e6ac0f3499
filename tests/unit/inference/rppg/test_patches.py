"""Patches of the face, each by itself."""

from dataclasses import replace

import numpy as np
import pytest

from inference.rppg.analysis import analyze
from inference.rppg.fitting.renders import Scene, render
from inference.rppg.patches import analyze_patches
from inference.rppg.reasons import Reason
from inference.rppg.samples import Samples, join


def _patched(scene: Scene, *, patches: int = 5) -> Samples:
    parts = [render(scene, np.random.default_rng(seed)).samples for seed in range(patches)]
    colours = np.stack([part.rgb for part in parts], axis=1)
    colours[:, -1] = np.nan
    return replace(parts[0], rgb=np.nanmean(colours, axis=1), patches=colours)


def test_the_median_of_patches_tells_the_heart_rate() -> None:
    """Patches, one of which never shows skin, tell the heart rate of the region within two a minute."""
    told = analyze_patches(_patched(Scene(seconds=20, bpm=82)))
    assert told.reason is Reason.OK
    assert told.heart_rate_bpm == pytest.approx(82, abs=2)


def test_patches_tell_nothing_where_the_region_does_not() -> None:
    """Without a pulse the patches tell nothing either, and the reason is the region's."""
    samples = _patched(Scene(seconds=20, amplitude=0.0))
    told = analyze_patches(samples)
    assert told.heart_rate_bpm is None
    assert told.reason is analyze(samples).reason


def test_unmeasured_patches_are_refused() -> None:
    """Samples without patches are refused with what to do."""
    samples = render(Scene(seconds=2), np.random.default_rng(0)).samples
    with pytest.raises(ValueError, match="not measured"):
        analyze_patches(samples)


def test_joined_samples_keep_patches_only_where_all_have_them() -> None:
    """Parts are joined frame by frame; patches only where every part has as many."""
    one = _patched(Scene(seconds=1), patches=3)
    other = replace(one, patches=None, time_s=one.time_s + 1)
    assert join([one, replace(one, time_s=one.time_s + 1)]).patches is not None
    assert join([one, other]).patches is None
    assert len(join([one, other])) == 2 * len(one)
