"""The page and the pictures of a report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.pulsenet.evaluation import plots
from inference.pulsenet.evaluation.example import Example
from inference.pulsenet.evaluation.page import RUNS, written


def _rates(alarms: int) -> dict[str, Any]:
    wearers = {"one": {"data": "real", "promised": 0.1, "alarms": alarms, "wearer_days": 20}}
    return {
        rate: {
            "data": "real",
            "promised": float(rate),
            "alarms": alarms,
            "wearer_days": 20,
            "realised": alarms / 20,
            "ratio_ci95": [0.1, 2.0],
            "wearers": wearers,
        }
        for rate in ("1", "0.1", "0.01")
    }


def _row(recall: float) -> dict[str, Any]:
    scenario = {
        "data": "semi",
        "events": 30,
        "recall": {"1": 1.0, "0.1": recall, "0.01": 0.1},
        "ci95": {"0.1": [recall - 0.1, recall + 0.1]},
        "delay_min": 6.0,
        "by_wearer": {"one": recall},
        "recall_by_rule": {"shr": recall - 0.2, "own": recall},
    }
    return {
        "data": "semi",
        "reads": "everything",
        "thresholds": "own",
        "auc_pr": 0.7,
        "vus_pr": 0.6,
        "scenarios": {"rest_+40bpm_20min": scenario, "rest_+25bpm_30min": scenario},
        "rules": {"shr": _rates(4), "own": _rates(2)},
        "us_per_step": 1.5,
    }


_MISSED = {"person": 4, "local_time": "16:38", "minutes": 20, "at_rest": 6, "longest_at_rest": 5,
           "measured_at_rest": 6, "nearest": 0.46, "channel": "heart_rate.low, 10 min"}  # fmt: skip


@pytest.fixture
def report() -> dict[str, Any]:
    """A report of one model, one ablation and one detector that could not run."""
    return {
        "detectors": {
            "model": _row(0.83),
            "level off": _row(0.51),
            "half-space trees": {"data": "semi", "absent": "river is not installed"},
        },
        "rate": {"data": "real", "promised": 0.1, "alarms": 2, "wearer_days": 20, "realised": 0.1,
                 "ratio_ci95": [0.12, 3.6]},
        "decoys": {"exercise": 0},
        "faults": {"model": {"exercise": {"data": "simulated", "must_alarm": False, "events": 9, "found": 0,
                                          "alerts": 0, "untouched": 0, "missed": []},
                             "bradycardia": {"data": "simulated", "must_alarm": True, "events": 2, "found": 1,
                                             "alerts": 1, "untouched": 0, "missed": [_MISSED]}}},
        "untouched": {"model": {"0.1": {"data": "simulated", "promised": 0.1, "alarms": 3, "wearer_days": 40,
                                        "realised": 0.075, "ratio_ci95": [0.15, 2.19]}}},
        "us_per_step": 1.5,
        "model": "model",
        "seed": 3,
        "quick": False,
        "date": "2026-11-21",
        "wearers": {"one": {"data": "real", "test_days": 20}},
        "paired": {"rest_+40bpm_20min": {"ridge": {"data": "semi", "recall_difference": 0.02, "ci95": [-0.01, 0.05]}}},
    }  # fmt: skip


def test_the_page_holds_the_report_s_figures(report: dict[str, Any]) -> None:
    """Recall with interval and bar, alarms over days, both tiers, what is absent and why, and the decoys."""
    page = written(report)
    assert "| rest_+40bpm_20min | 0.83 [0.73, 0.93] | 0.88 (0.92) | 6 | 30 | one 0.83 |" in page
    assert "2 in 20 wearer-days" in page
    assert "river is not installed" in page
    assert "| tier 1, told to the wearer | 0.1 | 2 | 20 | 0.10 to 2.00 | one 2/20 | judged |" in page
    assert "| tier 2, told to a carer | 0.01 | 2 | 20 | 0.10 to 2.00 | one 2/20 | shown only: " in page
    assert "| exercise | model | must not | 9 | - | 0 | 0 |" in page
    assert "| bradycardia | 4, 16:38 | 6 of 20 | 5 | 6 | 0.46 (heart_rate.low, 10 min) |" in page
    assert "| model | 0.1 | 3 | 40 | 0.15 to 2.19 |" in page
    assert "| level off | 0.51 | 0.51 | 2/20 | 0.70 | 0.31/0.31 | 4/20 |" in page
    assert "| ridge | +0.020 (-0.010 to +0.050) |" in page
    assert "| level off | everything |" in page
    assert "![" not in page


def test_the_log_of_runs_grows_and_knows_a_run_again(report: dict[str, Any]) -> None:
    """A second page from the same report has one line, one from another day two."""
    first = written(report)
    again = written(report, before=first)
    later = written(report | {"date": "2026-11-22"}, before=again)
    assert again == first
    runs = [line for line in later.partition(RUNS)[2].splitlines() if line.startswith("| 2")]
    assert [line.split(" | ")[0] for line in runs] == ["| 2026-11-21", "| 2026-11-22"]


def test_pictures_are_drawn_from_a_report_alone(report: dict[str, Any], tmp_path: Path) -> None:
    """The page shows all three, white and without a date; the same report draws the same bytes."""
    rows = np.random.default_rng(1).normal(70.0, 3.0, (60, 7))
    rows[30, 5] = np.nan
    whole = json.loads(json.dumps(report | {"example": Example(onset=20, end=40, rows=rows).told()}))
    for folder in ("first", "again"):
        plots.draw(whole, tmp_path / folder)
    page = written(whole, pictures="../images")
    for name in (plots.SURFACE, plots.RELIABILITY, plots.EPISODE):
        drawn = (tmp_path / "first" / name).read_bytes()
        assert b"<svg" in drawn
        assert b"fill: #ffffff" in drawn
        assert b"<dc:date>" not in drawn
        assert (tmp_path / "again" / name).read_bytes() == drawn
        assert f"](../images/{name})" in page


def test_nothing_is_drawn_of_what_was_not_evaluated(report: dict[str, Any], tmp_path: Path) -> None:
    """A report of rivals alone has no surface and no episode, on the page neither."""
    rivals = report | {"model": "another"}
    plots.draw(rivals, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [plots.RELIABILITY]
    page = written(rivals, pictures="images")
    assert plots.SURFACE not in page
    assert "| 2026-11-21 | rivals alone | 3 | one | 3 |" in page
