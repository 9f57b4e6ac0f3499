"""The pulse as it is shown."""

import numpy as np
from scipy.signal import butter, sosfilt

from inference.rppg.pulse import GRID_HZ
from inference.rppg.wave import BAND_HZ, Display


def test_the_wave_is_what_scipy_filters_however_it_is_cut() -> None:
    """Pieces, and a restart from a dump between them, give the bits of `sosfilt` over the whole; a gap counts as 0."""
    pulse = np.random.default_rng(2).normal(size=200)
    pulse[50] = np.nan
    sections = butter(2, BAND_HZ, btype="bandpass", fs=GRID_HZ, output="sos")
    display, shown = Display(), []
    for first, after in ((0, 30), (30, 30), (30, 77), (77, 200)):
        shown.append(display.push(pulse[first:after]))
        display = Display.load(display.dump())
    np.testing.assert_array_equal(np.concatenate(shown), sosfilt(sections, np.nan_to_num(pulse)))
