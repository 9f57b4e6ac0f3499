"""JPEG pictures of a stream: their size is read before they are decoded, and large ones are decoded smaller."""

from typing import Final

import numpy as np

from inference.rppg.video.faces import Picture
from inference.rppg.video.opencv import cv2
from inference.rppg.video.view import WORK_PX

LONGEST_PX: Final = 4096
_START: Final = b"\xff\xd8"
_FRAME_HEADERS: Final = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive: what cameras and browsers write."""
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_END: Final = frozenset({0xD9, 0xDA})
_SIZE_BYTES: Final = 9
_REDUCED: Final = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def size(data: bytes) -> tuple[int, int] | None:
    """Return width and height as the header tells them, or None where there is no JPEG header."""
    if data[:2] != _START:
        return None
    at = 2
    while at + _SIZE_BYTES <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - every marker begins so
        marker = data[at + 1]
        if marker in _FRAME_HEADERS:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        if marker in _END:
            return None
        at += 2 if marker in _WITHOUT_LENGTH else 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def decoded(data: bytes) -> Picture | None:
    """Return the picture, its longest side at least `WORK_PX` or as it is, or None where it cannot be decoded.

    One that says to be larger than `LONGEST_PX` is not decoded. A smaller decoding leaves out fine detail alone: mean
    colours stay.
    """
    told = size(data)
    if told is None or not 0 < min(told) <= max(told) <= LONGEST_PX:
        return None
    flags = next((flag for times, flag in _REDUCED if max(told) >= WORK_PX * times), cv2.IMREAD_COLOR)
    try:
        picture: Picture | None = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error:
        # What it says to be is beyond what the decoder, or this process's memory, takes.
        return None
    return picture


def encoded(picture: Picture, size: tuple[int, int], quality: int) -> bytes:
    """Return a picture, scaled to a width and height, as JPEG of a quality of 0 to 100."""
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
