"""The pulse as it is shown: band-passed sample by sample, with nothing from the future."""

from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
from scipy.signal import butter, sosfilt, sosfiltfilt

from inference.rppg.pulse import GRID_HZ
from inference.slots import Floats

BAND_HZ: Final = (0.7, 3.5)
_CAUSAL: Final = butter(2, BAND_HZ, btype="bandpass", fs=GRID_HZ, output="sos")


class Display:
    """The state of the filter of one stream."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._state: Floats = np.zeros((len(_CAUSAL), 2))

    def push(self, pulse: Floats) -> Floats:
        """Return the next values, band-passed."""
        if not len(pulse):
            return np.empty(0)
        shown, self._state = sosfilt(_CAUSAL, np.nan_to_num(pulse), zi=self._state)
        values: Floats = shown
        return values

    def dump(self) -> dict[str, Any]:
        """Return the state."""
        return {"state": self._state.copy()}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """Return a filter that goes on where `dump` was asked."""
        made = cls()
        made._state = np.array(state["state"])
        return made


def smoothed(pulse: Floats) -> Floats:
    """Return a whole stretch of pulse, band-passed forth and back, so that nothing is delayed."""
    least = 40
    if len(pulse) < least:
        return pulse - pulse.mean() if len(pulse) else pulse
    values: Floats = sosfiltfilt(_CAUSAL, pulse)
    return values
