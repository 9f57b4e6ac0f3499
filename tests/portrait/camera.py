"""Films for Chromium's fake camera: the portrait with a pulse, near enough for the page's oval, or nothing but grey.

A busy computer plays a film slower than it was filmed, and leaves frames out. So each frame of the portrait carries its
own number, and what pulse there was to be seen is worked out from the frames that a page did see, when it saw them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from inference.rppg.video.opencv import cv2
from tests.portrait.renderer import Frame, Scene, frames, times, waveform

SIZE: Final = (320, 240)
_FACE: Final = (slice(0, 227), slice(139, 441))
"""Rows and columns of a film of 640 x 480 in which the face is as high as the oval is in a picture."""
_BITS: Final = 10
_CELL: Final = (16, SIZE[0] // _BITS)
"""Height and width of each bit of a frame's number: black or white at the lower edge, far from face and background."""
_GRID_HZ: Final = 30.0
_STEPS: Final = 1 << 14
_LEAST_HZ, _MOST_HZ = 40 / 60, 200 / 60

NUMBERS: Final = f"""
window.framesSeen = [];
const strip = new OffscreenCanvas({_BITS}, 1).getContext("2d", {{ willReadFrequently: true }});
const next = HTMLVideoElement.prototype.requestVideoFrameCallback;
HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {{
  return next.call(this, (now, frame) => {{
    strip.drawImage(this, 0, this.videoHeight - {_CELL[0]}, this.videoWidth, {_CELL[0]}, 0, 0, {_BITS}, 1);
    const {{ data }} = strip.getImageData(0, 0, {_BITS}, 1);
    let number = 0;
    for (let bit = 0; bit < {_BITS}; bit += 1) number += (data[4 * bit] > 127) << bit;
    window.framesSeen.push([Date.now() - performance.now() + (frame.captureTime ?? now), number]);
    callback(now, frame);
  }});
}};
"""
"""Makes a page note in `framesSeen` each frame that it sees of the portrait: Unix ms, and the frame's number."""


def portrait_y4m(path: Path, scene: Scene) -> Path:
    """Write what the fake camera plays, over and over; return its path."""
    filmed = frames(replace(scene, size=(640, 480)))
    near = (cv2.resize(frame[_FACE], SIZE, interpolation=cv2.INTER_LINEAR) for frame in filmed)
    return _write(path, [_numbered(frame, number) for number, frame in enumerate(near)], scene.fps)


def rate_seen(scene: Scene, seen: list[tuple[float, int]]) -> float:
    """Return how often a minute the scene's heart beat in frames seen at these times (Unix ms), by their numbers."""
    at, numbers = np.array(seen).T
    pulse, hz, _ = waveform(scene.waveform)
    count = len(times(scene))
    played_s = np.cumsum(np.diff(numbers, prepend=numbers[0]) % count) / scene.fps
    film_s = numbers[0] / scene.fps + played_s
    grid_s = np.arange(at[0] / 1000, at[-1] / 1000, 1 / _GRID_HZ)
    beat = np.interp(np.interp(grid_s, at / 1000, film_s), np.arange(len(pulse)) / hz, pulse, period=len(pulse) / hz)
    power = np.abs(np.fft.rfft((beat - beat.mean()) * np.hanning(len(beat)), _STEPS))
    heard = np.fft.rfftfreq(_STEPS, 1 / _GRID_HZ)
    power[(heard < _LEAST_HZ) | (heard > _MOST_HZ)] = 0
    return float(60 * heard[power.argmax()])


def grey_y4m(path: Path, seconds: float = 2.0, fps: float = 30.0) -> Path:
    """Write a film of a grey wall with the noise of a camera."""
    random = np.random.default_rng(1)
    wall = [np.repeat(random.normal(120, 2, (SIZE[1], SIZE[0], 1)), 3, axis=2) for _ in range(round(seconds * fps))]
    return _write(path, [frame.clip(0, 255).astype(np.uint8) for frame in wall], fps)


def _numbered(picture: Frame, number: int) -> Frame:
    """Return the picture with its number, least bit first, at its lower edge."""
    bits = (number >> np.arange(_BITS)) & 1
    strip = np.repeat(np.repeat(bits * 255, _CELL[1])[np.newaxis], _CELL[0], axis=0)
    picture[-_CELL[0] :] = strip[:, :, np.newaxis]
    return picture


def _write(path: Path, pictures: list[Frame], fps: float) -> Path:
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F{round(fps)}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path
