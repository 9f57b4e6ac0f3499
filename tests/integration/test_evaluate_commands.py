"""The command that evaluates."""

import json
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import infra.models.runs
from inference.pulsenet.evaluation import runs
from inference.pulsenet.evaluation.campaign import QUICK, Plan, report, run, tasks
from inference.pulsenet.evaluation.detectors.variants import MAIN
from inference.pulsenet.evaluation.labelled import icu
from inference.pulsenet.evaluation.origin import PROTOCOL
from infra.models import evaluate_run
from infra.models.evaluate_commands import evaluate
from infra.models.own_rivals import FirstDetector, own_rivals
from schemas.errors import RecordingError
from tests.failing_rows import FAILS, fail_or_wait
from tests.unit.inference.pulsenet.evaluation.made import recording, restless, walker


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log in the place of that beside the shipped weights, which no test may add to."""
    monkeypatch.setattr(infra.models.runs, "SHIPPED_LOG", tmp_path / "shipped.jsonl")
    return tmp_path / "shipped.jsonl"


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


def test_rows_are_added_to_a_report_of_the_same_study(minutes: Path, tmp_path: Path, log: Path) -> None:
    """Those made before stay as they are, with what made them; a report of other places is refused before the work."""
    first, both = tmp_path / "first.json", tmp_path / "both.json"
    asked = ["--fitbit", str(minutes), "--quick", "--processes", "1", "--users", "2"]
    one = [*asked, "--json", str(first), "--only", "threshold at rest"]
    two = [*asked, "--json", str(both), "--only", "personal z", "--add-to", str(first)]
    for arguments in (one, two):
        assert CliRunner().invoke(evaluate, ["pulsenet", *arguments]).exit_code == 0
    before, after = json.loads(first.read_text()), json.loads(both.read_text())
    assert list(after["detectors"]) == ["threshold at rest", "personal z"]
    assert after["detectors"]["threshold at rest"] == before["detectors"]["threshold at rest"]
    made = before["detectors"]["threshold at rest"]["made"]
    assert made == {"protocol": PROTOCOL, "commit": infra.models.runs.commit(), "weights": {}}
    three = [*asked, "--json", str(tmp_path / "three.json"), "--only", "fixed clinical rule"]
    three += ["--add-to", str(first), "--add-to", str(both)]
    assert CliRunner().invoke(evaluate, ["pulsenet", *three]).exit_code == 0
    told = json.loads((tmp_path / "three.json").read_text())
    assert list(told["detectors"]) == ["fixed clinical rule", "threshold at rest", "personal z"]
    assert [one["rows"] for one in runs.read(log)] == [1, 1, 1], "every run is in the log, also one that adds to others"
    for other, why in ((["--seed", "2"], "'seed'"), (["--users", "1"], "'wearers'")):
        result = CliRunner().invoke(evaluate, ["pulsenet", *two, *other])
        assert isinstance(result.exception, RecordingError)
        assert why in str(result.exception)
        assert "without --add-to" in str(result.exception)
    assert len(runs.read(log)) == 3, "what is refused has looked at nobody"


def test_a_run_of_no_row_joins_reports_and_looks_at_nobody(minutes: Path, tmp_path: Path, log: Path) -> None:
    """A task that asks nobody makes their page: it is no run of the log, and the figures are theirs."""
    asked = ["pulsenet", "--fitbit", str(minutes), "--quick", "--processes", "1", "--users", "2"]
    reports = [tmp_path / name for name in ("one.json", "two.json")]
    for path, row in zip(reports, ("threshold at rest", "personal z"), strict=True):
        assert CliRunner().invoke(evaluate, [*asked, "--json", str(path), "--only", row]).exit_code == 0
    both, page = tmp_path / "both.json", tmp_path / "page.md"
    join = [*asked, "--json", str(both), "--only", "blind", "--page", str(page)]
    join += [word for path in reports for word in ("--add-to", str(path))]
    assert CliRunner().invoke(evaluate, join).exit_code == 0
    assert list(json.loads(both.read_text())["detectors"]) == ["threshold at rest", "personal z"]
    assert len(runs.read(log)) == 2
    assert page.read_text().count(f"| {runs.read(log)[0]['at'].removesuffix('+00:00')} |") >= 1


def test_a_log_of_one_s_own_is_kept_beside_the_shipped_one(minutes: Path, tmp_path: Path, log: Path) -> None:
    """Both get the line, the page tells of it once, and a second look with the same weights is warned of."""
    own, page, told = tmp_path / "own.jsonl", tmp_path / "page.md", tmp_path / "report.json"
    asked = ["pulsenet", "--fitbit", str(minutes), "--quick", "--processes", "1", "--users", "2", "--only",
             "threshold at rest", "--runs", str(own), "--json", str(told)]  # fmt: skip
    first = CliRunner().invoke(evaluate, [*asked, "--page", str(page)])
    assert first.exit_code == 0, first.output
    assert "have looked at these wearers" not in first.output
    assert runs.read(own) == runs.read(log)
    (run,) = runs.read(own)
    assert page.read_text().count(f"| {run['at'].removesuffix('+00:00')} | {run['commit'] or '-'} |") == 1
    again = CliRunner().invoke(evaluate, asked)
    assert f"1 run(s) have looked at these wearers with these weights before, the last at {run['at']}" in again.output
    assert len(runs.read(own)) == len(runs.read(log)) == 2


def test_where_no_log_can_be_written_nobody_held_out_is_looked_at(
    minutes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused with the next step; with a log of one's own it runs, and says that the shipped one lacks it."""
    monkeypatch.setattr(infra.models.runs, "SHIPPED_LOG", tmp_path / "nowhere" / "runs.jsonl")
    asked = ["pulsenet", "--fitbit", str(minutes), "--quick", "--processes", "1", "--users", "2", "--only",
             "threshold at rest"]  # fmt: skip
    result = CliRunner().invoke(evaluate, asked)
    assert isinstance(result.exception, RecordingError)
    assert "name a log of your own: --runs FILE" in str(result.exception)
    result = CliRunner().invoke(evaluate, [*asked, "--runs", str(tmp_path / "own.jsonl")])
    assert result.exit_code == 0, result.output
    assert "is noted in" in result.output
    assert len(runs.read(tmp_path / "own.jsonl")) == 1


def test_labels_are_read_before_the_work(minutes: Path, tmp_path: Path, log: Path) -> None:
    """Folders and a header that are none are named at once, and no run is noted."""
    (tmp_path / "x.hea").write_text("x")
    asked = ["pulsenet", "--fitbit", str(minutes), "--quick", "--processes", "1"]
    for option, path in (("--welltory", tmp_path / "none"), ("--false-alarm", tmp_path / "x.hea")):
        result = CliRunner().invoke(evaluate, [*asked, option, str(path)])
        assert isinstance(result.exception, RecordingError)
        assert str(path) in str(result.exception)
    assert not log.exists()


def test_a_look_at_labels_alone_is_a_run_of_the_log(
    minutes: Path, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the model's, and under the names of those with labels."""
    (tmp_path / "a1.hea").touch()
    monkeypatch.setattr(icu, "beats", lambda _header: None)
    monkeypatch.setattr(icu, "told", lambda _engine, _header: {"data": "real", "no_estimate": "no estimate"})
    asked = ["--fitbit", str(minutes), "--quick", "--processes", "1", "--false-alarm", str(tmp_path / "a1.hea")]
    result = CliRunner().invoke(evaluate, ["pulsenet", *asked, "--only", "labelled"])
    assert result.exit_code == 0, result.output
    assert [(one["model"], one["wearers"], one["rows"]) for one in runs.read(log)] == [(MAIN.name, ["a1"], 1)]


def test_the_first_error_ends_the_other_rows(minutes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one row fails, the error is told at once: the processes of the others are ended, and no row is made."""
    others = set(active_children())
    monkeypatch.setattr(evaluate_run, "make_row", fail_or_wait)
    rows = [FAILS, "personal z", "EWMA .2", "ridge residual"]
    result = CliRunner().invoke(
        evaluate, ["pulsenet", "--fitbit", str(minutes), "--quick", "--processes", "2", "--only", ";".join(rows)]
    )
    assert "this row cannot be made" in str(result.exception)
    assert list(minutes.parent.glob("*.begun"))
    assert set(active_children()) <= others
    assert not list(minutes.parent.glob("*.made"))


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
