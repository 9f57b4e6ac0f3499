"""Frames of a video file, one after the other, each with the time that the file gives it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

from inference.rppg.video.containers import check
from inference.rppg.video.faces import Picture
from inference.rppg.video.opencv import cv2
from schemas.errors import UnreadableVideoError

LONGEST_PX: Final = 4096
LONGEST_S: Final = 600.0
MOST_FPS: Final = 60.0
_SLACK_S: Final = 0.002
"""Times of a file are rounded to milliseconds."""
_PROBED: Final = 12
_MOST_REPEATED: Final = 0.5
_BROKEN_TIMES: Final = 4 * LONGEST_S * MOST_FPS
"""So many frames are looked at, at most, whatever times they say they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What the file says of itself, and how its times were come by.

    `width` and `height` are those of the upright picture; `rotation` is the quarter turn in degrees that made it so.
    `frames_told` is None where the file does not say. `times` is "file", or "frame_rate" where the file's own times do
    not rise and each frame takes its nominal share of a second.
    """

    width: int
    height: int
    nominal_fps: float
    frames_told: int | None
    rotation: int
    codec: str
    times: str


class VideoReader:
    """Reads a file's frames; one frame is in memory at a time. Use it in a `with` statement."""

    def __init__(self, path: Path) -> None:
        """Open and probe the file.

        Raises:
            UnreadableVideoError: It is no video, or one that is too large, too long or without times.
        """
        check(path)
        self._path = path
        self._capture = self._open()
        try:
            self.info = self._probe()
        except UnreadableVideoError:
            self._capture.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._capture.release()

    def frames(self) -> Iterator[tuple[float, Picture]]:
        """Yield time in seconds and picture of every frame, at most `MOST_FPS` of them a second.

        A picture is overwritten by the next one.

        Raises:
            UnreadableVideoError: The video goes on for longer than `LONGEST_S`.
        """
        picture: Any = None
        last_s = -1.0
        index = -1
        while self._capture.grab() and index < _BROKEN_TIMES:
            index += 1
            time_s = index / self.info.nominal_fps if self.info.times == "frame_rate" else self._time_s()
            if time_s > LONGEST_S + 1:
                raise self._too_long()
            if time_s < last_s + 1 / MOST_FPS - _SLACK_S:
                continue
            taken, picture = self._capture.retrieve(picture)
            if not taken:
                continue
            last_s = time_s
            yield time_s, picture

    def _open(self) -> Any:
        # Not resolved: an upload has no name but /proc/self/fd/N, and what that is a link to is not there any more.
        capture = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not capture.isOpened():
            raise UnreadableVideoError("undecodable", f"{self._path.name} holds no picture that can be decoded.")
        return capture

    def _time_s(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000

    def _probe(self) -> VideoInfo:
        get = self._capture.get
        width, height = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        fps = float(get(cv2.CAP_PROP_FPS))
        told = int(get(cv2.CAP_PROP_FRAME_COUNT))
        if max(width, height) > LONGEST_PX:
            raise UnreadableVideoError(
                "too_large", f"{self._path.name} is {width} x {height}; at most {LONGEST_PX} pixels a side are read."
            )
        if told > 0 and 0 < fps <= 1000 and told / fps > LONGEST_S + 1:  # noqa: PLR2004 - more is no frame rate
            raise self._too_long()
        rotation = int(get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        code = int(get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        codec = "".join(chr(byte) for byte in code.to_bytes(4, "little") if 32 < byte < 127)  # noqa: PLR2004 - printable
        times = self._whose_times(fps)
        self._capture.release()
        self._capture = self._open()
        return VideoInfo(
            width=width,
            height=height,
            nominal_fps=fps,
            frames_told=told if told > 0 else None,
            rotation=rotation,
            codec=codec,
            times=times,
        )

    def _whose_times(self, fps: float) -> str:
        """Return whether the first frames' own times rise, or the frame rate has to do."""
        probed: list[float] = []
        decoded = False
        while len(probed) < _PROBED and self._capture.grab():
            probed.append(self._time_s())
            decoded = decoded or self._capture.retrieve()[0]
        if not decoded:
            raise UnreadableVideoError("undecodable", f"{self._path.name} holds no picture that can be decoded.")
        repeated = sum(after <= before for before, after in pairwise(probed))
        if repeated <= _MOST_REPEATED * (len(probed) - 1):
            return "file"
        if not 0 < fps <= 1000:  # noqa: PLR2004 - more is no frame rate
            raise UnreadableVideoError("no_times", f"{self._path.name} tells neither times nor a frame rate.")
        return "frame_rate"

    def _too_long(self) -> UnreadableVideoError:
        return UnreadableVideoError("too_long", f"{self._path.name} lasts over {LONGEST_S / 60:.0f} min; cut it first.")
