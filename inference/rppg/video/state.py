"""What is known about the face of a stream between two chunks: a small plain value that any worker can go on from."""

import msgspec

Box = tuple[float, float, float, float]
"""Left, top, width, height in working pixels: those of the frame scaled so that its longest side is at most 640."""


class FaceState(msgspec.Struct, frozen=True, kw_only=True):
    """The tracker's state, about 2 KiB; a new stream begins with `FaceState()`. All times in seconds of the stream."""

    time_s: float | None = None
    """Time of the newest frame."""
    width: int = 0
    height: int = 0
    """Size of the working frame; another size forgets the face."""
    box: Box | None = None
    """Where the face is, smoothed; None while there is none."""
    anchor: Box | None = None
    """The box for which the background was chosen; it stays until the face has moved away from it."""
    template: bytes = b""
    """Picture of the face in green, 32 x 32, that is looked for in the next frame."""
    cell: int = 1
    """Frame pixels from one pixel of the template to the next."""
    inset: tuple[float, float] = (0.0, 0.0)
    """Left and top of the box against those of the template, in working pixels."""
    skin: tuple[float, float, float] | None = None
    """Median Y, Cr, Cb of the middle of the face when it was last found anew."""
    seen_s: float | None = None
    """When the finder last found the face."""
    followed_s: float | None = None
    """When its template was last matched."""
    looked_s: float | None = None
    """When it was last looked for near its place."""
    searched_s: float | None = None
    """When the whole frame was last searched."""
    faces: int = 0
    """Faces in the frame; two only after two searches in a row found them."""
    second_seen: bool = False
    """The last search found a second face."""
    unreadable: int = 0
    """Frames of the stream so far that could not be decoded."""

    def without_face(self) -> "FaceState":
        """Return what may be kept beyond the stream's moment: no picture, and not where the face was."""
        return FaceState(time_s=self.time_s, width=self.width, height=self.height, unreadable=self.unreadable)
