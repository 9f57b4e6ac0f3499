"""The command that evaluates."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from inference.pulsenet.evaluation.campaign import QUICK, Plan, report, run, tasks
from inference.pulsenet.evaluation.detectors.variants import OTHER
from inference.pulsenet.weights.loading import NAMES, SHIPPED
from infra.models.evaluate_commands import evaluate
from infra.models.own_rivals import FirstDetector, own_rivals
from schemas.errors import RecordingError
from tests.unit.inference.pulsenet.evaluation.made import recording, restless, walker


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two people's ten days."""
    path = tmp_path_factory.mktemp("fitbit") / "minutes.csv"
    day = np.datetime64("2026-04-01T00:00")
    with path.open("w") as out:
        out.write("user,time,hr,steps\n")
        for who in (1, 2):
            steps, rates = walker(10, seed=who), restless(10, seed=who)
            for minute, (step, rate) in enumerate(zip(steps, rates, strict=True)):
                when = str(day + np.timedelta64(minute, "m")).replace("T", " ")
                out.write(f"{who},{when}:00,{rate:.1f},{step:.0f}\n")
    return path


def test_a_report_has_the_promised_keys(minutes: Path, tmp_path: Path) -> None:
    """Detectors with their figures and the kind of data, the rate, the decoys and the microseconds."""
    out = tmp_path / "report.json"
    asked = ["--fitbit", str(minutes), "--json", str(out), "--only", "threshold at rest", "--quick",
             "--processes", "1", "--users", "2"]  # fmt: skip
    result = CliRunner().invoke(evaluate, ["pulsenet", *asked])
    assert result.exit_code == 0, result.output
    told = json.loads(out.read_text())
    assert {"detectors", "rate", "decoys", "us_per_step"} <= set(told)
    assert list(told["wearers"]) == ["2"]
    scenario = told["detectors"]["threshold at rest"]["scenarios"]["rest_+40bpm_20min"]
    assert set(scenario["recall"]) == {"1", "0.1", "0.01"}
    assert len(scenario["ci95"]["0.1"]) == 2
    assert scenario["data"] == "semi"
    assert {"delay_min", "realised_rate"} <= set(scenario)
    assert {"auc_pr", "vus_pr"} <= set(told["detectors"]["threshold at rest"])


def test_rows_are_added_to_a_report_of_the_same_study(minutes: Path, tmp_path: Path) -> None:
    """Those made before stay as they are; a report of other places is refused with the next step."""
    first, both = tmp_path / "first.json", tmp_path / "both.json"
    asked = ["--fitbit", str(minutes), "--quick", "--processes", "1", "--users", "2"]
    one = [*asked, "--json", str(first), "--only", "threshold at rest"]
    two = [*asked, "--json", str(both), "--only", "personal z", "--add-to", str(first)]
    for arguments in (one, two):
        assert CliRunner().invoke(evaluate, ["pulsenet", *arguments]).exit_code == 0
    before, after = json.loads(first.read_text()), json.loads(both.read_text())
    assert list(after["detectors"]) == ["threshold at rest", "personal z"]
    assert after["detectors"]["threshold at rest"] == before["detectors"]["threshold at rest"]
    result = CliRunner().invoke(evaluate, ["pulsenet", *two, "--seed", "2"])
    assert isinstance(result.exception, RecordingError)
    assert "without --add-to" in str(result.exception)
    parts = {"level off": before["detectors"]["threshold at rest"]}
    first.write_text(json.dumps(before | {"model": NAMES[OTHER], "detectors": before["detectors"] | parts}))
    assert CliRunner().invoke(evaluate, ["pulsenet", *two]).exit_code == 0
    told = json.loads(both.read_text())
    assert told["model"] == NAMES[SHIPPED], "the parts of another model than this one's bear its name"
    assert list(told["detectors"]) == ["threshold at rest", "personal z", f"{NAMES[OTHER]}, level off"]


def test_the_first_detector_is_a_row_like_any_other(minutes: Path) -> None:
    """The command knows it, and sixty beats too many raise its score, from then on."""
    plan = Plan(fitbit=minutes, only=(FirstDetector.name,), size=QUICK, users=("1",))
    names, absent = tasks(plan, own_rivals())
    assert (names, absent) == ([FirstDetector.name], {})
    rate = restless(1, seed=1)[:300]
    wearer, struck = recording(rate), recording(rate)
    struck.values[240:270, 0] += 60.0
    clean, raised = FirstDetector().scores([wearer, struck])
    assert np.array_equal(clean.high[:240], raised.high[:240], equal_nan=True)
    assert np.nanmax(raised.high[240:270]) > 3 * np.nanmax(clean.high[240:270])


def test_what_is_not_there_is_said(minutes: Path) -> None:
    """An unknown detector, an unknown wearer and a missing report are named in one sentence."""
    with pytest.raises(RecordingError, match="no detector 'crystal ball'"):
        tasks(Plan(fitbit=minutes, only=("crystal ball",)))
    with pytest.raises(RecordingError, match="has no wearer 9"):
        run("threshold at rest", Plan(fitbit=minutes, users=("9",), size=QUICK))
    result = CliRunner().invoke(evaluate, ["pulsenet"])
    assert isinstance(result.exception, RecordingError)


def test_a_recording_of_a_week_cannot_be_judged(minutes: Path, tmp_path: Path) -> None:
    """It says that there are too few days, instead of figures."""
    short = tmp_path / "week.csv"
    lines = minutes.read_text().splitlines(keepends=True)
    short.write_text("".join(lines[: 6 * 1440]))
    with pytest.raises(RecordingError, match="more than seven worn days"):
        run("threshold at rest", Plan(fitbit=short, size=QUICK))


def test_a_file_that_is_no_report_is_said(tmp_path: Path) -> None:
    """A JSON file of something else, or of nothing, is refused before a page or a picture is begun."""
    for text in ("{}", "[1]", "{"):
        other = tmp_path / "other.json"
        other.write_text(text)
        result = CliRunner().invoke(evaluate, ["pulsenet", "--json", str(other), "--page", str(tmp_path / "page.md")])
        assert isinstance(result.exception, RecordingError)
        assert "holds no report" in str(result.exception)
    assert not (tmp_path / "page.md").exists()


def test_a_report_without_the_model_says_so(minutes: Path) -> None:
    """No rate is told where the model was not asked."""
    plan = Plan(fitbit=minutes, size=QUICK, users=("1",), only=("threshold at rest",))
    told = report(plan, [run("threshold at rest", plan)], {})
    assert told["rate"]["alarms"] is None
    assert told["us_per_step"] is None
    assert told["paired"] == {}


def test_a_report_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    """A missing report, and a folder in its place, are told with the next step."""
    for path, words in ((tmp_path / "none.json", "make one with --fitbit"), (tmp_path, "report.json")):
        result = CliRunner().invoke(evaluate, ["pulsenet", "--json", str(path)])
        assert result.exit_code
        assert words in str(result.exception)
