"""`pulsera evaluate pulsenet --shadow`: a network of the earlier system in the same table."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import infra.models.runs
from inference.pulsenet.earlier.evaluated import NAME
from inference.pulsenet.earlier.network import EarlierNetwork, Inference
from inference.pulsenet.earlier.shapes import TENSORS
from inference.pulsenet.evaluation.page import written
from inference.slots import Floats
from infra.models.evaluate_commands import evaluate
from schemas.errors import SetupError
from tests.unit.inference.pulsenet.evaluation.made import walker


def test_it_is_a_row_and_its_cases_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row has the promised keys, the report what it says where a vital is missing."""

    def infer(_self: EarlierNetwork, windows: Floats) -> Inference:
        steps = np.clip((windows[:, :, 0] - 60.0) / 100.0, 0.0, 1.0)
        return Inference(steps.mean(axis=1), steps, windows, steps.mean(axis=1))

    monkeypatch.setattr(EarlierNetwork, "infer", infer)
    EarlierNetwork({name: np.zeros(shape, dtype=np.float32) for name, shape in TENSORS.items()}).write(
        tmp_path / "made.npz"
    )
    with (tmp_path / "minutes.csv").open("w") as out:
        out.write("user,time,hr,steps\n")
        steps, day = walker(10, seed=1), np.datetime64("2026-04-01T00:00")
        noise = np.random.default_rng(1).normal(65.0, 4.0, len(steps))
        for minute, (step, rate) in enumerate(zip(steps, noise, strict=True)):
            when = str(day + np.timedelta64(minute, "m")).replace("T", " ")
            out.write(f"1,{when}:00,{rate + 30.0 * (step > 0):.0f},{step:.0f}\n")
    asked = ["--fitbit", str(tmp_path / "minutes.csv"), "--json", str(tmp_path / "report.json"), "--only", NAME,
             "--quick", "--processes", "1", "--shadow", str(tmp_path / "made.npz")]  # fmt: skip
    monkeypatch.setattr(infra.models.runs, "SHIPPED_LOG", tmp_path / "runs.jsonl")
    answer = CliRunner().invoke(evaluate, ["pulsenet", *asked])
    assert answer.exit_code == 0, answer.output
    told = json.loads((tmp_path / "report.json").read_text())
    row = told["detectors"][NAME]
    assert set(row["scenarios"]["rest_+40bpm_20min"]["recall"]) == {"1", "0.1", "0.01"}
    assert told["earlier"]["heart rate 72, HRV missing, told as 0"].keys() >= {"mean", "elevated", "critical"}
    assert "earlier network, at rest: mean 0." in answer.output
    page = written(told)
    assert "## The earlier network, case by case" in page
    assert "| at rest | 0." in page
    more = [*asked[:5], "blind", *asked[6:-2], "--add-to", str(tmp_path / "report.json")]
    more[3] = str(tmp_path / "more.json")
    answer = CliRunner().invoke(evaluate, ["pulsenet", *more])
    assert answer.exit_code == 0, answer.output
    later = json.loads((tmp_path / "more.json").read_text())
    assert later["earlier"] == told["earlier"], "its cases stay with its row"
    assert later["made"]["earlier"] == told["made"]["earlier"]
    assert later["detectors"][NAME] == row


def test_what_is_no_earlier_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of another kind is named, with where to look."""
    monkeypatch.setenv("PULSERA_MODELS_DIR", str(tmp_path))
    (tmp_path / "minutes.csv").write_text("user,time,hr,steps\n")
    asked = ["pulsenet", "--fitbit", str(tmp_path / "minutes.csv"), "--shadow", "ridge"]
    answer = CliRunner().invoke(evaluate, asked)
    assert isinstance(answer.exception, SetupError)
    assert "no network of the earlier system" in str(answer.exception)
