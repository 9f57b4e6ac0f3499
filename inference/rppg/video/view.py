"""A frame seen at the working size, without scaling more of it than is asked for."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.rppg.video.faces import Picture
from inference.rppg.video.opencv import cv2
from inference.rppg.video.state import Box

WORK_PX: Final = 640
"""The longest side of a working frame; a larger frame is scaled down, a smaller one is taken as it is."""


@dataclass(frozen=True, slots=True)
class View:
    """A decoded frame; `scale` is working pixels a frame pixel."""

    frame: Picture
    scale: float

    @property
    def width(self) -> int:
        """Width in working pixels."""
        return round(int(self.frame.shape[1]) * self.scale)

    @property
    def height(self) -> int:
        """Height in working pixels."""
        return round(int(self.frame.shape[0]) * self.scale)

    def cut(self, box: Box, times: float = 1.0) -> tuple[Picture, float, float]:
        """Return a part, `times` the working size, and its left and top in working pixels; cut at the frame's edges."""
        rows, columns = self.frame.shape[:2]
        x, y, w, h = (value / self.scale for value in box)
        left, top = min(max(0, round(x)), columns - 1), min(max(0, round(y)), rows - 1)
        right, bottom = max(left + 1, min(columns, round(x + w))), max(top + 1, min(rows, round(y + h)))
        part = self.frame[top:bottom, left:right]
        factor = self.scale * times
        if factor < 1:
            size = (max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor)))
            part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        return part, left * self.scale, top * self.scale

    def grey(self, box: Box, times: float) -> tuple[Picture, float, float]:
        """Return a part in grey, as `cut` does."""
        part, left, top = self.cut(box, times)
        return cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), left, top

    def sampled(self, box: Box, margin: int, side: int, cell: int) -> tuple[Picture, float, float]:
        """Return the green of every `cell`th pixel from `margin` cells left of and above the box, and that place.

        (side, side) pixels, those outside the frame repeated from its edge; left and top in working pixels.
        """
        rows, columns = self.frame.shape[:2]
        left, top = round(box[0] / self.scale) - margin * cell, round(box[1] / self.scale) - margin * cell
        steps = np.arange(side) * cell
        across, down = np.clip(left + steps, 0, columns - 1), np.clip(top + steps, 0, rows - 1)
        return self.frame[down[:, None], across, 1], left * self.scale, top * self.scale


def view(frame: Picture) -> View:
    """Return the view of a frame in blue, green, red."""
    return View(frame, min(1.0, WORK_PX / max(frame.shape[:2])))
