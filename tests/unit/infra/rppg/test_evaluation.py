"""Files with a truth beside them are found, compared and told; pages keep their own text."""

import json
from pathlib import Path

import numpy as np
import pytest

from infra.rppg import page
from infra.rppg.evaluation import cases, evaluate
from schemas.errors import RecordingError
from tests.portrait.renderer import waveform


def put(folder: Path) -> None:
    """Lay out a truth with its video, one without, a crop with its table, a wave and a stranger."""
    for name, amp in (("still", 0.006), ("gone", 0.006), ("nopulse", 0.0)):
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "hr": 66.7, "rmssd": 22.6, "amp": amp}))
    for name in ("still.avi", "nopulse.avi", "India_video10_forehead.avi", "stranger.avi"):
        (folder / name).write_bytes(b"")
    (folder / "India_GT.csv").write_text("\ufeffSubject ,Heart_Rate(BPM) \nvideo1,85.4\nvideo10,80.6\n")
    pulse, fps, rate = waveform("sample_video_3")
    wave = {
        "fps": fps,
        "waveforms": {"ppg_waveform": {"data": pulse.tolist()}},
        "vitals": {"heart_rate": {"value": rate}, "hrv_rmssd": {"value": 78.97}, "respiratory_rate": {"value": 4.0}},
    }
    (folder / "wave.json").write_text(json.dumps(wave))


def test_every_file_with_a_truth_is_a_case(tmp_path: Path) -> None:
    """Clips, one without a pulse, a crop whose person the table names, a wave; a video without a truth is none."""
    put(tmp_path)
    found = {case.name: case for case in cases([tmp_path])}
    assert {name: case.kind for name, case in found.items()} == {
        "still": "clip",
        "gone": "clip",
        "nopulse": "no_pulse",
        "India_video10_forehead": "abstain",
        "wave": "wave",
    }
    assert found["India_video10_forehead"].heart_rate_bpm == 80.6
    assert found["nopulse"].heart_rate_bpm is None
    assert found["gone"].absent
    assert not found["still"].absent


def test_a_truth_in_two_folders_is_taken_where_its_video_is(tmp_path: Path) -> None:
    """Whichever folder is named first."""
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    put(tmp_path / "with")
    (tmp_path / "without" / "still.json").write_text(json.dumps({"hr": 66.7, "rmssd": 22.6, "amp": 0.006}))
    for folders in (["with", "without"], ["without", "with"]):
        found = {case.name: case for case in cases([tmp_path / one for one in folders])}
        assert not found["still"].absent


def test_a_folder_without_a_truth_is_refused(tmp_path: Path) -> None:
    """There is nothing to measure, and that is said."""
    with pytest.raises(RecordingError, match="holds no video"):
        cases([tmp_path])


def test_a_report_counts_errors_and_windows(tmp_path: Path) -> None:
    """A wave is told near its truth; files that cannot be read are rows that say so, and count nowhere."""
    put(tmp_path)
    steps: list[tuple[int, int]] = []
    report = evaluate(cases([tmp_path]), lambda done, total: steps.append((done, total)))
    rows = {row["name"]: row for row in report["rows"]}
    assert abs(rows["wave"]["error_bpm"]) < 2
    assert rows["wave"]["reported"] / rows["wave"]["windows"] == pytest.approx(rows["wave"]["coverage"], abs=0.05)
    assert (rows["wave"]["respiratory_truth"], rows["wave"]["respiratory_rate"]) == (4.0, None)
    assert (rows["wave"]["respiratory_reason"], rows["wave"]["respiratory_error"]) == ("unclear", None)
    assert any("| unclear / 4.0 |" in line for line in page.table(report))
    assert rows["still"]["absent"].startswith("empty")
    assert report["totals"]["wave"]["files"] == 1
    assert report["totals"]["clip"] == {
        "files": 0,
        "with_a_heart_rate": 0,
        "windows": 0,
        "reported": 0,
        "reported_share": None,
        "mean_error_bpm": None,
        "largest_error_bpm": None,
    }
    assert steps[-1] == (5, 5)
    assert json.dumps(report, allow_nan=False)
    assert any("wave" in line and "recorded wave" in line for line in page.table(report))


def test_lines_are_put_between_the_markers_of_a_page(tmp_path: Path) -> None:
    """What stands before and after stays; twice written is once written; a page without markers is refused."""
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- a -->\nold\n<!-- b -->\nafter\n")
    for _ in range(2):
        page.between(path, ["new"], begin="<!-- a -->", end="<!-- b -->")
    assert path.read_text() == "before\n<!-- a -->\nnew\n<!-- b -->\nafter\n"
    with pytest.raises(RecordingError, match="has no lines"):
        page.between(path, ["new"], begin="<!-- other -->", end="<!-- c -->")


def test_waves_are_what_they_were() -> None:
    """The fixture's pulse is z-scored and 21 s long."""
    pulse, fps, _ = waveform("sample_video_2")
    assert (len(pulse) / fps, float(np.std(pulse))) == pytest.approx((21, 1), rel=0.01)
