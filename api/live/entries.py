"""Records of the log as the hub keeps them: raw bytes, decoded once somebody follows a wearer in them."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog

from api import views, zone_views
from api.live.subjects import key_of, zone_key
from api.moments import from_ms
from api.ports import LogRecord
from api.records import Reading, Score
from schemas.alerts import decode_change
from schemas.episodes import decode as decode_episode
from schemas.errors import FrameError, PulseraError
from schemas.frame import CHECKED, Frame, wearers_of
from schemas.frame import decode as decode_readings
from schemas.scores import decode as decode_scores
from schemas.topics import ALERTS, EPISODES, READINGS, SCORES, ZONES
from schemas.vitals import NAMES
from schemas.zones import decode as decode_status

_LOG = structlog.get_logger(__name__)
_ENCODER: Final = msgspec.json.Encoder()
_FEW: Final = 16

Span = Literal["live", "alert"]
"""The histogram that the way from receipt to socket is counted in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to tell about a wearer or a zone, as the JSON that every follower gets.

    Attributes:
        subject: Key of whom it is about.
        newest_key: Changes of one key may give way to a newer one of them; None for what must arrive.
        at_us: Event time, to tell which of a key is newer.
    """

    subject: bytes
    data: bytes
    received_ms: int
    span: Span | None = None
    newest_key: tuple[bytes, int] | None = None
    at_us: int = 0


class Entry(Protocol):
    """A record and what it tells."""

    offset: int
    append_ms: int
    value: bytes
    broken: bool
    """It could not be read when somebody asked."""

    def changes(self, subjects: AbstractSet[bytes]) -> Sequence[Change]:
        """Return what the record tells about those with these keys, in its order."""
        ...

    def forget(self) -> None:
        """Keep the bytes alone; what they tell is read again when somebody asks."""
        ...


@dataclass(slots=True)
class FrameEntry:
    """A record that holds many wearers' rows; rows of a wearer become JSON when first asked for."""

    offset: int
    append_ms: int
    value: bytes
    read: Callable[[bytes], Frame]
    convert: Callable[[Frame, npt.NDArray[np.int64]], Sequence[Change]]
    broken: bool = False
    _named: frozenset[bytes] | None = None
    _tried: bool = False
    _frame: Frame | None = None
    _known: dict[bytes, list[Change]] = field(default_factory=dict)

    def changes(self, subjects: AbstractSet[bytes]) -> Sequence[Change]:
        """Return what the record tells about these wearers."""
        if not self._may_name(subjects):
            return ()
        frame = self._decoded()
        if frame is None or not frame.rows:
            return ()
        ids, index = frame.ids("wearer")
        present = [raw for raw in ids if raw in subjects]
        missing = {raw for raw in present if raw not in self._known}
        if missing:
            rows = np.flatnonzero(np.array([raw in missing for raw in ids])[index])
            self._known.update({raw: [] for raw in missing})
            for change in self.convert(frame, rows):
                self._known[change.subject].append(change)
        return [change for raw in dict.fromkeys(present) for change in self._known[raw]]

    def forget(self) -> None:
        """Keep the bytes alone."""
        self._named, self._tried, self._frame = None, False, None
        self._known.clear()

    def _may_name(self, wearers: AbstractSet[bytes]) -> bool:
        """Return False only where the frame holds no row of these wearers."""
        if len(wearers) <= _FEW:
            # An id's 16 bytes stand in a frame as they are: 2 us an id, where reading the list of ids takes 60.
            return any(raw in self.value for raw in wearers)
        if self._named is None:
            try:
                self._named = wearers_of(self.value)
            except FrameError:
                return True  # decoding says what is wrong with it
        return not self._named.isdisjoint(wearers)

    def _decoded(self) -> Frame | None:
        if not self._tried:
            self._tried = True
            try:
                self._frame = self.read(self.value)
            except PulseraError as error:
                self.broken = True
                _LOG.error("a frame cannot be shown live", offset=self.offset, reason=str(error))
        return self._frame


@dataclass(slots=True)
class EventEntry:
    """A record that holds one change of one subject."""

    offset: int
    append_ms: int
    value: bytes
    read: Callable[[bytes], Change | None]
    broken: bool = False
    _known: tuple[Change | None] | None = None

    def changes(self, subjects: AbstractSet[bytes]) -> Sequence[Change]:
        """Return the change if it is about one of these."""
        if self._known is None:
            try:
                self._known = (self.read(self.value),)
            except PulseraError as error:
                _LOG.error("an event cannot be shown live", offset=self.offset, reason=str(error))
                self.broken, self._known = True, (None,)
        change = self._known[0]
        return (change,) if change is not None and change.subject in subjects else ()

    def forget(self) -> None:
        """Keep the bytes alone."""
        self._known = None


class Decoding:
    """Makes entries of records; `device_of` gives the id of a device by its number."""

    def __init__(self, device_of: Callable[[int], UUID | None]) -> None:
        self._device_of = device_of

    def entry(self, record: LogRecord) -> Entry:
        """Return the entry of a record of one of the topics that the hub follows."""
        if record.topic == READINGS.name:
            return FrameEntry(record.offset, record.append_ms, record.value, decode_readings, self._readings)
        if record.topic == SCORES.name:
            return FrameEntry(record.offset, record.append_ms, record.value, _score_frame, _scores)
        readers: Mapping[str, Callable[[bytes], Change | None]]
        readers = {EPISODES.name: _episode, ALERTS.name: _alert, ZONES.name: _zone}
        read = readers[record.topic]
        return EventEntry(record.offset, record.append_ms, record.value, read)

    def _readings(self, frame: Frame, places: npt.NDArray[np.int64]) -> list[Change]:
        ids, index = frame.ids("wearer")
        columns = (
            [ids[code] for code in index[places].tolist()],
            *[frame.integers(name)[places].tolist() for name in _WHOLE],
            *[frame.booleans(name)[places].tolist() for name in _FLAGS],
            frame.known("worn")[places].tolist(),
            _beats(frame, places),
            frame.matrix(CHECKED)[places].tolist(),
        )
        return [self._reading(_ReadingRow(*row)) for row in zip(*columns, strict=True)]

    def _reading(self, row: "_ReadingRow") -> Change:
        *vitals, quality, hrv_window_s = row.measured
        found = Reading(
            wearer=UUID(bytes=row.wearer),
            time=from_ms(row.time // 1000),
            received=from_ms(row.received // 1000),
            stream_id=row.stream_id,
            device_id=self._device_of(row.device_number),
            quality=_measured(quality),
            worn=row.worn if row.worn_known else None,
            origin=row.origin,
            injected=row.injected,
            backfill=row.backfill,
            vitals={name: round(value, 4) for name, value in zip(NAMES, vitals, strict=True) if value == value},  # noqa: PLR0124 - NaN
            hrv_window_s=_measured(hrv_window_s),
            ibi=None if row.ibi is None else [round(interval, 2) for interval in row.ibi],
        )
        return Change(
            subject=row.wearer,
            data=_ENCODER.encode(views.reading(found)),
            received_ms=row.received // 1000,
            span="live",
            newest_key=(row.wearer, row.stream_id),
            at_us=row.time,
        )


_WHOLE: Final = ("stream_id", "device_number", "time", "received", "origin")
_FLAGS: Final = ("injected", "backfill", "worn")


class _ReadingRow(NamedTuple):
    """A row of a frame of readings, times in microseconds; `measured` are the columns `CHECKED`, NaN where absent."""

    wearer: bytes
    stream_id: int
    device_number: int
    time: int
    received: int
    origin: int
    injected: bool
    backfill: bool
    worn: bool
    worn_known: bool
    ibi: list[float] | None
    measured: list[float]


def _beats(frame: Frame, places: npt.NDArray[np.int64]) -> list[list[float] | None]:
    if frame.absent("ibi"):
        return [None] * len(places)
    column = frame.batch.column("ibi")
    return [column[place].as_py() for place in places.tolist()]


def _measured(value: float) -> float | None:
    return round(value, 4) if value == value else None  # noqa: PLR0124 - NaN


class _ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    wearer: bytes
    bin: int
    bin_ms: int
    tier: int
    tier0: bool
    model: str
    readings: int
    late: int
    backfill: int
    received: int
    score: float | None = None
    motion: float | None = None
    worn: bool | None = None
    at_rest: bool | None = None
    tier0_rate: float | None = None
    promised_rate: float | None = None
    realised_rate: float | None = None
    rate_days: float | None = None


_NOT_TOLD: Final = frozenset({"cell", "utc_offset_min", "firmware"})
"""Columns that stay in the log."""


def _rows(batch: pa.RecordBatch, places: npt.NDArray[np.int64]) -> list[dict[str, object]]:
    """Return the rows at these places without what is not told or was not measured, times as microseconds."""
    names, columns = [], []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in _NOT_TOLD or column.null_count == len(column):
            continue
        told = column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
        names.append(name)
        columns.append(_values(told, places))
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: pa.Array, places: npt.NDArray[np.int64]) -> list[object]:
    if len(places) <= _FEW:  # a call of `take` costs as much as ten values
        return [column[place].as_py() for place in places.tolist()]
    values: list[object] = column.take(pa.array(places)).to_pylist()
    return values


def _score_frame(data: bytes) -> Frame:
    return decode_scores(data).frame


def _scores(frame: Frame, places: npt.NDArray[np.int64]) -> list[Change]:
    return [_score(row) for row in _rows(frame.batch, places)]


def _score(row: dict[str, object]) -> Change:
    fields = msgspec.convert(row, _ScoreRow)
    found = Score(
        wearer=UUID(bytes=fields.wearer),
        bin=from_ms(fields.bin // 1000),
        bin_ms=fields.bin_ms,
        score=_rounded(fields.score),
        tier=fields.tier,
        tier0=fields.tier0,
        worn=fields.worn,
        at_rest=fields.at_rest,
        motion=_rounded(fields.motion),
        model=fields.model,
        readings=fields.readings,
        late=fields.late,
        backfill=fields.backfill,
        received=from_ms(fields.received // 1000),
        values=_present(row, "value_"),
        z=_present(row, "z_"),
        expected=_present(row, "expected_"),
        tier0_rate=_rounded(fields.tier0_rate),
        promised_rate=_rounded(fields.promised_rate),
        realised_rate=_rounded(fields.realised_rate),
        rate_days=_rounded(fields.rate_days),
    )
    return Change(
        subject=fields.wearer,
        data=_ENCODER.encode(views.score(found)),
        received_ms=fields.received // 1000,
        newest_key=(fields.wearer, 0),
        at_us=fields.bin,
    )


def _episode(data: bytes) -> Change:
    found = decode_episode(data)
    body = _ENCODER.encode(views.episode(found))
    return Change(subject=key_of(found.subject), data=body, received_ms=found.decided_received_ms)


def _alert(data: bytes) -> Change:
    found = decode_change(data)
    newest = found.events[-1].kind if found.events else "raised"
    return Change(
        subject=key_of(found.subject),
        data=_ENCODER.encode(views.alert(found)),
        received_ms=found.decided_received_ms,
        span="alert" if newest in {"onset", "raised"} and found.subject.wearer is not None else None,
    )


def _zone(data: bytes) -> Change | None:
    """Return how a zone stands; a zone that was withdrawn leaves a record without a value, and nobody with a grant."""
    if not data:
        return None
    found = decode_status(data)
    body = _ENCODER.encode(zone_views.status(found))
    return Change(subject=zone_key(found.zone_id), data=body, received_ms=found.bin_ms)


def _present(row: dict[str, object], prefix: str) -> dict[str, float]:
    values = ((name, row.get(prefix + name)) for name in NAMES)
    return {name: round(value, 4) for name, value in values if isinstance(value, float) and value == value}  # noqa: PLR0124 - NaN


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
