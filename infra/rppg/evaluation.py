"""Clips and waves with a truth beside them: how far off, for how much of the time, and how often without cause."""

import csv
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from inference.rppg.analysis import analyze
from inference.rppg.estimates import Analysis
from inference.rppg.video.files import measure_file
from inference.rppg.waveform import analyze_waveform
from infra.rppg.report import reasons, rounded
from schemas.errors import RecordingError, UnreadableVideoError

Kind = Literal["clip", "no_pulse", "abstain", "wave", "contact"]
_VIDEOS: Final = frozenset({".avi", ".mp4", ".mov", ".mkv", ".webm", ".m4v"})
_TRUTH_CSV: Final = "_GT.csv"
_PERSON: Final = re.compile(r"^(?P<place>.+)_(?P<person>video\d+)_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One file and its truth: heart rate in bpm, RMSSD in ms, breaths a minute, each None where there is none."""

    path: Path
    name: str
    kind: Kind
    heart_rate_bpm: float | None
    rmssd_ms: float | None
    breaths: float | None = None
    absent: str = ""


def cases(folders: Sequence[Path]) -> list[Case]:
    """Return every case below some folders.

    A video with a JSON of its name is a clip (`hr`, `rmssd`; `amp` 0 means that it shows no pulse); videos beside a
    `PLACE_GT.csv` are crops of skin; a JSON with `waveforms` is a wave; `PPGData.mat` beside `ECGData.mat` is contact
    PPG.

    Raises:
        RecordingError: There is none.
    """
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [case for path in paths for case in _case(path)]
    # The same truth may lie in two folders, of which one holds its video: that one is taken.
    best = {case.name: case for case in sorted(found, key=lambda case: not case.absent)}
    kept = list(best.values())
    if not kept:
        raise RecordingError(
            f"{folders[0]} holds no video with a truth beside it, and no wave; see `--help` for the layout."
        )
    return kept


def _case(path: Path) -> Iterator[Case]:
    if path.suffix == ".json":
        yield from _told_by_json(path)
    elif path.suffix in _VIDEOS and not path.with_suffix(".json").exists():
        person = _PERSON.match(path.name)
        table = path.with_name(f"{person['place']}{_TRUTH_CSV}") if person else None
        if person and table is not None and table.exists():
            yield Case(
                path=path, name=path.stem, kind="abstain", heart_rate_bpm=_mean(table, person["person"]), rmssd_ms=None
            )
    elif path.name == "PPGData.mat" and path.with_name("ECGData.mat").exists():
        yield Case(path=path, name="contact_ppg", kind="contact", heart_rate_bpm=None, rmssd_ms=None)


def _told_by_json(path: Path) -> Iterator[Case]:
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, dict):
        return
    if "waveforms" in told:
        vitals = told["vitals"]
        rmssd = vitals.get("hrv_rmssd", {}).get("value")
        rate = vitals["heart_rate"]["value"]
        breaths = vitals.get("respiratory_rate", {}).get("value")
        yield Case(path=path, name=path.stem, kind="wave", heart_rate_bpm=rate, rmssd_ms=rmssd, breaths=breaths)
    elif "hr" in told and "amp" in told:
        video = next((path.with_suffix(one) for one in sorted(_VIDEOS) if path.with_suffix(one).exists()), None)
        pulse = told["amp"] > 0
        yield Case(
            path=video or path,
            name=path.stem,
            kind="clip" if pulse else "no_pulse",
            heart_rate_bpm=told["hr"] if pulse else None,
            rmssd_ms=told["rmssd"] if pulse else None,
            absent="" if video else "its video is not here; make_clips.py renders it",
        )


def _mean(table: Path, person: str) -> float | None:
    with table.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            if row and row[0].strip() == person:
                return float(row[1])
    return None


def evaluate(found: Sequence[Case], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Return the report: a row a case, and totals a kind."""
    rows = []
    for done, case in enumerate(found):
        progress(done, len(found))
        rows.append(_row(case))
    progress(len(found), len(found))
    return {"rows": rows, "totals": {kind: _total(rows, kind) for kind in dict.fromkeys(row["kind"] for row in rows)}}


def _row(case: Case) -> dict[str, Any]:
    row: dict[str, Any] = {"name": case.name, "kind": case.kind}
    if case.absent:
        return row | {"absent": case.absent}
    begun = time.process_time()
    try:
        analysis, frames, truth = _analysed(case)
    except UnreadableVideoError as error:
        return row | {"absent": f"{error.reason}: {error.detail}"}
    cpu_s = time.process_time() - begun
    return row | _compared(analysis, truth) | {"frames": frames, "frames_per_cpu_second": rounded(frames / cpu_s)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truth:
    heart_rate_bpm: float | None
    rmssd_ms: float | None
    breaths: float | None = None


def _analysed(case: Case) -> tuple[Analysis, int, _Truth]:
    truth = _Truth(heart_rate_bpm=case.heart_rate_bpm, rmssd_ms=case.rmssd_ms, breaths=case.breaths)
    if case.kind == "contact":
        return _contact(case.path)
    if case.kind == "wave":
        told = json.loads(case.path.read_text(encoding="utf-8"))
        wave = np.array(told["waveforms"]["ppg_waveform"]["data"], dtype=np.float64)
        return analyze_waveform(wave, hz=float(told["fps"])), len(wave), truth
    measured = measure_file(case.path, region="full" if case.kind == "abstain" else "face")
    return analyze(measured.samples), len(measured.samples), truth


def _contact(path: Path) -> tuple[Analysis, int, _Truth]:
    """Return what the PPG of a finger tells, and as truth the RMSSD of its annotated beats and the ECG's heart rate."""
    from scipy.io import loadmat

    ppg = loadmat(path)["PPG"][0, 0]
    ecg = loadmat(path.with_name("ECGData.mat"))["ECG"][0, 0]
    hz = float(ppg["fs"].ravel()[0])
    wave = ppg["data"].ravel().astype(np.float64)
    beats_s = ecg["peaks"].ravel() / float(ecg["fs"].ravel()[0])
    intervals_ms = np.diff(np.sort(ppg["peaks"].ravel().astype(np.float64))) / hz * 1000
    rmssd = float(np.sqrt(np.mean(np.diff(intervals_ms) ** 2)))
    truth = _Truth(heart_rate_bpm=float(60 / np.diff(beats_s).mean()), rmssd_ms=rmssd)
    return analyze_waveform(wave, hz=hz), len(wave), truth


def _compared(analysis: Analysis, truth: _Truth) -> dict[str, Any]:
    rates = [window.heart_rate_bpm for window in analysis.windows if window.heart_rate_bpm is not None]
    sure = [window.confidence for window in analysis.windows if window.heart_rate_bpm is not None]
    real = truth.heart_rate_bpm
    rate = analysis.heart_rate_bpm
    hrv = analysis.hrv
    breaths, real_breaths = analysis.respiratory_rate, truth.breaths
    return {
        "truth_bpm": rounded(real),
        "heart_rate_bpm": rounded(rate),
        "error_bpm": rounded(rate - real) if rate is not None and real is not None else None,
        "window_error_bpm": rounded(float(np.mean(np.abs(np.array(rates) - real)))) if rates and real else None,
        "windows": len(analysis.windows),
        "reported": len(rates),
        "coverage": rounded(analysis.coverage),
        "confidence": rounded(float(np.mean(sure))) if sure else None,
        "reason": str(analysis.reason),
        "reasons": reasons(analysis.windows),
        "snr_db": rounded(analysis.snr_db),
        "rmssd_ms": rounded(hrv.rmssd_ms) if hrv is not None else None,
        "rmssd_truth_ms": rounded(truth.rmssd_ms),
        "hrv_reason": str(analysis.hrv_reason),
        "respiratory_rate": rounded(breaths),
        "respiratory_truth": rounded(real_breaths),
        "respiratory_error": None if breaths is None or real_breaths is None else rounded(breaths - real_breaths),
        "respiratory_reason": str(analysis.respiratory_reason),
    }


def _total(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    of = [row for row in rows if row["kind"] == kind and "absent" not in row]
    windows, reported = sum(row["windows"] for row in of), sum(row["reported"] for row in of)
    errors = [abs(row["error_bpm"]) for row in of if row["error_bpm"] is not None]
    return {
        "files": len(of),
        "with_a_heart_rate": sum(row["heart_rate_bpm"] is not None for row in of),
        "windows": windows,
        "reported": reported,
        "reported_share": rounded(reported / windows) if windows else None,
        "mean_error_bpm": rounded(float(np.mean(errors))) if errors else None,
        "largest_error_bpm": rounded(max(errors)) if errors else None,
    }
