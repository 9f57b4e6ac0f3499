"""The picture of a recording: sane axes, whatever was told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infra.rppg.plot import check, drawn
from schemas.errors import SetupError
from tests.unit.infra.rppg.test_answer import ANALYSIS, WITHHELD

PULSE_S = 100 + np.arange(600) / 30


def test_windows_lie_under_their_seconds_of_the_pulse() -> None:
    """Both axes of time are the same, and a steady heart rate has room around it."""
    seen = replace(ANALYSIS, pulse_time_s=PULSE_S, pulse=np.sin(PULSE_S * 7))
    pulse, _, windows = drawn(seen, "x").axes[:3]
    assert windows.get_xlim() == pulse.get_xlim()
    assert pulse.get_xlim() == pytest.approx((100.0, PULSE_S[-1]))
    low, high = windows.get_ylim()
    assert low < 62
    assert high > 78


def test_a_recording_without_a_value_has_the_axis_of_heart_rates() -> None:
    """Where no window tells one the axis shows what could be told, and the times of the file."""
    for windows in ([WITHHELD], []):
        none = replace(ANALYSIS, heart_rate_bpm=None, hrv=None, windows=windows)
        pulse, spectrum, told = drawn(none, "x").axes[:3]
        assert told.get_ylim() == (40.0, 200.0)
        assert spectrum.get_xlim() == (40.0, 200.0)
        assert told.get_xlim() == pulse.get_xlim()
    assert pulse.get_xlim() == (0.0, none.duration_s)


@pytest.mark.parametrize("name", ["x.pdf", "x", "gone/x.png", "folder.png"])
def test_a_path_that_takes_no_picture_is_refused(name: str, tmp_path: Path) -> None:
    """Another ending, a folder that is not there, and a folder itself; a PNG in a folder that is there is not."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SetupError):
        check(tmp_path / name)
    check(tmp_path / "x.png")
