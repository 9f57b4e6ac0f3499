"""One camera's stream: how far it was read, where its face was, and the estimator that its colours went into."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from inference.rppg.estimates import Estimate
from inference.rppg.estimator import PulseEstimator
from inference.rppg.reasons import Advice
from inference.rppg.samples import Samples, trace
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from schemas.errors import ContractError
from schemas.video import VideoRecord
from stream_processors.operators.pulse_order import Standing

_SECOND_MS: Final = 1_000
_NOTHING: Final = (np.nan, np.nan, np.nan)
_ARRAY: Final = 1


class Key(NamedTuple):
    """Whose stream it is: the wearer's id, and the stream of the device."""

    wearer: bytes
    stream_id: int


class _Array(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    standing: Standing
    origin_ms: int
    heard_ms: int
    face: FaceState
    estimator: dict[str, Any]


class PulseStream:
    """What is known of one stream; times of frames are counted in seconds from `origin_ms`."""

    def __init__(self, standing: Standing, *, origin_ms: int) -> None:
        self.standing = standing
        self.origin_ms = origin_ms
        self.heard_ms = 0
        self.face = FaceState()
        self._estimator = PulseEstimator()

    def take(self, samples: Samples) -> list[Estimate]:
        """Return what the estimator tells after these frames."""
        return self._estimator.push(samples)

    def advice(self) -> Advice:
        """Return what the person can do now."""
        return self._estimator.advice()

    def dump(self) -> bytes:
        """Return the stream as bytes; equal streams give equal bytes.

        The picture by which a face is followed is left out, since a saved state outlives the topic's ten minutes:
        whoever goes on from it looks for the face anew.
        """
        face = self.face.without_face()
        saved = _Saved(self.standing, self.origin_ms, self.heard_ms, face, self._estimator.dump())
        return _ENCODER.encode(saved)

    @classmethod
    def load(cls, data: bytes) -> "PulseStream":
        """Return the stream that `dump` was asked for.

        Raises:
            ContractError: The bytes are none.
        """
        try:
            saved = _DECODER.decode(data)
            stream = cls(saved.standing, origin_ms=saved.origin_ms)
            stream.heard_ms, stream.face = saved.heard_ms, saved.face
            stream._estimator = PulseEstimator.load(saved.estimator)
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
            raise ContractError(f"The saved state of a stream cannot be read: {type(error).__name__}.") from error
        return stream


def origin_ms(record: VideoRecord) -> int:
    """Return what the times of a stream that begins with this record count from: a whole second, so they stay exact."""
    return record.time_ms // _SECOND_MS * _SECOND_MS


def times_s(record: VideoRecord, first: int, origin: int) -> Floats:
    """Return the times of the frames from `first` on, in seconds after the stream's origin."""
    return (np.array(record.offsets_ms[first:], dtype=np.float64) + (record.time_ms - origin)) / _SECOND_MS


def colours(record: VideoRecord, first: int, origin: int) -> Samples:
    """Return the samples of a trace from the frame `first` on."""
    return trace(
        times_s(record, first, origin),
        _colour_column(record.rgb, first),
        background=None if record.background is None else _colour_column(record.background, first),
        saturated=_number_column(record.saturated, first),
        motion=_number_column(record.motion, first),
    )


def _colour_column(column: Sequence[Sequence[float] | None] | None, first: int) -> Floats:
    if column is None:
        raise ValueError("A trace has colours.")
    return np.array([_NOTHING if colour is None else colour for colour in column[first:]], dtype=np.float64)


def _number_column(column: Sequence[float | None] | None, first: int) -> Floats | None:
    if column is None:
        return None
    return np.array([np.nan if value is None else value for value in column[first:]], dtype=np.float64)


def _encoded(value: object) -> object:
    if isinstance(value, np.ndarray):
        packed = msgspec.msgpack.encode(_Array(value.dtype.str, value.shape, value.tobytes()))
        return msgspec.msgpack.Ext(_ARRAY, packed)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A state holds numbers, texts and arrays, no {type(value).__name__}.")


def _decoded(code: int, data: memoryview) -> object:
    if code != _ARRAY:
        raise ValueError("A state holds no such extension.")
    array = msgspec.msgpack.decode(data, type=_Array)
    return np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape).copy()


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encoded, order="deterministic")
_DECODER: Final = msgspec.msgpack.Decoder(_Saved, ext_hook=_decoded)
