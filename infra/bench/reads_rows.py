"""What `pulsera bench reads` stores: a month of readings every ten seconds, marked as simulated, and alerts."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.alerts import Alert, AlertEvent
from schemas.episodes import Subject
from schemas.frame import FRAME_SCHEMA, Frame
from schemas.vitals import ORIGINS, SOURCES

EVERY_US: Final = 10_000_000
PER_WEARER: Final = 250_000
"""Readings of one wearer: 29 days of one every ten seconds."""

_SIMULATED: Final = ORIGINS.index("simulated")
_DRAWN: Final = 1 << 21
_DAY_US: Final = 86_400_000_000


def frame_of(
    wearers: Sequence[tuple[UUID, int]],
    times_us: npt.NDArray[np.int64],
    seed: int,
    *,
    by_wearer: bool = False,
) -> Frame:
    """Return one reading of each wearer (id, device number) at each time (us since 1970).

    The rows are ordered by time, as they arrive, or by wearer, as storage's merge hands them on.
    """
    draw = _Draw(seed)
    if by_wearer:
        who, at = np.repeat(np.arange(len(wearers)), len(times_us)), np.tile(times_us, len(wearers))
    else:
        who, at = np.tile(np.arange(len(wearers)), len(times_us)), np.repeat(times_us, len(wearers))
    numbers = np.array([number for _, number in wearers], dtype=np.int64)[who]
    columns: dict[str, Any] = {
        "wearer": _ids([wearer for wearer, _ in wearers], who),
        "stream_id": numbers * 256 + SOURCES["watch"],
        "device_number": numbers,
        "boot": _ids([UUID(int=0)], np.zeros_like(who)),
        "time": at,
        "utc_offset_min": np.full(who.size, 60),
        "received": at + (30_000 + 800_000 * draw.even(who.size)).astype(np.int64),
        "origin": np.full(who.size, _SIMULATED),
        "quality": np.round(0.7 + 0.3 * draw.even(who.size), 1),
        "worn": np.ones(who.size, dtype=np.bool_),
        **_vitals(who, at, draw),
    }
    arrays = [_array(field, columns.get(field.name), who.size) for field in FRAME_SCHEMA]
    return Frame(pa.RecordBatch.from_arrays(arrays, schema=FRAME_SCHEMA))


def made_alerts(wearers: Sequence[UUID], count: int, now_ms: int) -> list[Alert]:
    """Return cleared and resolved alerts of these wearers, one every twenty minutes back from now."""
    return [_made_alert(wearers[at % len(wearers)], now_ms - at * 1_200_000) for at in range(count)]


def _made_alert(wearer: UUID, onset_ms: int) -> Alert:
    made = uuid5(wearer, str(onset_ms))
    return Alert(
        alert_id=made,
        subject=Subject(wearer=wearer),
        episode_id=made,
        revision=4,
        kind="heart_rate.high",
        priority="medium",
        type="physiological",
        condition="cleared",
        response="resolved",
        onset_ms=onset_ms,
        raised_ms=onset_ms + 6_000,
        cleared_ms=onset_ms + 300_000,
        cleared_reason="recovered",
        title="Heart rate high",
        reason="Heart rate 131/min for 45 s at rest; 74 was expected.",
        evidence={"vital": "heart_rate", "observed": 131.0, "expected": 74.0, "seconds": 45},
        events=[
            AlertEvent(kind="raised", at_ms=onset_ms + 6_000),
            AlertEvent(kind="acknowledged", at_ms=onset_ms + 60_000, by=made, by_name="bench"),
            AlertEvent(kind="resolved", at_ms=onset_ms + 400_000, by=made, by_name="bench", outcome="false_alarm"),
        ],
        decided_received_ms=onset_ms + 5_500,
    )


class _Draw:
    """Random numbers cut from two long rows of them, since drawing ten million anew would take longer than storing."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)

    def even(self, size: int) -> npt.NDArray[np.float32]:
        """Return numbers between 0 and 1."""
        return self._cut(_even(), size)

    def normal(self, size: int) -> npt.NDArray[np.float32]:
        """Return numbers around 0 with a standard deviation of 1."""
        return self._cut(_normal(), size)

    def _cut(self, row: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
        start = int(self._draw.integers(row.size - size))
        return row[start : start + size]


@cache
def _even() -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).random(_DRAWN, dtype=np.float32)


@cache
def _normal() -> npt.NDArray[np.float32]:
    return np.random.default_rng(2).standard_normal(_DRAWN, dtype=np.float32)


def _vitals(who: npt.NDArray[np.int64], at: npt.NDArray[np.int64], draw: _Draw) -> dict[str, npt.NDArray[np.float32]]:
    """Return six vitals and steps that move with the hour of the day, rounded as sensors round them."""
    rows = who.size
    waking = (0.5 - 0.5 * np.cos(2 * np.pi * (at % _DAY_US) / _DAY_US)).astype(np.float32)
    walking = (draw.even(rows) < 0.15 * waking).astype(np.float32)
    return {
        "heart_rate": np.round(52 + who.astype(np.float32) % 17 + 16 * waking + 25 * walking + 3 * draw.normal(rows)),
        "spo2": np.round(np.clip(97 + 0.8 * draw.normal(rows), 88, 100)),
        "respiratory_rate": np.round(13 + 2 * waking + 4 * walking + 0.8 * draw.normal(rows), 1),
        "skin_temperature": np.round(33.5 - waking + 0.15 * draw.normal(rows), 2),
        "acceleration": np.round(1 + 0.15 * walking + np.abs(0.004 * draw.normal(rows)), 3),
        "motion": np.round(0.12 * walking + np.abs(0.003 * draw.normal(rows)), 3),
        "steps": np.round(walking * (8 + 10 * draw.even(rows))),
    }


def _ids(distinct: Sequence[UUID], index: npt.NDArray[np.int64]) -> pa.DictionaryArray:
    values = pa.array([one.bytes for one in distinct], pa.binary(16))
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), values)


def _array(field: pa.Field, values: Any, rows: int) -> pa.Array:
    if isinstance(values, pa.Array):
        return values.cast(field.type) if values.type != field.type else values
    if values is not None:
        return pa.array(values).cast(field.type)
    if field.nullable:
        return pa.nulls(rows, field.type)
    return pa.array(np.zeros(rows, dtype=np.int64)).cast(field.type)
