"""Gives a portrait a pulse: frames of a face whose skin follows a real waveform, for tests.

The portrait is NASA's (public domain), the waveforms are those of vitallens-core (MIT). What passes on such frames has
its plumbing right; how accurate it is on people they do not say.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.rppg.video.opencv import cv2

FOLDER: Final = Path(__file__).parent
_PORTRAIT_PX: Final = 480
_SHIFT: Final = 64
_BEHIND: Final = 40.0
_SIGNATURE: Final = np.array([0.69, 1.0, 0.43], dtype=np.float32)
"""How strongly blue, green and red follow the blood, green being one."""
_OVAL: Final = ((210, 112), (49, 68))

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is filmed.

    Attributes:
        seconds: Length.
        fps: Frames a second.
        waveform: Which recorded pulse, `sample_video_2` (60.5 bpm) or `sample_video_3` (71 bpm, breathing slowly).
        strength: Standard deviation of the pulse in green, as a share of the brightness; 0 is a photograph.
        noise: Standard deviation of the camera's noise, grey levels.
        sway_px: How far the person sways, at 640 x 480.
        flicker: Share of the light that swings, at `flicker_hz`.
        gain: Brightness; under 0.3 it is dark.
        faces: How many people: 0, 1 or 2.
        size: Width and height.
        seed: Decides the noise.
    """

    seconds: float = 12.0
    fps: float = 30.0
    waveform: str = "sample_video_2"
    strength: float = 0.008
    noise: float = 1.5
    sway_px: float = 0.0
    flicker: float = 0.0
    flicker_hz: float = 1.9
    gain: float = 1.0
    faces: int = 1
    size: tuple[int, int] = (640, 480)
    seed: int = 1


@cache
def waveform(name: str) -> tuple[npt.NDArray[np.float64], float, float]:
    """Return a recorded pulse (z-scored, peaks up), its samples a second and its heart rate."""
    told: dict[str, Any] = json.loads((FOLDER / "waveforms.json").read_text())[name]
    pulse = np.array(told["pulse"])
    return (pulse - pulse.mean()) / pulse.std(), float(told["fps"]), float(told["heart_rate_bpm"])


def times(scene: Scene) -> npt.NDArray[np.float64]:
    """Return the time of each frame in seconds."""
    return np.arange(round(scene.seconds * scene.fps)) / scene.fps


def frames(scene: Scene) -> Iterator[Frame]:
    """Yield the frames, blue, green, red."""
    random = np.random.default_rng(scene.seed)
    pulse, rate, _ = waveform(scene.waveform)
    seconds = times(scene)
    beat = np.interp(seconds, np.arange(len(pulse)) / rate, pulse, period=len(pulse) / rate)
    width, height = scene.size
    # A part of one large noise, at random, costs a tenth of drawing it anew.
    noise = random.normal(0, scene.noise, (height + _SHIFT, width + _SHIFT, 3)).astype(np.float32)
    scale = height / _PORTRAIT_PX
    still = _Picture(scene.faces, scene.size)
    for index, second in enumerate(seconds):
        light = scene.gain * (1 + scene.flicker * np.sin(2 * np.pi * scene.flicker_hz * second))
        sway = float(scene.sway_px * np.sin(2 * np.pi * 0.4 * second) * scale)
        picture = still.with_blood(scene.strength * float(beat[index]), sway)
        down, across = random.integers(0, _SHIFT, 2)
        part = noise[down : down + height, across : across + width]
        yield cv2.addWeighted(picture, light, part, 1, 0, dtype=cv2.CV_8U)


def jpegs(scene: Scene, quality: int = 92) -> list[bytes]:
    """Return the frames as JPEG pictures."""
    return [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes() for frame in frames(scene)]


def write_video(path: Path, scene: Scene, codec: str = "MJPG") -> Path:
    """Write a file: MJPG into .avi, mp4v into .mp4; return its path."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), scene.fps, scene.size)
    if not writer.isOpened():
        raise RuntimeError(f"OpenCV writes no {codec} into {path.name}.")
    if codec == "MJPG":
        writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 95)
    for frame in frames(scene):
        writer.write(frame)
    writer.release()
    return path


@cache
def _portrait() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the portrait, and how much of each pixel is skin of the face."""
    picture = cv2.imread(str(FOLDER / "portrait.jpg"))
    tones = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
    skin = cv2.inRange(tones, (0, 136, 86), (255, 179, 134)).astype(np.float32) / 255
    oval = np.zeros(skin.shape, dtype=np.float32)
    cv2.ellipse(oval, *_OVAL, 0, 0, 360, 1, -1)
    return picture.astype(np.float32), cv2.merge([cv2.GaussianBlur(skin * oval, (0, 0), 3)] * 3)


class _Picture:
    """The people at the places where they sit."""

    def __init__(self, faces: int, size: tuple[int, int]) -> None:
        width, height = size
        scale = height / _PORTRAIT_PX
        self._size = size
        self._light = np.full((height, width, 3), _BEHIND, dtype=np.float32)
        self._skin = np.zeros((height, width, 3), dtype=np.float32)
        portrait, skin = _portrait()
        places = {1: [(1.0, (width / scale - _PORTRAIT_PX) / 2)], 2: [(0.8, -90.0), (0.8, 230.0)]}.get(faces, [])
        for share, left in places:
            steps = np.array([[scale * share, 0, left * scale], [0, scale * share, 0]], dtype=np.float32)
            for source, target in ((portrait, self._light), (portrait * skin * _SIGNATURE, self._skin)):
                cv2.warpAffine(source, steps, size, dst=target, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT)

    def with_blood(self, more: float, sway: float) -> npt.NDArray[np.float32]:
        """Return the picture with so much more blood in the skin (it absorbs light), and the people moved sideways."""
        picture = cv2.addWeighted(self._light, 1, self._skin, -more, 0)
        if not sway:
            return np.asarray(picture)
        steps = np.array([[1, 0, sway], [0, 1, sway / 3]], dtype=np.float32)
        return np.asarray(cv2.warpAffine(picture, steps, self._size, borderMode=cv2.BORDER_REPLICATE))
