"""Seconds on a uniform grid, made of frames as they come."""

import numpy as np
import pytest

from inference.rppg.grid import MOTION, RED, Second, rows, second
from inference.rppg.pulse import GRID_HZ
from inference.rppg.samples import trace
from inference.slots import Floats


def _frames(time_s: Floats, value: Floats) -> Floats:
    return rows(trace(time_s, np.repeat(value[:, None], 3, axis=1), motion=np.arange(len(time_s))))


def _seconds(frames: Floats, count: int) -> list[Second]:
    made = []
    for index in range(count):
        told, frames = second(frames, origin_s=0.0, index=index)
        made.append(told)
    return made


@pytest.mark.parametrize("fps", [10.0, 15.0, 24.0, 29.97, 30.0, 60.0, 120.0])
def test_a_slow_wave_survives_any_frame_rate(fps: float) -> None:
    """A wave of one a second is the same on the grid from 10 to 120 frames a second, within 5 %."""
    time_s = np.arange(0, 3.2, 1 / fps)
    made = _seconds(_frames(time_s, 100 + 4 * np.sin(2 * np.pi * time_s)), 3)
    grid = np.concatenate([told.colour[0, :, 0] for told in made])
    expected = 100 + 4 * np.sin(2 * np.pi * np.arange(90) / GRID_HZ)
    assert np.abs(grid - expected)[2:].max() < 0.2


def test_a_second_uses_no_frame_after_its_last_point() -> None:
    """What comes after the frame that reaches a second's last point changes nothing in it."""
    time_s = np.arange(60) / 30 + 0.01
    frames = _frames(time_s, np.linspace(100, 101, 60))
    whole, _ = second(frames, origin_s=0.01, index=0)
    cut, _ = second(frames[:30], origin_s=0.01, index=0)
    assert np.array_equal(whole.colour, cut.colour, equal_nan=True)
    assert (whole.frames, whole.faceless) == (cut.frames, cut.faceless) == (30, 0)


def test_motion_is_that_of_the_frame_before_each_point() -> None:
    """The speed at a point is the one of the newest frame that was there."""
    frames = _frames(np.arange(31) / 30, np.full(31, 100.0))
    told, _ = second(frames, origin_s=0.0, index=0)
    assert told.motion.tolist() == frames[:30, MOTION].tolist()


def test_a_step_breaks_the_second_where_it_happens() -> None:
    """Points before a jump of the brightness are left out, and the second says that light jumped."""
    value = np.where(np.arange(40) < 12, 100.0, 110.0)
    told, _ = second(_frames(np.arange(40) / 30, value), origin_s=0.0, index=0)
    assert told.broken
    assert told.stepped
    assert told.colour.shape[1] == GRID_HZ - 12
    assert np.allclose(told.colour[0], 110)


def test_a_small_change_is_no_step() -> None:
    """A change of 4 % from one frame to the next breaks nothing."""
    value = np.where(np.arange(40) < 12, 100.0, 104.0)
    told, _ = second(_frames(np.arange(40) / 30, value), origin_s=0.0, index=0)
    assert not told.broken


@pytest.mark.parametrize(("lost", "broken"), [(8, False), (15, False), (19, True), (25, True)])
def test_half_a_second_is_bridged_and_more_breaks(lost: int, broken: bool) -> None:  # noqa: FBT001  a parameter
    """Without a face for up to half a second the second goes on; for longer, it begins behind the loss."""
    frames = _frames(np.arange(40) / 30, np.full(40, 100.0))
    frames[2 : 2 + lost, RED : RED + 3] = np.nan
    told, _ = second(frames, origin_s=0.0, index=0)
    assert told.broken is broken
    assert told.faceless == lost


def test_what_is_no_colour_is_no_face() -> None:
    """Infinite, negative and black colours count as no face, whatever the background."""
    rgb = np.array([[1.0, 2.0, np.inf], [-1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    made = rows(trace(np.arange(4.0), rgb, background=np.full((4, 3), 50.0)))
    assert np.isnan(made[:, RED]).tolist() == [True, True, True, False]
    assert (made[:, 4:7] == 50).all()
