"""What an estimator tells becomes readings of the source rppg, and instructions to the device that sent the video."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
import pyarrow as pa

from inference.rppg.estimates import Estimate
from inference.rppg.reasons import Advice
from schemas import frame
from schemas.device_protocol import PulseInstruction
from schemas.frame import FRAME_SCHEMA
from schemas.instructions import InstructionRecord
from schemas.video import VideoRecord
from schemas.vitals import BY_NAME, HRV_WINDOW_PLAUSIBLE_S

BACKFILL_AFTER_MS: Final = 60_000
"""A reading whose corrected time is this much before its receipt is history, not news."""
CORRECTION_FROM_MS: Final = 5_000
"""A device clock that is off by no more is taken as it is."""
_SECOND_MS: Final = 1_000
_DRAWN: Final = 2
"""So many seconds of the wave are told at once: what a late message completes more of is not drawn."""


def time_ms(estimate: Estimate, origin_ms: int) -> int:
    """Return the whole second of the device's clock in which an estimate's window ends, ms since 1970.

    Estimates come once a second: where a stream is read anew from another frame on, its readings keep their identity.
    """
    return (origin_ms + round(estimate.time_s * _SECOND_MS)) // _SECOND_MS * _SECOND_MS


def is_history(record: VideoRecord, origin_ms: int, estimate: Estimate) -> bool:
    """Return whether an estimate is of so long ago that it is no news."""
    offset_ms = record.clock_offset_ms
    corrected_ms = time_ms(estimate, origin_ms) + (offset_ms if abs(offset_ms) > CORRECTION_FROM_MS else 0)
    return record.received_ms - corrected_ms > BACKFILL_AFTER_MS


def readings_frame(record: VideoRecord, estimates: Sequence[Estimate], origin_ms: int) -> bytes | None:
    """Return the frame of `readings.v1` with the estimates that hold a heart rate, None where none does.

    Its rows look as those that a gateway writes: source rppg, quality is the confidence, marked as the video was.
    """
    rows = [row for estimate in estimates if (row := _row(record, estimate, origin_ms)) is not None]
    if not rows:
        return None
    arrays = [_column(rows, field) for field in FRAME_SCHEMA]
    return frame.encode(pa.RecordBatch.from_arrays(arrays, schema=FRAME_SCHEMA))


def instruction(
    record: VideoRecord, estimates: Sequence[Estimate], advice: Advice, origin_ms: int
) -> InstructionRecord:
    """Return what is told to the device after the newest of at least one estimates; no table holds it."""
    newest = estimates[-1]
    wave = np.concatenate([estimate.wave for estimate in estimates[-_DRAWN:]])
    return InstructionRecord(
        wearer=UUID(bytes=record.wearer),
        device_number=record.device_number,
        received_ms=record.received_ms,
        instruction=PulseInstruction(
            time=time_ms(newest, origin_ms),
            heart_rate=_rounded(newest.heart_rate_bpm),
            confidence=round(newest.confidence, 3),
            reason=str(newest.reason),
            advice=str(advice.act),
            seconds_left=_rounded(advice.seconds_left),
            respiratory_rate=_rounded(newest.respiratory_rate),
            wave=[round(float(value), 5) for value in wave if math.isfinite(value)],
            wave_hz=len(newest.wave) or None,
        ),
    )


def _row(record: VideoRecord, estimate: Estimate, origin_ms: int) -> Mapping[str, Any] | None:
    heart_rate = _plausible("heart_rate", estimate.heart_rate_bpm)
    if heart_rate is None:
        return None
    row: dict[str, Any] = {
        "wearer": record.wearer,
        "stream_id": record.stream_id,
        "device_number": record.device_number,
        "boot": record.boot,
        "seq": record.seq,
        "time": time_ms(estimate, origin_ms) * 1_000,
        "utc_offset_min": record.utc_offset_min,
        "received": record.received_ms * 1_000,
        "clock_offset_ms": record.clock_offset_ms,
        "cell": record.cell,
        "origin": record.origin,
        "injected": record.injected,
        "backfill": is_history(record, origin_ms, estimate),
        "quality": min(1.0, max(0.0, estimate.confidence)),
        "firmware": record.firmware,
        "heart_rate": heart_rate,
        "respiratory_rate": _plausible("respiratory_rate", estimate.respiratory_rate),
    }
    hrv = estimate.hrv
    if hrv is not None and HRV_WINDOW_PLAUSIBLE_S[0] <= hrv.window_s <= HRV_WINDOW_PLAUSIBLE_S[1]:
        row["hrv_rmssd"] = _plausible("hrv_rmssd", hrv.rmssd_ms)
        row["hrv_sdnn"] = _plausible("hrv_sdnn", hrv.sdnn_ms)
        row["hrv_window_s"] = hrv.window_s
    return row


def _column(rows: Sequence[Mapping[str, Any]], field: pa.Field) -> pa.Array:
    values = [row.get(field.name) for row in rows]
    if all(value is None for value in values):
        return pa.nulls(len(rows), field.type)
    if pa.types.is_dictionary(field.type):  # of one camera: the same in every row
        indices = pa.array([0] * len(rows), field.type.index_type)
        return pa.DictionaryArray.from_arrays(indices, pa.array(values[:1], field.type.value_type))
    return pa.array(values, field.type)


def _plausible(name: str, value: float | None) -> float | None:
    """Return a value that a gateway would let through, None for any other: a bound is no measurement."""
    low, high = BY_NAME[name].plausible
    return value if value is not None and low <= value <= high else None


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 2)
