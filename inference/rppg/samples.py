"""What a camera measured of a face, frame by frame: the input of everything in this room."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.slots import Floats, Ints

COLOURS: Final = 3
NOBODY_LOOKED: Final = -1
"""`faces` where nothing searched the frame for faces: a trace that a device computed, or a crop of skin."""
UNREADABLE: Final = -2
"""`faces` where the picture could not be decoded or measured: nothing is known of what it shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Columns, one row a frame.

    Attributes:
        time_s: Measured time of each frame in seconds since any origin, shape (n,); rows whose time does not rise are
            left out by the estimator, and counted.
        rgb: Mean colour of the skin, red, green and blue, 0 to 255, shape (n, 3); NaN where no face was seen.
        background: Mean colour of a patch that is not the face, shape (n, 3); NaN where there is none.
        saturated: Share of the region's pixels at 255 or below 10, shape (n,); NaN unknown.
        motion: Speed of the face's box in its widths a second, shape (n,); NaN unknown.
        faces: Faces seen, shape (n,); `NOBODY_LOOKED` where nothing searched, `UNREADABLE` where there was no picture.
        patches: Mean colours of p patches of the face, shape (n, p, 3), or None where they were not measured.
    """

    time_s: Floats
    rgb: Floats
    background: Floats
    saturated: Floats
    motion: Floats
    faces: Ints
    patches: Floats | None = None

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            ValueError: A column has another length or width than the rest.
        """
        n = len(self.time_s)
        wide, narrow = (n, COLOURS), (n,)
        if not (
            self.rgb.shape == self.background.shape == wide
            and self.time_s.shape == self.saturated.shape == self.motion.shape == self.faces.shape == narrow
        ):
            raise ValueError(f"Columns of {n} frames must have shape {narrow}, colours {wide}.")
        if self.patches is not None and (self.patches.shape[:1] != (n,) or self.patches.shape[2:] != (COLOURS,)):
            raise ValueError(f"Patches of {n} frames must have shape ({n}, patches, {COLOURS}).")

    def __len__(self) -> int:
        return len(self.time_s)

    def rows(self, first: int, after: int) -> "Samples":
        """Return the frames `first` to before `after`."""
        return Samples(
            time_s=self.time_s[first:after],
            rgb=self.rgb[first:after],
            background=self.background[first:after],
            saturated=self.saturated[first:after],
            motion=self.motion[first:after],
            faces=self.faces[first:after],
            patches=None if self.patches is None else self.patches[first:after],
        )


def trace(
    time_s: npt.ArrayLike,
    rgb: npt.ArrayLike,
    *,
    background: npt.ArrayLike | None = None,
    saturated: npt.ArrayLike | None = None,
    motion: npt.ArrayLike | None = None,
) -> Samples:
    """Return samples of a trace that somebody else computed: what is left out is unknown, and nobody counted faces.

    Raises:
        ValueError: The shapes do not fit.
    """
    times = np.asarray(time_s, dtype=np.float64)
    n = len(times)

    def column(values: npt.ArrayLike | None, shape: tuple[int, ...]) -> Floats:
        return np.full(shape, np.nan) if values is None else np.asarray(values, dtype=np.float64).reshape(shape)

    return Samples(
        time_s=times,
        rgb=column(rgb, (n, COLOURS)),
        background=column(background, (n, COLOURS)),
        saturated=column(saturated, (n,)),
        motion=column(motion, (n,)),
        faces=np.full(n, NOBODY_LOOKED, dtype=np.int64),
    )


def unreadable(time_s: npt.ArrayLike) -> Samples:
    """Return frames of which nothing is known, since their pictures could not be measured."""
    times = np.asarray(time_s, dtype=np.float64)
    known = trace(times, np.full((len(times), COLOURS), np.nan))
    return replace(known, faces=np.full(len(times), UNREADABLE, dtype=np.int64))


def join(parts: Sequence[Samples]) -> Samples:
    """Return the frames of several parts, one after the other; patches only where every part has as many.

    Raises:
        ValueError: There is no part.
    """
    if not parts:
        raise ValueError("There is nothing to join.")
    patches = [part.patches for part in parts if part.patches is not None]
    same = len(patches) == len(parts) and len({array.shape[1] for array in patches}) == 1
    return Samples(
        time_s=np.concatenate([part.time_s for part in parts]),
        rgb=np.concatenate([part.rgb for part in parts]),
        background=np.concatenate([part.background for part in parts]),
        saturated=np.concatenate([part.saturated for part in parts]),
        motion=np.concatenate([part.motion for part in parts]),
        faces=np.concatenate([part.faces for part in parts]),
        patches=np.concatenate(patches) if same else None,
    )
