"""However frames come together, are cut, or a stream is moved to another process, the pulse is the same bit for bit."""

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.rppg.estimates import Estimate
from inference.rppg.estimator import PulseEstimator
from inference.rppg.fitting.renders import Scene, render
from inference.rppg.pulse import LAG, Projection, pulse
from inference.rppg.samples import Samples, trace

_CUTS = st.lists(st.integers(0, 420), max_size=12).map(sorted)


@cache
def _frames() -> Samples:
    """Return 14 s of a face that is lost for a while, with swapped and missing frames and a step of the light."""
    samples = render(Scene(seconds=14, jitter=0.3, light=0.01), np.random.default_rng(8)).samples
    time_s = samples.time_s.copy()
    time_s[50], time_s[51] = time_s[51], time_s[50]
    rgb = samples.rgb.copy()
    rgb[100:104] = np.nan
    rgb[:20] *= 0.8
    return trace(time_s, rgb, background=samples.background, motion=samples.motion)


def _bits(estimates: list[Estimate]) -> list[tuple[object, ...]]:
    return [
        (e.time_s, e.heart_rate_bpm, e.confidence, e.reason, e.snr_db, tuple(e.components.items()), e.wave.tobytes())
        for e in estimates
    ]


@cache
def _whole() -> list[tuple[object, ...]]:
    return _bits(PulseEstimator().push(_frames()))


@settings(max_examples=25, deadline=None)
@given(cuts=_CUTS)
def test_any_chunking_gives_the_same_bits(cuts: list[int]) -> None:
    """Frames in pieces of any size, empty ones too, give the estimates of all frames at once."""
    estimator = PulseEstimator()
    told: list[Estimate] = []
    for first, after in zip([0, *cuts], [*cuts, 420], strict=True):
        told += estimator.push(_frames().rows(first, after))
    assert _bits(told) == _whole()


@settings(max_examples=15, deadline=None)
@given(cuts=_CUTS)
def test_a_stream_that_moves_goes_on_with_the_same_bits(cuts: list[int]) -> None:
    """An estimator that is dumped and loaded between any pieces gives the estimates of one that never was."""
    estimator = PulseEstimator()
    told: list[Estimate] = []
    for first, after in zip([0, *cuts], [*cuts, 420], strict=True):
        told += estimator.push(_frames().rows(first, after))
        estimator = PulseEstimator.load(estimator.dump())
    assert _bits(told) == _whole()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 200), max_size=6).map(sorted))
def test_pieces_of_pos_and_chrom_equal_the_definition(seed: int, cuts: list[int]) -> None:
    """Incremental POS and CHROM of any colours in any pieces differ from the definition by less than 1e-9."""
    rgb = np.random.default_rng(seed).uniform(20, 250, (200, 3))
    projection = Projection(1)
    pieces = [projection.push(rgb[None, first:after]) for first, after in zip([0, *cuts], [*cuts, 200], strict=True)]
    assert np.abs(np.concatenate(pieces, axis=2)[0] - pulse(rgb)[:, : 200 - LAG]).max() < 1e-9
