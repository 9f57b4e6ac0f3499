"""Mean colours of the skin and of what lies behind the person, of one frame."""

from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from inference.rppg.video.faces import Picture
from inference.rppg.video.opencv import cv2
from inference.rppg.video.state import Box, FaceState
from inference.rppg.video.view import View

Colour = npt.NDArray[np.float64]
"""(3,) red, green, blue, 0 to 255."""

PATCHES: Final = (4, 3)
"""Rows and columns of patches over the face."""
_NOTHING: Final = np.full(3, np.nan)
_NO_PATCHES: Final = np.full((PATCHES[0] * PATCHES[1], 3), np.nan)

_CENTRE: Final = (0.5, 0.5)
_AXES: Final = (0.36, 0.46)
"""The face within a finder's box: an ellipse, in box widths and heights."""
_MIDDLE: Final = (0.3, 0.45, 0.4, 0.25)
"""Nose and cheeks, whose median colour says what skin looks like here."""
_TINT: Final = 14
"""How far Cr and Cb of skin may lie from the median; relative, so that it holds for every tone and light."""
_DARKEST: Final = 0.5
"""Least luma of skin, in shares of the median: hair, eyes and nostrils are darker."""
_LEAST: Final = 0.2
"""Share of the ellipse that must be skin; else the whole ellipse is taken."""
_BLACK: Final = 10
_WHITE: Final = 255

_BACK_STEP: Final = 8
"""The background is looked at in every eighth pixel of every eighth line."""
_CLEAR: Final = 0.45
"""How far to the sides of the face the background begins, in box widths: hair, ears and shaking of the head."""
_ABOVE: Final = 0.5
_MOVED: Final = 0.3
"""The background is chosen anew when the face has moved so far, in box widths."""
_LEAST_BACK: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """What one frame shows."""

    skin: Colour
    background: Colour
    saturated: float
    patches: npt.NDArray[np.float64] | None
    """(12, 3), row by row from the forehead, or None where they are not measured."""


NO_FACE: Final = Colours(skin=_NOTHING, background=_NOTHING, saturated=float("nan"), patches=None)


def whole(seen: View) -> Colours:
    """Return the mean of the whole frame: for crops that hold nothing but skin."""
    area, _, _ = seen.cut((0, 0, seen.width, seen.height))
    return Colours(
        skin=_mean(area, None),
        background=_NOTHING,
        saturated=_saturated(area, None),
        patches=None,
    )


def face(seen: View, state: FaceState, *, patches: bool = False) -> tuple[Colours, FaceState]:
    """Return the colours of the face's skin and of the background, and the state with what skin looks like."""
    if state.box is None:
        return replace(NO_FACE, patches=_NO_PATCHES) if patches else NO_FACE, state
    box = state.box
    area, left, top = seen.cut(box)
    converted = cv2.cvtColor(area, cv2.COLOR_BGR2YCrCb)
    tint = state.skin or _tint(converted)
    mask = _skin(converted, box, left, top, tint)
    anchor = box if state.anchor is None or _apart(state.anchor, box) > _MOVED else state.anchor
    if anchor != state.anchor or tint != state.skin:
        state = msgspec.structs.replace(state, anchor=anchor, skin=tint)
    return Colours(
        skin=_mean(area, mask),
        background=_behind(seen, anchor),
        saturated=_saturated(area, mask),
        patches=_patches(area, mask) if patches else None,
    ), state


def _tint(converted: Picture) -> tuple[float, float, float]:
    rows, columns = converted.shape[:2]
    x, y, w, h = _MIDDLE
    middle = converted[int(y * rows) : int((y + h) * rows) + 1, int(x * columns) : int((x + w) * columns) + 1]
    luma, cr, cb = np.median(middle.reshape(-1, 3), axis=0)
    return float(luma), float(cr), float(cb)


def _skin(converted: Picture, box: Box, left: float, top: float, tint: tuple[float, float, float]) -> Picture:
    x, y, w, h = box
    ellipse = np.zeros(converted.shape[:2], dtype=np.uint8)
    centre = (round(x - left + _CENTRE[0] * w), round(y - top + _CENTRE[1] * h))
    cv2.ellipse(ellipse, centre, (round(_AXES[0] * w), round(_AXES[1] * h)), 0, 0, 360, 255, -1)
    luma, cr, cb = tint
    likely = cv2.inRange(converted, (luma * _DARKEST, cr - _TINT, cb - _TINT), (255.0, cr + _TINT, cb + _TINT))
    skin = cv2.bitwise_and(ellipse, likely)
    enough: bool = cv2.countNonZero(skin) >= _LEAST * cv2.countNonZero(ellipse)
    return skin if enough else ellipse


def _mean(area: Picture, mask: Picture | None) -> Colour:
    blue, green, red, _ = cv2.mean(area, mask)
    return np.array([red, green, blue])


def _patches(area: Picture, mask: Picture) -> npt.NDArray[np.float64]:
    """Return the mean colour of each part of a grid over the face, NaN where little of it is skin."""
    rows, columns = PATCHES
    share = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) / _WHITE
    masked = cv2.bitwise_and(area, area, mask=mask).astype(np.float32)
    sums = cv2.resize(masked, (columns, rows), interpolation=cv2.INTER_AREA)
    means = np.full((rows, columns, 3), np.nan)
    enough = share > _LEAST
    means[enough] = sums[enough][:, ::-1] / share[enough][:, None]
    return means.reshape(-1, 3)


def _saturated(area: Picture, mask: Picture | None) -> float:
    """Return the share of pixels with a channel at 255 or green below 10."""
    clear = cv2.inRange(area, (0, _BLACK, 0), (_WHITE - 1, _WHITE - 1, _WHITE - 1))
    if mask is None:
        return 1 - int(cv2.countNonZero(clear)) / int(clear.size)
    pixels = int(cv2.countNonZero(mask))
    return 1 - int(cv2.countNonZero(cv2.bitwise_and(clear, mask))) / pixels if pixels else float("nan")


def _apart(one: Box, other: Box) -> float:
    return (abs(one[0] - other[0]) + abs(one[1] - other[1]) + abs(one[2] - other[2])) / one[2]


def _behind(seen: View, anchor: Box) -> Colour:
    """Return the mean colour left, right and above of the head: never neck, chest or hands."""
    x, y, w, h = anchor
    columns, rows = seen.width // _BACK_STEP, seen.height // _BACK_STEP
    grid = cv2.resize(seen.frame, (columns, rows), interpolation=cv2.INTER_NEAREST)
    bottom = int((y + h) / _BACK_STEP)
    left, right = max(0, int((x - _CLEAR * w) / _BACK_STEP)), int((x + (1 + _CLEAR) * w) / _BACK_STEP) + 1
    mask = np.zeros((rows, columns), dtype=np.uint8)
    mask[:bottom] = 1
    mask[max(0, int((y - _ABOVE * h) / _BACK_STEP)) :, left:right] = 0
    return _mean(grid, mask) if cv2.countNonZero(mask) >= _LEAST_BACK else _NOTHING
