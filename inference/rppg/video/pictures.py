"""A video file as pieces that a device would send: half seconds of JPEG pictures, or of colours measured here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from inference.rppg.samples import Samples
from inference.rppg.video.faces import Picture
from inference.rppg.video.measure import Columns, FrameMeasurer
from inference.rppg.video.opencv import cv2
from inference.rppg.video.reader import VideoReader
from inference.rppg.video.state import FaceState
from inference.rppg.video.view import WORK_PX
from schemas.errors import UnreadableVideoError

QUALITY: Final = 95
"""Of the JPEG pictures: coarser ones blur the colour that a pulse changes by less than one level."""
PIECE_S: Final = 0.5
PIECE_FRAMES: Final = 30

Piece = tuple[list[float], list[bytes]]


def pictured(path: Path, *, longest_px: int = WORK_PX) -> Iterator[Piece]:
    """Yield times in seconds and JPEG pictures of a file, half a second at once, large frames made smaller.

    Raises:
        UnreadableVideoError: The file cannot be read; its reason says why.
    """
    times: list[float] = []
    pictures: list[bytes] = []
    with VideoReader(path) as video:
        for time_s, picture in video.frames():
            if times and (time_s - times[0] >= PIECE_S or len(times) >= PIECE_FRAMES):
                yield times, pictures
                times, pictures = [], []
            times.append(time_s)
            pictures.append(_jpeg(picture, longest_px))
    if times:
        yield times, pictures


def measured(path: Path) -> Iterator[Samples]:
    """Yield the colours of a file, half a second at once: what a device would tell that keeps its pictures.

    Raises:
        UnreadableVideoError: The file cannot be read; its reason says why.
    """
    measurer, state, columns = FrameMeasurer(), FaceState(), Columns()
    begun_s = 0.0
    with VideoReader(path) as video:
        for time_s, picture in video.frames():
            if len(columns) and (time_s - begun_s >= PIECE_S or len(columns) >= PIECE_FRAMES):
                yield columns.samples()
                columns = Columns()
            if not len(columns):
                begun_s = time_s
            state = measurer.take(picture, time_s, state, columns)
    if len(columns):
        yield columns.samples()


def _jpeg(picture: Picture, longest_px: int) -> bytes:
    height, width = picture.shape[:2]
    scale = longest_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    written, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not written:
        raise UnreadableVideoError("undecodable", "A picture of the video cannot be written as a JPEG.")
    return bytes(data)
