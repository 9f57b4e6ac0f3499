"""A video file, measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.rppg.samples import Samples
from inference.rppg.video.measure import Columns, FrameMeasurer, Region
from inference.rppg.video.reader import VideoInfo, VideoReader
from inference.rppg.video.state import FaceState
from schemas.errors import UnreadableVideoError

Progress = Callable[[int, int], None]
"""Takes frames done and frames that the file tells, 0 where it tells none."""

_TOLD_EVERY: Final = 30
_COMPLETE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The columns of a file, and what the file is; `cut_off` where it ends well before it says."""

    samples: Samples
    info: VideoInfo
    cut_off: bool


def measure_file(
    path: Path, *, region: Region = "face", patches: bool = False, progress: Progress | None = None
) -> Measured:
    """Return the mean colours of every frame of a video file; memory does not grow with its length or size.

    Raises:
        UnreadableVideoError: The file cannot be measured; its reason says why.
    """
    measurer = FrameMeasurer(region=region, patches=patches)
    columns, state = Columns(), FaceState()
    with VideoReader(path) as video:
        told = video.info.frames_told or 0
        for time_s, picture in video.frames():
            state = measurer.take(picture, time_s, state, columns)
            if progress is not None and len(columns) % _TOLD_EVERY == 0:
                progress(len(columns), told)
        info = video.info
    if not len(columns):
        raise UnreadableVideoError("undecodable", f"{path.name} holds no picture that can be decoded.")
    samples = columns.samples()
    span_s = float(samples.time_s[-1] - samples.time_s[0])
    cut_off = told > 1 and info.nominal_fps > 0 and span_s < _COMPLETE * (told - 1) / info.nominal_fps
    return Measured(samples=samples, info=info, cut_off=cut_off)
