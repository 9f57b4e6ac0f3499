"""Frames as they come, and one second of a uniform grid made of them.

Times are those of the frames, never a nominal rate: files that say 15 frames a second run at 20. The trace is
resampled, not the picture. One second is made when a frame reaches its last point, of the frames up to that one alone:
so it is the same however the frames came together.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.rppg.pulse import GRID_HZ
from inference.rppg.samples import COLOURS, UNREADABLE, Samples
from inference.slots import Bools, Floats

TIME, RED, BACKGROUND, SATURATED, MOTION, FACES = 0, 1, 4, 7, 8, 9
WIDTH: Final = 10
"""A frame as a row: time, red, green, blue, those of the background, saturated, motion, faces."""

LOST_S: Final = 0.61
"""From one frame with a face to the next: more than half a second lost, and what was seen before counts no more."""
FAR_S: Final = 0.1
"""A point further from every frame with a face is made up rather than measured."""
RESTART_S: Final = 2.0
"""A jump of the frames' time by more, forth or back, begins anew."""
STEP: Final = 0.05
"""A change of brightness from one frame to the next: the exposure was set anew, or the box jumped."""
STEP_WITHIN_S: Final = 0.25

_EARLIER: Final = 5
"""Frames kept from before a second: so many are averaged at 150 frames a second."""
SOON_S: Final = 1e-6


def rows(samples: Samples) -> Floats:
    """Return the frames as rows, shape (n, 10); a colour that is not finite, or none, is no colour."""
    made = np.empty((len(samples), WIDTH))
    made[:, TIME] = samples.time_s
    made[:, RED:BACKGROUND] = samples.rgb
    made[:, BACKGROUND:SATURATED] = samples.background
    made[:, SATURATED] = samples.saturated
    made[:, MOTION] = samples.motion
    made[:, FACES] = samples.faces
    colours = made[:, RED:SATURATED].reshape(len(made), 2, COLOURS)
    total = colours.sum(axis=2)
    known = (colours.min(axis=2, initial=np.inf) >= 0) & (total > 0) & (total < np.inf)
    if not known.all():
        made[:, RED:SATURATED] = np.where(known[:, :, None], colours, np.nan).reshape(len(made), 2 * COLOURS)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One second on the grid, 30 points; the columns hold only the points since the last break.

    Attributes:
        broken: Whether something broke off what was seen before: loss of the face, missing frames, or a step.
        colour: Colours of the face and of the background (NaN where unknown), shape (2, k, 3).
        motion: Box widths a second, shape (k,), NaN unknown; `saturated` share of the pixels.
        far: Points more than `FAR_S` from every frame with a face, shape (k,).
        stepped: Whether the brightness jumped from one frame to the next.
        frames: Frames that fell into the second; `faceless` those without a colour, `unreadable` those of them whose
            picture could not be measured, `crowded` those with several faces.
    """

    broken: bool
    stepped: bool
    colour: Floats
    motion: Floats
    saturated: Floats
    far: Bools
    frames: int
    faceless: int
    unreadable: int
    crowded: int


def due_s(origin_s: float, index: int) -> float:
    """Return the time of the last point of second `index`."""
    return origin_s + index + (GRID_HZ - 1) / GRID_HZ


def second(frames: Floats, *, origin_s: float, index: int) -> tuple[Second, Floats]:
    """Return second `index` of the grid, and the frames that the next one needs.

    `frames` begins before the second where such frames are known, and reaches its last point.
    """
    times = frames[:, TIME]
    points = origin_s + index + np.arange(GRID_HZ) / GRID_HZ
    until = int(np.searchsorted(times, points[-1] - SOON_S)) + 1
    used = frames[:until]
    inside = used[times[:until] >= points[0] - SOON_S]
    seen = used[~np.isnan(used[:, RED])]
    first, far, stepped = _begin(seen[:, TIME], seen, points=points, last_s=float(used[-1, TIME]))
    points, far = points[first:], far[first:]
    averaged = _averaged(seen, inside) if len(points) else seen
    made = Second(
        broken=first > 0,
        stepped=stepped,
        colour=np.stack([_resampled(averaged, RED, points), _resampled(averaged, BACKGROUND, points)]),
        motion=_held(used, MOTION, points),
        saturated=_held(used, SATURATED, points),
        far=far,
        frames=len(inside),
        faceless=int(np.isnan(inside[:, RED]).sum()),
        unreadable=int((inside[:, FACES] == UNREADABLE).sum()),
        crowded=int((inside[:, FACES] > 1).sum()),
    )
    keep = int(np.searchsorted(times, points_end(origin_s, index) - SOON_S, side="right")) - _EARLIER
    keep = max(keep, 0)
    faced = np.flatnonzero(~np.isnan(used[:keep, RED]))
    if np.isnan(used[keep:, RED]).all() and len(faced):
        return made, np.concatenate((used[faced[-1:]], frames[keep:]))  # not every frame of an empty chair since then
    return made, frames[keep:]


def points_end(origin_s: float, index: int) -> float:
    """Return where second `index` ends."""
    return origin_s + index + 1


def _begin(times: Floats, seen: Floats, *, points: Floats, last_s: float) -> tuple[int, Bools, bool]:
    """Return the first point after the last break, which points are far from every face, and whether light jumped."""
    if not len(times):
        return len(points), np.ones(len(points), dtype=np.bool_), False
    after = np.searchsorted(times, points - SOON_S)
    left = np.where(after > 0, times[np.maximum(after - 1, 0)], -np.inf)
    right = np.where(after < len(times), times[np.minimum(after, len(times) - 1)], np.inf)
    exact = np.abs(right - points) <= SOON_S
    left = np.where(exact, right, left)
    lost = np.minimum(right, max(last_s, float(times[-1]))) - left > LOST_S
    first = int(np.flatnonzero(lost)[-1]) + 1 if lost.any() else 0
    light = np.log(seen[:, RED:BACKGROUND].sum(axis=1))
    steps = np.flatnonzero((np.abs(np.diff(light)) > STEP) & (np.diff(times) <= STEP_WITHIN_S)) + 1
    steps = steps[times[steps] >= points[0]]
    if len(steps):
        first = max(first, int(np.searchsorted(points, times[steps[-1]] - SOON_S)))
    return first, np.minimum(points - left, right - points) > FAR_S, len(steps) > 0


def _averaged(seen: Floats, inside: Floats) -> Floats:
    """Return the running mean of as many frames as make about 1/30 s, times and colours alike.

    The first and the last frame stand for themselves: the means end before them, and no point is to be held over.
    """
    together = min(round(len(inside) / GRID_HZ), _EARLIER)
    if together < 2 or len(seen) <= together:  # noqa: PLR2004  one frame is its own mean
        return seen
    sums = np.lib.stride_tricks.sliding_window_view(seen, together, axis=0)
    return np.concatenate((seen[:1], sums.sum(axis=2) / together, seen[-1:]))


def _resampled(seen: Floats, column: int, points: Floats) -> Floats:
    """Return a colour at the points by straight lines between the frames that know it, shape (k, 3)."""
    known = seen[~np.isnan(seen[:, column])]
    if not len(known):
        return np.full((len(points), COLOURS), np.nan)
    return np.stack([np.interp(points, known[:, TIME], known[:, column + c]) for c in range(COLOURS)], axis=1)


def _held(used: Floats, column: int, points: Floats) -> Floats:
    """Return what the frame before each point told."""
    places = np.searchsorted(used[:, TIME], points + SOON_S, side="right") - 1
    held: Floats = used[np.maximum(places, 0), column]
    return held
