"""Films for Chromium's fake camera: the portrait with a pulse, near enough for the page's oval, or nothing but grey."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from inference.rppg.video.opencv import cv2
from tests.portrait.renderer import Frame, Scene, frames

SIZE: Final = (320, 240)
_FACE: Final = (slice(0, 227), slice(139, 441))
"""Rows and columns of a film of 640 x 480 in which the face is as high as the oval is in a picture."""


def portrait_y4m(path: Path, scene: Scene) -> Path:
    """Write what the fake camera plays, over and over; return its path."""
    filmed = frames(replace(scene, size=(640, 480)))
    near = (cv2.resize(frame[_FACE], SIZE, interpolation=cv2.INTER_LINEAR) for frame in filmed)
    return _write(path, list(near), scene.fps)


def grey_y4m(path: Path, seconds: float = 2.0, fps: float = 30.0) -> Path:
    """Write a film of a grey wall with the noise of a camera."""
    random = np.random.default_rng(1)
    wall = [np.repeat(random.normal(120, 2, (SIZE[1], SIZE[0], 1)), 3, axis=2) for _ in range(round(seconds * fps))]
    return _write(path, [frame.clip(0, 255).astype(np.uint8) for frame in wall], fps)


def _write(path: Path, pictures: list[Frame], fps: float) -> Path:
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F{round(fps)}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path
