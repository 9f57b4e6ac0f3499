"""Recordings of the Empatica E4 wristband, brought to one reading a second.

Layout (Empatica, "E4 data - CSV files"): row 1 the start in Unix seconds, row 2 the rate in Hz, then samples; in
`IBI.csv` row 1 the start and then (seconds since the start at which a beat ends, interval in seconds). `HR.csv` holds
one value a second, each the average of the 10 s before it, so it starts 10 s after the others.
"""

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.recordings.track import Sample
from inference.slots import Floats
from schemas.errors import RecordingError
from schemas.vitals import BY_NAME, IBI_PLAUSIBLE_MS

_COUNTS_PER_G: Final = 64.0
_AXES: Final = 3
_HR_RATE_HZ: Final = 1.0
_MAX_RATE_HZ: Final = 1024.0
_MAX_SECONDS: Final = 7 * 86_400
_DECIMALS: Final = {"heart_rate": 2, "skin_temperature": 2, "acceleration": 4, "motion": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One person's recording, one row a second; row k covers the second before `start_ms + (k + 1) * 1000`.

    Attributes:
        name: The folder's name.
        start_ms: Unix milliseconds of the earliest sample.
        vitals: Per vital an array of shape (seconds,), NaN where nothing was measured.
        beats_ms: Inter-beat intervals in order of their end.
        beat_ends_s: When each ends, in seconds since `start_ms`; one that is missing or was left out leaves a hole.
        beat_starts: Shape (seconds + 1,): row k's beats are `beats_ms[beat_starts[k]:beat_starts[k + 1]]`.
        left_out: Per field how many measured values were left out, being implausible.
    """

    name: str
    start_ms: int
    vitals: dict[str, Floats]
    beats_ms: Floats
    beat_ends_s: Floats
    beat_starts: npt.NDArray[np.int64]
    left_out: dict[str, int]

    @property
    def seconds(self) -> int:
        """Length of the recording."""
        return len(self.beat_starts) - 1

    def reading(self, row: int) -> dict[str, Any] | None:
        """Return what was measured in one second, without a time; None when that is nothing."""
        fields: dict[str, Any] = {
            name: round(float(values[row]), _DECIMALS[name])
            for name, values in self.vitals.items()
            if not math.isnan(values[row])
        }
        beats = self.beats_ms[self.beat_starts[row] : self.beat_starts[row + 1]]
        if len(beats):
            fields["ibi"] = [round(float(beat), 1) for beat in beats]
        return fields or None

    def samples(self, first: int, end: int) -> Iterator[Sample]:
        """Yield what was measured in the seconds from `first` to `end` (not included), at the end of each."""
        for row in range(first, end):
            fields = self.reading(row)
            if fields is not None:
                yield Sample((row + 1) * 1000, None, fields)


@dataclass(frozen=True, slots=True)
class _Track:
    start_s: float
    rate_hz: float
    samples: Floats

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / self.rate_hz


def read_e4(folder: Path) -> Recording:
    """Return the recording in an E4 folder; its files may be gzipped.

    Worn and quality stay unknown, because nothing in an E4 export tells them. BVP and EDA are not read.

    Raises:
        RecordingError: A file is missing or not in the E4 layout; the message names it.
    """
    if not folder.is_dir():
        raise RecordingError(f"There is no folder {folder}.")
    heart_rate, temperature = _track(folder, "HR", 1), _track(folder, "TEMP", 1)
    acceleration = _track(folder, "ACC", _AXES)
    if heart_rate.rate_hz != _HR_RATE_HZ:
        raise RecordingError(f"{folder / 'HR.csv'}: expected one value a second, found {heart_rate.rate_hz} Hz.")
    beats_start_s, beats = _beats(folder)
    start_s = min(heart_rate.start_s, temperature.start_s, acceleration.start_s, beats_start_s)
    seconds = math.ceil(max(track.end_s for track in (heart_rate, temperature, acceleration)) - start_s - 1e-6)
    if seconds > _MAX_SECONDS:
        raise RecordingError(f"{folder}: the files' start times lie {seconds} s apart; they are of two recordings.")
    magnitude_g = np.linalg.norm(acceleration.samples / _COUNTS_PER_G, axis=1)
    vitals = {
        "heart_rate": _at_second_end(heart_rate, start_s, seconds),
        "skin_temperature": _last_in_second(temperature, start_s, seconds),
        "acceleration": _mean_in_second(acceleration, magnitude_g, start_s, seconds),
        "motion": _mean_in_second(acceleration, np.abs(magnitude_g - 1.0), start_s, seconds),
    }
    left_out = {name: _leave_out_implausible(values, BY_NAME[name].plausible) for name, values in vitals.items()}
    beat_ends_s, beats_ms, left_out["ibi"] = _plausible_beats(beats, beats_start_s - start_s, seconds)
    return Recording(
        name=folder.name,
        start_ms=round(start_s * 1000),
        vitals=vitals,
        beats_ms=beats_ms,
        beat_ends_s=beat_ends_s,
        beat_starts=np.searchsorted(_row_ending_at(beat_ends_s), np.arange(seconds + 1)).astype(np.int64),
        left_out=left_out,
    )


def _text(folder: Path, name: str) -> tuple[Path, list[str]]:
    plain, packed = folder / f"{name}.csv", folder / f"{name}.csv.gz"
    path = plain if plain.is_file() else packed
    if not path.is_file():
        raise RecordingError(f"{plain} is missing: an E4 folder holds HR.csv, IBI.csv, TEMP.csv and ACC.csv.")
    try:
        raw = gzip.decompress(path.read_bytes()) if path is packed else path.read_bytes()
        lines = raw.decode("ascii").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RecordingError(f"{path} cannot be read: {error}.") from error
    if not lines:
        raise RecordingError(f"{path} is empty.")
    return path, lines


def _numbers(path: Path, lines: list[str], columns: int) -> Floats:
    if not lines:
        return np.empty((0, columns))
    try:
        table = np.loadtxt(io.StringIO("\n".join(lines)), delimiter=",", ndmin=2)
    except ValueError as error:
        raise RecordingError(f"{path} holds something that is not a number: {error}.") from error
    if table.shape[1] != columns or not np.isfinite(table).all():
        raise RecordingError(f"{path}: expected {columns} finite numbers a row.")
    return table


def _start_s(path: Path, start_s: float) -> float:
    if not 0 < start_s < 2**33:
        raise RecordingError(f"{path}: row 1 must be the start in Unix seconds, found {start_s}.")
    return start_s


def _track(folder: Path, name: str, columns: int) -> _Track:
    path, lines = _text(folder, name)
    table = _numbers(path, lines, columns)
    if len(table) <= 2 or (table[:2] != table[:2, :1]).any():  # noqa: PLR2004 - two header rows
        raise RecordingError(f"{path}: expected a start, a rate and samples.")
    start_s, rate_hz = _start_s(path, float(table[0, 0])), float(table[1, 0])
    if not 0 < rate_hz <= _MAX_RATE_HZ:
        raise RecordingError(f"{path}: row 2 must be the rate in Hz, found {rate_hz}.")
    return _Track(start_s, rate_hz, table[2:] if columns > 1 else table[2:, 0])


def _beats(folder: Path) -> tuple[float, Floats]:
    path, lines = _text(folder, "IBI")
    first, _, title = lines[0].partition(",")
    if title.strip().upper() != "IBI":
        raise RecordingError(f"{path}: row 1 must be the start and the word IBI.")
    start = _numbers(path, [first], 1)
    return _start_s(path, float(start[0, 0])), _numbers(path, lines[1:], 2)


def _sample_times(track: _Track, start_s: float) -> Floats:
    return track.start_s - start_s + np.arange(len(track.samples)) / track.rate_hz


def _row_ending_at(times_s: Floats) -> npt.NDArray[np.int64]:
    """Return the row whose second ends at or first after each time; a microsecond of rounding is forgiven."""
    return np.asarray(np.ceil(times_s - 1e-6), dtype=np.int64) - 1


def _row_holding(times_s: Floats) -> npt.NDArray[np.int64]:
    return np.asarray(np.floor(times_s + 1e-6), dtype=np.int64)


def _at_second_end(track: _Track, start_s: float, seconds: int) -> Floats:
    rows = _row_ending_at(_sample_times(track, start_s))
    values = np.full(seconds, np.nan)
    inside = (rows >= 0) & (rows < seconds)
    values[rows[inside]] = track.samples[inside]
    return values


def _last_in_second(track: _Track, start_s: float, seconds: int) -> Floats:
    values = np.full(seconds, np.nan)
    values[_row_holding(_sample_times(track, start_s))] = track.samples  # numpy keeps the last of equal rows
    return values


def _mean_in_second(track: _Track, samples: Floats, start_s: float, seconds: int) -> Floats:
    """Return the mean of each second that is fully sampled, NaN elsewhere."""
    rows = _row_holding(_sample_times(track, start_s))
    counts = np.bincount(rows, minlength=seconds)
    sums = np.bincount(rows, weights=samples, minlength=seconds)
    full = counts >= math.floor(track.rate_hz)
    means: Floats = np.divide(sums, counts, out=np.full(seconds, np.nan), where=full & (counts > 0))
    return means


def _leave_out_implausible(values: Floats, plausible: tuple[float, float]) -> int:
    implausible = (values < plausible[0]) | (values > plausible[1])
    values[implausible] = np.nan
    return int(implausible.sum())


def _plausible_beats(beats: Floats, offset_s: float, seconds: int) -> tuple[Floats, Floats, int]:
    """Return the ends (s) and intervals (ms) of the plausible beats in order, and how many were left out."""
    order = np.argsort(beats[:, 0], kind="stable")
    ends_s, intervals_ms = beats[order, 0] + offset_s, beats[order, 1] * 1000
    rows = _row_ending_at(ends_s)
    inside = (rows >= 0) & (rows < seconds)
    plausible = (intervals_ms >= IBI_PLAUSIBLE_MS[0]) & (intervals_ms <= IBI_PLAUSIBLE_MS[1])
    kept = inside & plausible
    return ends_s[kept], intervals_ms[kept], int((inside & ~plausible).sum())
