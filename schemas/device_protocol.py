"""The device socket's messages, `pulsera.device.v1`: what a device may say and what it is answered.

Inbound structs describe a well-formed message exactly, plausible ranges included, so that one decode both reads and
checks it in C; a message that does not fit is taken apart reading by reading by the session to name what is wrong.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from schemas.video import MAX_FRAMES, Color, OffsetMs, Share, Speed
from schemas.vitals import BY_NAME, HRV_WINDOW_PLAUSIBLE_S, IBI_MOST, IBI_PLAUSIBLE_MS, NAMES

SUBPROTOCOL_JSON: Final = "pulsera.device.v1+json"
SUBPROTOCOL_MSGPACK: Final = "pulsera.device.v1+msgpack"
TOKEN_SUBPROTOCOL_PREFIX: Final = "pulsera.token."  # noqa: S105 - the name of a header's part, no secret

CLOSE_BAD_MESSAGE: Final = 4400
CLOSE_REVOKED: Final = 4401
CLOSE_NO_HELLO: Final = 4408
CLOSE_REPLACED: Final = 4409
CLOSE_TOO_BIG: Final = 4413
CLOSE_RATE: Final = 4429
CLOSE_DRAINING: Final = 4503

NOT_BUILT_YET: Final = ("event",)
"""Types that the protocol names and this gateway refuses with `not_supported`."""

Source = Literal["watch", "phone", "rppg", "manual"]
Origin = Literal["live", "replay", "simulated"]
Time = Annotated[datetime, Meta(tz=True)] | int | float
"""RFC 3339 text with an offset, or Unix milliseconds."""


class Hello(Struct, tag="hello", tag_field="type", frozen=True, kw_only=True):
    """The first message of a connection; `boot` is new whenever `seq` restarts at 1."""

    boot: UUID
    clock: Time
    model: str = ""
    firmware: str = ""
    origin: Origin = "live"


_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Beat = Annotated[float, Meta(ge=IBI_PLAUSIBLE_MS[0], le=IBI_PLAUSIBLE_MS[1])]

ABSENT: Final = float("nan")
"""What a number holds that was not sent; one that was sent as null holds None, which means the same."""

_COMMON: Final[list[tuple[str, Any, Any]]] = [
    ("source", Source, "watch"),
    ("worn", bool | None, None),
    ("injected", bool, False),
    ("ibi", Annotated[list[_Beat], Meta(max_length=IBI_MOST)] | None, None),
]
_NUMBERS: Final[list[tuple[str, Any, Any]]] = [
    ("quality", _Fraction | None, ABSENT),
    ("hrv_window_s", Annotated[float, Meta(ge=HRV_WINDOW_PLAUSIBLE_S[0], le=HRV_WINDOW_PLAUSIBLE_S[1])] | None, ABSENT),
    *(
        (name, Annotated[float, Meta(ge=BY_NAME[name].plausible[0], le=BY_NAME[name].plausible[1])] | None, ABSENT)
        for name in NAMES
    ),
]

Reading = msgspec.defstruct(
    "Reading",
    [("time", Time), *_COMMON, *_NUMBERS],
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    gc=False,
    module=__name__,
    namespace={"__doc__": "One reading that breaks no rule: a time and any subset of vitals, each within its range."},
)


class Readings(Struct, tag="readings", tag_field="type", frozen=True, kw_only=True):
    """Up to 500 readings of one device; absent or null is "not measured", never 0."""

    seq: Annotated[int, Meta(ge=0)]
    readings: list[Reading]  # type: ignore[valid-type]  # made from the registry at import


_FrameTimes = Annotated[list[OffsetMs], Meta(min_length=1, max_length=MAX_FRAMES)]


class Trace(Struct, tag="trace", tag_field="type", frozen=True, kw_only=True):
    """What a device's camera saw as mean colours, one a frame: no picture of a face leaves the device.

    `times` are ms after `time`; null in `rgb` is a frame without a face. Fields as in `schemas.video.VideoRecord`.
    """

    seq: Annotated[int, Meta(ge=0)]
    time: Time
    times: _FrameTimes
    rgb: list[Color | None]
    background: list[Color | None] | None = None
    saturated: list[Share | None] | None = None
    motion: list[Speed | None] | None = None
    injected: bool = False


class Location(Struct, tag="location", tag_field="type", frozen=True, kw_only=True):
    """Where the device is, in degrees (WGS 84); both null: it does not say any more. Nobody keeps the coordinates."""

    seq: Annotated[int, Meta(ge=0)]
    time: Time
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None

    def __repr__(self) -> str:
        """Tell nothing of the place: whatever is printed may be kept."""
        return f"Location(seq={self.seq})"


class VideoHeader(Struct, tag="video", tag_field="type", frozen=True, kw_only=True):
    """The JSON header of a binary message; the pictures follow it, `sizes` bytes each."""

    seq: Annotated[int, Meta(ge=0)]
    time: Time
    times: _FrameTimes
    sizes: list[Annotated[int, Meta(ge=1)]]
    encoding: Literal["jpeg"] = "jpeg"
    injected: bool = False


class Rejected(Struct, frozen=True, omit_defaults=True):
    """What of a message was not taken: which reading, which field, why. It must not be sent again."""

    index: int
    field: str
    code: str
    detail: str = ""


class Welcome(Struct, tag="welcome", tag_field="type", frozen=True, kw_only=True):
    """Answer to `hello`; `acked` is a hint, possibly 0."""

    session: UUID
    wearer: UUID
    acked: int
    limits: dict[str, int]
    server_time: int


class Ack(Struct, tag="ack", tag_field="type", frozen=True):
    """Every message from the connection's base to `seq` is handled; all that was admitted from it is durable."""

    seq: int


class Nack(Struct, tag="nack", tag_field="type", frozen=True):
    """Parts of one message that were refused."""

    seq: int
    rejected: list[Rejected]


class Throttle(Struct, tag="throttle", tag_field="type", frozen=True):
    """The gateway has stopped reading this socket for a while."""

    retry_after_ms: int


class Error(Struct, tag="error", tag_field="type", frozen=True, omit_defaults=True):
    """A message was refused whole."""

    code: str
    detail: str = ""
    seq: int | None = None


class PulseInstruction(Struct, tag="instruction", tag_field="type", frozen=True, kw_only=True):
    """How the pulse from a device's own video comes along; once a second of video.

    Attributes:
        time: End of the window that was looked at, Unix ms on the device's clock.
        heart_rate: Beats a minute, None where it is withheld: `reason` says why.
        confidence: Probability that it is off by less than 5 beats a minute.
        advice: What the person should do now; `seconds_left` until a first value can be expected, None where unknown.
        wave: The newest second of the band-passed pulse, to be drawn; no unit.
        wave_hz: Points of it a second.
    """

    kind: Literal["pulse"] = "pulse"
    time: int
    heart_rate: float | None
    confidence: float
    reason: str
    advice: str
    seconds_left: float | None = None
    respiratory_rate: float | None = None
    wave: list[float] = []
    wave_hz: float | None = None


Answer = Welcome | Ack | Nack | Throttle | Error
