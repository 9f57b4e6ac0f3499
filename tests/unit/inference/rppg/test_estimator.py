"""One stream: seconds, pieces, restarts, and what is told when."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from inference.rppg.estimates import Estimate
from inference.rppg.estimator import PulseEstimator
from inference.rppg.reasons import Act, Reason
from inference.rppg.samples import Samples, trace
from inference.slots import Floats

_SKIN = np.array([190.0, 150.0, 120.0])
_SIGNATURE = np.array([0.33, 0.77, 0.53])


def _seen(time_s: Floats, *, bpm: float = 72, amplitude: float = 0.005, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    blood = np.sin(2 * np.pi * bpm / 60 * time_s)
    rgb = _SKIN * (1 - amplitude * blood[:, None] * _SIGNATURE) + rng.normal(0, 0.1, (len(time_s), 3))
    background = rng.normal(90, 0.1, (len(time_s), 3))
    return trace(time_s, rgb, background=background, motion=np.zeros(len(time_s)), saturated=np.zeros(len(time_s)))


def _even(seconds: float, fps: float = 30) -> Floats:
    return np.arange(round(seconds * fps)) / fps


def _in_pieces(samples: Samples, sizes: list[int]) -> list[Estimate]:
    estimator = PulseEstimator()
    estimates: list[Estimate] = []
    first = 0
    for size in sizes:
        estimates += estimator.push(samples.rows(first, first + size))
        first += size
    return estimates


def _same(one: list[Estimate], other: list[Estimate]) -> bool:
    return len(one) == len(other) and all(
        (a.time_s, a.heart_rate_bpm, a.confidence, a.reason, a.components)
        == (b.time_s, b.heart_rate_bpm, b.confidence, b.reason, b.components)
        and np.array_equal(a.wave, b.wave)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("bpm", [45, 60, 75, 100, 130, 150, 180])
def test_a_clear_pulse_is_told(bpm: float) -> None:
    """A clear pulse of any usual rate is told within 1.5 beats a minute, at the latest 12 s after the first frame."""
    estimates = PulseEstimator().push(_seen(_even(30), bpm=bpm))
    rates = [estimate.heart_rate_bpm for estimate in estimates if estimate.heart_rate_bpm is not None]
    first = next(estimate.time_s for estimate in estimates if estimate.heart_rate_bpm is not None)
    assert first <= 12
    assert len(rates) >= 18
    assert max(abs(rate - bpm) for rate in rates) < 1.5


def test_one_estimate_a_second() -> None:
    """Every second of frames ends with one estimate, at its end."""
    estimates = PulseEstimator().push(_seen(_even(20)))
    assert [estimate.time_s for estimate in estimates] == list(range(1, 21))


def test_how_frames_came_together_makes_no_difference() -> None:
    """The same frames one by one, in uneven pieces, and all at once give the same estimates bit for bit."""
    samples = _seen(_even(25))
    whole = PulseEstimator().push(samples)
    assert _same(whole, _in_pieces(samples, [1] * 750))
    assert _same(whole, _in_pieces(samples, [7, 300, 1, 2, 440]))


def test_a_restored_estimator_goes_on_with_the_same_bits() -> None:
    """An estimator that was dumped and loaded in the middle of a second goes on bit for bit."""
    samples = _seen(_even(25))
    whole = PulseEstimator().push(samples)
    estimator = PulseEstimator()
    before = estimator.push(samples.rows(0, 403))
    assert _same(whole, before + PulseEstimator.load(estimator.dump()).push(samples.rows(403, 750)))


def test_advice_counts_the_seconds_down() -> None:
    """At the beginning the person is told to wait, and for how long."""
    estimator = PulseEstimator()
    estimator.push(_seen(_even(4)))
    advice = estimator.advice()
    assert advice.act is Act.WAIT
    assert advice.seconds_left == pytest.approx(5.6, abs=0.1)


def test_one_frame_a_second_is_too_few() -> None:
    """One frame a second gives a reason and no heart rate."""
    estimates = PulseEstimator().push(_seen(_even(40, fps=1)))
    assert {estimate.reason for estimate in estimates} <= {Reason.LOW_FPS, Reason.GAP}


def test_the_state_of_a_stream_is_bounded() -> None:
    """After 100 s a stream's state is under 48 KiB, and as large as after 70 s."""
    samples = _seen(_even(100))
    estimator = PulseEstimator()
    estimator.push(samples.rows(0, 2100))
    before = len(pickle.dumps(estimator.dump()))
    estimator.push(samples.rows(2100, 3000))
    after = len(pickle.dumps(estimator.dump()))
    assert before == pytest.approx(after, rel=0.01)
    assert after < 48 * 1024


def test_windows_that_cannot_be_are_refused() -> None:
    """A window shorter than the first one, or longer than what is remembered, is refused."""
    with pytest.raises(ValueError, match="grow"):
        PulseEstimator(first_after_s=20, window_s=10)
    with pytest.raises(ValueError, match="grow"):
        PulseEstimator(window_s=60)


def test_an_empty_chair_does_not_fill_the_memory() -> None:
    """Five minutes without a face after one leave no more frames waiting than some seconds of them."""
    time_s = _even(320)
    seen = _seen(time_s)
    rgb = np.where(time_s[:, None] < 20, seen.rgb, np.nan)
    estimator = PulseEstimator()
    estimates = estimator.push(replace(seen, rgb=rgb))
    assert estimates[-1].reason is Reason.NO_FACE
    assert len(estimator.dump()["waiting"]) < 200
