"""Frames to columns of means: what `inference.rppg` needs of a video, and nothing else of it."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from inference.rppg.samples import NOBODY_LOOKED, UNREADABLE, Samples
from inference.rppg.video import jpeg
from inference.rppg.video.faces import FaceFinder, HaarFinder, Picture
from inference.rppg.video.regions import NO_FACE, Colours, face, whole
from inference.rppg.video.state import FaceState
from inference.rppg.video.tracking import follow
from inference.rppg.video.view import view
from inference.slots import Floats
from schemas.errors import ContractError, UnreadableVideoError

Region = Literal["face", "full"]
"""Where the skin is: in a face, which is looked for, or everywhere, as in a crop of skin."""

CHUNK_FRAMES: Final = 64


class Columns:
    """Rows of frames, collected; a frame takes about 200 bytes, whatever its size."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._numbers: list[tuple[float, float, int]] = []
        self._colours: list[npt.NDArray[np.float64]] = []
        self._patches: list[npt.NDArray[np.float64]] = []

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time_s: float, colours: Colours, motion: float, faces: int) -> None:
        """Take the row of one frame."""
        self._times.append(time_s)
        self._numbers.append((colours.saturated, motion, faces))
        self._colours.append(np.concatenate((colours.skin, colours.background)))
        if colours.patches is not None:
            self._patches.append(colours.patches)

    def samples(self) -> Samples:
        """Return all rows; patches only where every frame had them."""
        numbers = np.array(self._numbers, dtype=np.float64).reshape(-1, 3)
        colours = np.array(self._colours, dtype=np.float64).reshape(-1, 6)
        return Samples(
            time_s=np.array(self._times, dtype=np.float64),
            rgb=colours[:, :3],
            background=colours[:, 3:],
            saturated=numbers[:, 0],
            motion=numbers[:, 1],
            faces=numbers[:, 2].astype(np.int64),
            patches=np.array(self._patches) if self._patches and len(self._patches) == len(self._times) else None,
        )


class FrameMeasurer:
    """Measures frames; what it knows of a stream is the state that goes in and comes out, so any worker can go on."""

    def __init__(self, *, region: Region = "face", patches: bool = False, finder: FaceFinder | None = None) -> None:
        self._finder = HaarFinder() if finder is None and region == "face" else finder
        self._patches = patches

    def measure(
        self, frames: Sequence[bytes], times_s: Sequence[float] | Floats, state: FaceState
    ) -> tuple[Samples, FaceState]:
        """Return the rows of a chunk of JPEG pictures, and the state after it; what is no picture gives an empty row.

        Raises:
            ContractError: There are more than `CHUNK_FRAMES`, or not as many times as pictures.
            UnreadableVideoError: None of the pictures can be decoded.
        """
        if len(frames) != len(times_s) or len(frames) > CHUNK_FRAMES:
            raise ContractError(f"A chunk has at most {CHUNK_FRAMES} pictures and a time for each.")
        columns = Columns()
        broken = 0
        for data, time_s in zip(frames, map(float, times_s), strict=True):
            picture = jpeg.decoded(data)
            if picture is None:
                broken += 1
                columns.add(time_s, NO_FACE, float("nan"), UNREADABLE)
                continue
            state = self.take(picture, time_s, state, columns)
        if broken == len(frames) and frames:
            raise UnreadableVideoError("undecodable", "None of the pictures is a JPEG of at most 4096 x 4096.")
        return columns.samples(), msgspec.structs.replace(state, unreadable=state.unreadable + broken)

    def take(self, picture: Picture, time_s: float, state: FaceState, columns: Columns) -> FaceState:
        """Add the row of one decoded frame to the columns and return the state after it."""
        seen = view(picture)
        if self._finder is None:
            columns.add(time_s, whole(seen), float("nan"), NOBODY_LOOKED)
            return state
        before = state.time_s
        followed = follow(state, time_s, seen, self._finder)
        colours, state = face(seen, followed.state, patches=self._patches)
        motion = followed.moved / (time_s - before) if before is not None and time_s > before else float("nan")
        columns.add(time_s, colours, motion, state.faces)
        return state
