"""What an evaluation is given."""

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.models.evaluate_commands import evaluate
from infra.models.evaluate_inputs import check
from schemas.errors import RecordingError, SetupError

_NEXT = "name a CSV of minutes with the columns user, time, hr, steps"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("folder", "is a folder"),
        ("absent.csv", "There is no file"),
        ("empty.csv", "is empty"),
        ("other.csv", "has no column hr and no column steps in its first line"),
        ("other.csv.gz", "has no column hr"),
    ],
)
def test_a_recording_of_another_kind_is_named_with_the_next_step(tmp_path: Path, name: str, what: str) -> None:
    """A folder, nothing, an empty file, another head: one sentence that says what to give instead."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "other.csv").write_text("user,time,pulse\n1,2016-04-12 00:00:00,60\n")
    (tmp_path / "other.csv.gz").write_bytes(gzip.compress(b"user,time,steps\n"))
    result = CliRunner().invoke(evaluate, ["pulsenet", "--fitbit", str(tmp_path / name)])
    said = str(result.exception)
    assert isinstance(result.exception, RecordingError)
    assert what in said
    assert _NEXT in said
    assert said.count(". ") == 0


def test_what_else_cannot_be_meant_is_found_before_the_work(tmp_path: Path) -> None:
    """A folder of Stress-Predict that is none; a report, a page or a log into a folder that is not there."""
    minutes = tmp_path / "minutes.csv"
    minutes.write_text("user,time,hr,steps,intensity\n")
    check(fitbit=minutes, stress_predict=tmp_path)
    for folder, what in ((minutes, "is a file"), (tmp_path / "nowhere", "is not there")):
        with pytest.raises(RecordingError, match=f"{what}; name the folder"):
            check(fitbit=minutes, stress_predict=folder)
    for option in ("--json", "--page", "--runs"):
        for path in (tmp_path, tmp_path / "nowhere" / "report.json"):
            result = CliRunner().invoke(evaluate, ["pulsenet", "--fitbit", str(minutes), option, str(path)])
            assert isinstance(result.exception, SetupError)
            assert str(result.exception).startswith(f"{path} cannot be written")


@pytest.mark.parametrize(
    ("name", "what"),
    [("", "holds no report"), ("absent.json", "There is no report"), ("other.json", "of this release")],
)
def test_a_report_that_is_none_is_named_with_the_next_step(tmp_path: Path, name: str, what: str) -> None:
    """A folder, nothing, another JSON: one sentence that says how to make one."""
    (tmp_path / "other.json").write_text("{}")
    result = CliRunner().invoke(evaluate, ["pulsenet", "--json", str(tmp_path / name)])
    assert isinstance(result.exception, RecordingError)
    assert what in str(result.exception)
    assert "make one with --fitbit FILE --json" in str(result.exception)
