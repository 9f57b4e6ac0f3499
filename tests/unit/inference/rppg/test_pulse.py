"""POS and CHROM, in pieces and as defined."""

import numpy as np
import pytest

from inference.rppg.pulse import CHROM, GRID_HZ, LAG, POS, Projection, pulse
from inference.slots import Floats

_SKIN = np.array([190.0, 150.0, 120.0])
_SIGNATURE = np.array([0.33, 0.77, 0.53])


def _trace(*, bpm: float, amplitude: float, seconds: int = 20, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    time_s = np.arange(seconds * GRID_HZ) / GRID_HZ
    blood = np.sin(2 * np.pi * bpm / 60 * time_s)
    rgb: Floats = _SKIN * (1 - amplitude * blood[:, None] * _SIGNATURE) + rng.normal(0, 0.05, (len(time_s), 3))
    return rgb


@pytest.mark.parametrize("sizes", [[30] * 20, [1] * 600, [7, 293, 13, 1, 286], [600]])
def test_pieces_give_what_the_definition_gives(sizes: list[int]) -> None:
    """POS and CHROM made in pieces of any size differ from one window after the other by less than 1e-9."""
    rgb = _trace(bpm=72, amplitude=0.004)
    projection = Projection(1)
    ends = np.cumsum(sizes)
    pieces = [projection.push(rgb[None, end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    made = np.concatenate(pieces, axis=2)[0]
    assert made.shape[1] == len(rgb) - LAG
    assert np.abs(made - pulse(rgb)[:, : len(rgb) - LAG]).max() < 1e-9


@pytest.mark.parametrize("method", [POS, CHROM])
def test_more_blood_points_up(method: int) -> None:
    """Both methods rise where the skin holds more blood and so becomes darker, green most of all."""
    rgb = _trace(bpm=66, amplitude=0.01)
    blood = np.sin(2 * np.pi * 1.1 * np.arange(len(rgb)) / GRID_HZ)
    assert np.corrcoef(pulse(rgb)[method][60:-60], blood[60:-60])[0, 1] > 0.95


def test_equal_change_of_all_colours_is_no_pulse() -> None:
    """Light that brightens and darkens all colours alike leaves next to nothing in POS and CHROM."""
    time_s = np.arange(600) / GRID_HZ
    rgb = _SKIN * (1 + 0.03 * np.sin(2 * np.pi * 1.9 * time_s))[:, None]
    assert np.abs(pulse(rgb)).max() < 1e-9


def test_a_dumped_state_goes_on_with_the_same_bits() -> None:
    """A projection that was dumped and loaded gives bit for bit what the one that went on gives."""
    rgb = _trace(bpm=90, amplitude=0.004)[None]
    one = Projection(1)
    one.push(rgb[:, :331])
    other = Projection.load(one.dump())
    assert np.array_equal(one.push(rgb[:, 331:400]), other.push(rgb[:, 331:400]))
    assert np.array_equal(one.push(rgb[:, 400:]), other.push(rgb[:, 400:]))


def test_black_is_no_error() -> None:
    """A trace without any light gives zeros."""
    assert not Projection(1).push(np.zeros((1, 100, 3))).any()
