"""An alarm of a monitor that experts called false: the model must not raise it again from the same beats.

The recording (PhysioNet/CinC 2015, a103l: asystole, false) lasts five and a half minutes, in which the model says
nothing of a wearer it has never seen. So its beats are told twice: as they are, and over and over until an hour is full
("semi"), which is long enough to be judged.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.pulsenet.evaluation.detectors.engine import Engine
from inference.pulsenet.series import HEART_RATE, Data, Series
from inference.recordings.minutes import empty, means
from inference.slots import Floats
from schemas.errors import RecordingError

HOUR_MIN: Final = 60
FIRST_MINUTE: Final = 20_000 * 1_440 + 10 * 60
DRIFT_BPM: Final = 0.01
"""Added minute by minute to beats that are told over and over: what repeats itself to the last digit is taken for a
sensor that hangs."""
_MAT_HEAD: Final = 24
_QRS_HZ: Final = (5.0, 20.0)
_WINDOW_S: Final = 0.12
_APART_S: Final = 0.3
_HEIGHT: Final = 0.3
_PIECE_S: Final = 2.0
_LEAST_BEATS: Final = 2


@dataclass(frozen=True, slots=True)
class Record:
    """A WFDB record of 16 bits a sample.

    Attributes:
        name: Its name.
        hz: Samples a second.
        signals: In the units of the header, shape (samples, leads).
        leads: What each column is.
        remarks: The header's comments: the alarm and the verdict.
    """

    name: str
    hz: float
    signals: Floats
    leads: tuple[str, ...]
    remarks: tuple[str, ...]


def read(header: Path) -> Record:
    """Return a record whose signals lie in one file of 16-bit samples behind a head.

    Raises:
        RecordingError: It is of another kind.
    """
    try:
        lines = header.read_text().splitlines()
        name, _, hz, samples = lines[0].split()[:4]
        rows = [line.split() for line in lines[1:] if line and not line.startswith("#")]
        gains = np.array([float(row[2].partition("/")[0]) for row in rows])
        if any(row[1] != f"16+{_MAT_HEAD}" for row in rows):
            raise RecordingError(f"{header} is of a format that is not read: 16 bits behind a head of 24 bytes are.")
        raw = np.frombuffer((header.parent / rows[0][0]).read_bytes(), dtype="<i2", offset=_MAT_HEAD)
        signals = raw.reshape(int(samples), len(rows)) / gains
    except (OSError, ValueError, IndexError) as error:
        raise RecordingError(f"{header} is no header of a WFDB record: {type(error).__name__}.") from error
    return Record(
        name=name,
        hz=float(hz),
        signals=signals,
        leads=tuple(row[-1] for row in rows),
        remarks=tuple(line.removeprefix("#").strip() for line in lines if line.startswith("#")),
    )


def beats_s(ecg: Floats, hz: float) -> Floats:
    """Return when the beats of an ECG are, in seconds: peaks of its smoothed power from 5 to 20 Hz."""
    from scipy.signal import butter, find_peaks, sosfiltfilt

    band = sosfiltfilt(butter(3, _QRS_HZ, "bandpass", fs=hz, output="sos"), ecg)
    width, piece = round(_WINDOW_S * hz), round(_PIECE_S * hz)
    power = np.convolve(band * band, np.ones(width) / width, "same")
    usual = np.median([power[start : start + piece].max() for start in range(0, len(power), piece)])
    place, _ = find_peaks(power, height=_HEIGHT * usual, distance=round(_APART_S * hz))
    seconds: Floats = place / hz
    return seconds


@dataclass(frozen=True, slots=True)
class Beats:
    """The beats of a record's first lead.

    Attributes:
        record: Whose they are.
        at_s: When, in seconds, at least two.
        rate_bpm: Mean heart rate of each minute, NaN of one in which no interval ended.
    """

    record: Record
    at_s: Floats
    rate_bpm: Floats


def beats(header: Path) -> Beats:
    """Return the beats of a record.

    Raises:
        RecordingError: The header is of another kind of record, fewer than two beats are in it, or scipy is missing.
    """
    record = read(header)
    try:
        at_s = beats_s(record.signals[:, 0], record.hz)
    except ImportError as error:
        raise RecordingError(f"The beats of {header} need scipy: leave it out, or install scipy.") from error
    except ValueError as error:
        raise RecordingError(f"{header} is too short to look for beats, or not of an ECG.") from error
    if len(at_s) < _LEAST_BEATS:
        raise RecordingError(f"{header} holds {len(at_s)} beats in lead {record.leads[0]}: no heart rate can be told.")
    minute = (at_s[1:] // 60).astype(np.int64)
    return Beats(record, at_s, means(minute, 60.0 / np.diff(at_s), minutes=int(minute[-1]) + 1))


def told(engine: Engine, header: Path) -> dict[str, Any]:
    """Return what the monitor said, what the experts said, and what the model says of the beats.

    Raises:
        RecordingError: As `beats`.
    """
    found = beats(header)
    record, at_s, whole = found.record, found.at_s, found.rate_bpm
    looped = np.resize(whole, HOUR_MIN) + DRIFT_BPM * np.arange(HOUR_MIN)
    return {
        "record": record.name,
        "remarks": list(record.remarks),
        "lead": record.leads[0],
        "beats": len(at_s),
        "heart_rate_bpm": [round(float(np.nanmin(whole)), 1), round(float(np.nanmax(whole)), 1)],
        "longest_pause_s": round(float(np.diff(at_s).max()), 2),
        "as_it_is": _said(engine, _series(whole, record.name, "real")),
        "for_an_hour": _said(engine, _series(looped, record.name, "semi")),
    }


def _series(rate: Floats, name: str, data: Data) -> Series:
    made = empty(name=name, data=data, first_minute=FIRST_MINUTE, minutes=len(rate), utc_offset_min=0)
    made.values[:, HEART_RATE] = rate
    made.steps[:] = 0.0
    return made


def _said(engine: Engine, series: Series) -> dict[str, Any]:
    judged = engine.judge([series])[0]
    opened = {condition: len(minutes) for condition, minutes in engine.alerts([series])[0].items() if len(minutes)}
    return {
        "data": series.data,
        "minutes": series.minutes,
        "judged_min": int(np.isfinite(judged.scores.high).sum()),
        "slow_heart": opened.get("heart_rate.low", 0),
        "others": {name: count for name, count in opened.items() if name != "heart_rate.low"},
    }
