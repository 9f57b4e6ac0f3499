"""Finding faces in a grey picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from inference.rppg.video.opencv import cv2
from inference.rppg.video.state import Box

Picture = npt.NDArray[np.uint8]
"""(height, width, 3) in the order blue, green, red, or (height, width) grey."""

_STEP: Final = 1.1
_VOTES: Final = 3
"""Of the cascades and settings tried on 120 placed portraits this finds most for its time, and hardly anything else."""


class FaceFinder(Protocol):
    """Finds frontal faces; another detector takes its place by having this one method."""

    def find(self, grey: Picture, *, least: int, most: int) -> Sequence[Box]:
        """Return the boxes (pixels of the picture) of faces `least` to `most` wide, the largest first."""


class HaarFinder:
    """Viola and Jones's cascade for frontal faces (CVPR 2001), as it comes with OpenCV 4; OpenCV 5 has none."""

    def __init__(self) -> None:
        path = Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt2.xml"
        self._cascade = cv2.CascadeClassifier(str(path))

    def find(self, grey: Picture, *, least: int, most: int) -> Sequence[Box]:
        """Return the boxes of faces `least` to `most` pixels wide, the largest first."""
        found = self._cascade.detectMultiScale(grey, _STEP, _VOTES, minSize=(least, least), maxSize=(most, most))
        boxes = [(float(x), float(y), float(w), float(h)) for x, y, w, h in found]
        return sorted(boxes, key=lambda box: -box[2])
