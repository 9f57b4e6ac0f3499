"""Follows one face from frame to frame: its box moves with the face, never in jumps.

A finder's box jitters by several pixels, and a region that jumps injects steps into its mean colour. So the finder only
corrects, slowly, what a template match follows in every frame.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from inference.rppg.video.faces import FaceFinder
from inference.rppg.video.opencv import cv2
from inference.rppg.video.state import Box, FaceState
from inference.rppg.video.view import View

LOST_S: Final = 0.5
"""A face that was neither found nor followed for so long is lost, and a gap in the frames that is longer ends all."""
_UNSEEN_S: Final = 3.0
"""So long a face is followed that the finder does not find: one that turns, or too little light for the finder."""
_LOOK_S: Final = 0.5
_SEARCH_S: Final = 3.0
_SEARCHED_PX: Final = 320
"""Longest side of the picture in which faces are searched at first: half of a full working frame."""
_SMALLEST: Final = 24
"""Pixels of the picture that is searched; a smaller face holds too few pixels for a pulse."""
_SURE: Final = 28
"""The picture is searched so large, up to the working frame, that the least second face has so many pixels: the
cascade begins at 20, and misses half of those at its edge."""
_NEAR: Final = 0.35
"""How far around its place a face is looked for, in box widths."""
_SHRINK: Final = 0.8
_GROW: Final = 1.25
_SECOND: Final = 0.5
"""A second face counts where it is at least so wide, in widths of the first."""
_CORRECT: Final = 0.2
"""Share of the finder's correction that is taken each time."""

_LOOKED_AT: Final = 40
"""Width in pixels at which a face is looked for near its place: larger only costs time."""
_SECOND_LOOK_S: Final = 0.5
"""How soon the frame is searched again when a second face was seen for the first time."""

_AGAIN_S: Final = 1.0
"""How soon while there are two: what was no face is gone by then, before it silences anything."""

_TEMPLATE: Final = 32
_REACH: Final = 8
_PATCH: Final = _TEMPLATE + 2 * _REACH
_NEIGHBOURS: Final = 3
"""How far a face may move in one frame, in cells of the template (a quarter of its width)."""
_ALIKE: Final = 0.6
"""Correlation below which the match is not believed."""
_RENEW: Final = 0.85
"""Correlation below which the next found face gives a new template."""


@dataclass(frozen=True, slots=True)
class Followed:
    """The state after a frame, and how the face moved in it, in box widths (NaN: unknown)."""

    state: FaceState
    moved: float


def follow(state: FaceState, time_s: float, seen: View, finder: FaceFinder) -> Followed:
    """Take one frame into the state."""
    if (seen.width, seen.height) != (state.width, state.height):
        state = FaceState(width=seen.width, height=seen.height, unreadable=state.unreadable)
    elif state.time_s is not None and time_s - state.time_s > LOST_S:
        state = _lost(state)
    state = msgspec.structs.replace(state, time_s=time_s)
    moved = float("nan")
    alike = 0.0
    if state.box is not None:
        state, moved, alike = _matched(state, state.box, seen)
    if state.looked_s is None or time_s - state.looked_s >= _LOOK_S:
        state = _looked(state, time_s, seen, finder, alike)
    if state.box is not None and _gone(state, time_s):
        state = _lost(state)
    return Followed(state, moved)


def _gone(state: FaceState, time_s: float) -> bool:
    """Return whether the face was not followed for too long, or not found for too long although it was followed."""
    found = time_s if state.seen_s is None else state.seen_s
    followed = found if state.followed_s is None else max(found, state.followed_s)
    return time_s - followed > LOST_S or time_s - found > _UNSEEN_S


def _lost(state: FaceState) -> FaceState:
    return FaceState(
        time_s=state.time_s,
        width=state.width,
        height=state.height,
        looked_s=state.looked_s,
        searched_s=state.searched_s,
        unreadable=state.unreadable,
    )


def _matched(state: FaceState, box: Box, seen: View) -> tuple[FaceState, float, float]:
    """Return the state with its box moved, how far in box widths, and the correlation."""
    template = np.frombuffer(state.template, dtype=np.uint8).reshape(_TEMPLATE, _TEMPLATE)
    area, left, top = seen.sampled(box, _REACH, _PATCH, state.cell)
    scores = cv2.matchTemplate(area, template, cv2.TM_CCOEFF_NORMED)
    _, best, _, (column, row) = cv2.minMaxLoc(scores)
    if best < _ALIKE:
        return state, float("nan"), best
    across = column + _between(scores[row, max(0, column - 1) : column + 2])
    down = row + _between(scores[max(0, row - 1) : row + 2, column])
    cell = state.cell * seen.scale
    x, y, w, h = box
    placed = (left + across * cell + state.inset[0], top + down * cell + state.inset[1], w, h)
    moved = float(np.hypot(placed[0] - x, placed[1] - y)) / w
    return msgspec.structs.replace(state, box=placed, followed_s=state.time_s), moved, best


def _template(state: FaceState, seen: View, box: Box) -> FaceState:
    cell = max(1, round(box[2] / seen.scale / _TEMPLATE))
    area, left, top = seen.sampled(box, 0, _TEMPLATE, cell)
    inset = (box[0] - left, box[1] - top)
    return msgspec.structs.replace(state, template=area.tobytes(), cell=cell, inset=inset)


def _between(scores: npt.NDArray[np.float32]) -> float:
    """Return where between the cells the largest of three neighbours lies, by a parabola."""
    if len(scores) < _NEIGHBOURS:
        return 0.0
    before, best, after = (float(score) for score in scores)
    bend = before - 2 * best + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _looked(state: FaceState, time_s: float, seen: View, finder: FaceFinder, alike: float) -> FaceState:
    """Return the state after the finder has looked near the face, or, now and then, everywhere."""
    due = _SEARCH_S if not state.second_seen else _AGAIN_S if state.faces > 1 else _SECOND_LOOK_S
    state = msgspec.structs.replace(state, looked_s=time_s)
    if state.box is None or state.searched_s is None or time_s - state.searched_s >= due:
        return _searched(state, time_s, seen, finder)
    found = _near(state.box, seen, finder)
    return _corrected(state, time_s, seen, found, alike) if found is not None else state


def _near(box: Box, seen: View, finder: FaceFinder) -> Box | None:
    x, y, w, h = box
    around = (x - _NEAR * w, y - _NEAR * h, w * (1 + 2 * _NEAR), h * (1 + 2 * _NEAR))
    times = min(1.0, _LOOKED_AT / w)
    grey, left, top = seen.grey(around, times)
    side = w * times
    found = finder.find(grey, least=round(side * _SHRINK), most=round(side * _GROW) + 1)
    boxes = [_placed(one, times, left, top) for one in found]
    return min(boxes, key=lambda one: abs(one[0] - x) + abs(one[1] - y) + abs(one[2] - w), default=None)


def _searched(state: FaceState, time_s: float, seen: View, finder: FaceFinder) -> FaceState:
    boxes = _everywhere(seen, finder, state.box)
    if state.box is None and boxes:
        # A second face may be too small for the size at which the first one was found.
        boxes = _everywhere(seen, finder, boxes[0]) or boxes
    state = msgspec.structs.replace(state, searched_s=time_s)
    if not boxes:
        return msgspec.structs.replace(state, faces=1 if state.box else 0, second_seen=False)
    place = state.box
    face = boxes[0] if place is None else min(boxes, key=lambda one: abs(one[0] - place[0]) + abs(one[1] - place[1]))
    second = any(one is not face and one[2] >= _SECOND * face[2] for one in boxes)
    faces = 2 if second and (state.second_seen or state.faces > 1) else 1
    state = msgspec.structs.replace(state, faces=faces, second_seen=second)
    if place is not None and abs(face[0] - place[0]) + abs(face[1] - place[1]) > place[2]:
        # Somebody else's face: ours was not found.
        return state
    return _corrected(state, time_s, seen, face, 0.0)


def _everywhere(seen: View, finder: FaceFinder, face: Box | None) -> list[Box]:
    """Return the faces of the whole frame, the largest first; beside a known face those that would count."""
    times = min(1.0, _SEARCHED_PX / max(seen.width, seen.height))
    least = _SMALLEST
    if face is not None:
        times = min(1.0, max(times, _SURE / (_SECOND * face[2])))
        least = max(_SMALLEST, round(_SECOND * face[2] * times))
    grey, _, _ = seen.grey((0, 0, seen.width, seen.height), times)
    return [_placed(one, times, 0, 0) for one in finder.find(grey, least=least, most=max(grey.shape))]


def _placed(found: Box, times: float, left: float, top: float) -> Box:
    x, y, w, h = (value / times for value in found)
    return (x + left, y + top, w, h)


def _corrected(state: FaceState, time_s: float, seen: View, found: Box, alike: float) -> FaceState:
    """Return the state with its box a little nearer to the found one; a new face is taken where it was found."""
    old = state.box
    if old is None:
        box = found
        state = msgspec.structs.replace(state, faces=max(1, state.faces))
    else:
        x, y, w, h = (was + _CORRECT * (now - was) for was, now in zip(old, found, strict=True))
        box = (x, y, w, h)
    if alike >= _RENEW:
        # The template stays, and with it the place of the box against it is what is corrected.
        inset = (state.inset[0] + box[0] - old[0], state.inset[1] + box[1] - old[1]) if old else state.inset
        state = msgspec.structs.replace(state, inset=inset)
    else:
        state = _template(state, seen, box)
    return msgspec.structs.replace(state, box=box, seen_s=time_s)
