"""The report of an evaluation as the tables of a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from schemas.errors import RecordingError

_KINDS: Final = {
    "clip": "semi-synthetic face",
    "no_pulse": "face without a pulse",
    "abstain": "compressed skin crop",
    "wave": "recorded wave",
    "contact": "contact PPG",
}


def between(path: Path, written: Sequence[str], *, begin: str, end: str) -> None:
    """Put lines between two marker lines of a page; all else on the page stays as it is.

    Raises:
        RecordingError: The page has no such markers.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin not in text or end not in text:
        raise RecordingError(f"{path} has no lines {begin} and {end} to write between.")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    path.write_text("\n".join([f"{before}{begin}", *written, f"{end}{after}"]), encoding="utf-8")


def table(report: dict[str, Any]) -> list[str]:
    """Return the lines of two Markdown tables: a row a file, crops together; and what each kind comes to."""
    lines = [
        (
            "| file | what | truth | told | error | windows told | confidence | RMSSD told / truth "
            "| breaths told / truth | frequent reason |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in report["rows"] if row["kind"] != "abstain"),
        "",
        "| what | files | with a heart rate | windows told | mean error | largest error |",
        "|---|---|---|---|---|---|",
    ]
    for kind, total in report["totals"].items():
        lines.append(
            f"| {_KINDS[kind]} | {total['files']} | {total['with_a_heart_rate']} | {total['reported']} of "
            f"{total['windows']} | {_number(total['mean_error_bpm'])} | {_number(total['largest_error_bpm'])} |"
        )
    return lines


def _line(row: dict[str, Any]) -> str:
    if "absent" in row:
        return f"| {row['name']} | {_KINDS[row['kind']]} | | {row['absent']} | | | | | | |"
    rmssd = f"{_number(row['rmssd_ms'])} / {_number(row['rmssd_truth_ms'])}"
    if row["rmssd_ms"] is None:
        rmssd = f"{row['hrv_reason']} / {_number(row['rmssd_truth_ms'])}"
    return (
        f"| {row['name']} | {_KINDS[row['kind']]} | {_number(row['truth_bpm'])} | {_number(row['heart_rate_bpm'])} | "
        f"{_number(row['error_bpm'], sign=True)} | {row['coverage']:.0%} | {_number(row['confidence'], digits=2)} | "
        f"{rmssd} | {breaths(row)} | {next(iter(row['reasons']), '-')} |"
    )


def breaths(row: dict[str, Any]) -> str:
    """Return what was told beside its truth; withheld, the reason."""
    told = row["respiratory_reason"] if row["respiratory_rate"] is None else _number(row["respiratory_rate"])
    return f"{told} / {_number(row['respiratory_truth'])}"


def _number(value: float | None, *, digits: int = 1, sign: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
