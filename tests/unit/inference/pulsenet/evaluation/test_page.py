"""The page and the pictures of a report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.pulsenet.earlier.evaluated import NAME as EARLIER_ROW
from inference.pulsenet.evaluation import plots
from inference.pulsenet.evaluation.example import Example
from inference.pulsenet.evaluation.page import written
from inference.pulsenet.evaluation.page_log import RUNS
from inference.pulsenet.weights.loading import DECIDED_ON, DEVELOPED_ON, NAMES

pytestmark = pytest.mark.story


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
    assert "| rest_+40bpm_20min | 0.83 [0.73, 0.93] | 0.88 (0.92), not reached | 6 | 30 | one 0.83 |" in page
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


def test_every_run_is_a_line_of_the_page_also_one_like_another(report: dict[str, Any]) -> None:
    """Of the log, whatever a report says: equal lines stay, what nobody noted is a dash, a note stands with its run."""
    run = {"at": "2026-11-22T06:00:01+00:00", "commit": "abc1234", "model": "model", "weights": "8f2b76761f5e",
           "data": "c751233bfbe1", "seed": 3, "wearers": ["one", "two"], "rows": 2, "quick": False}  # fmt: skip
    early = run | {"at": "2026-11-21", "commit": None, "weights": None, "data": None, "quick": True, "note": "by hand"}
    page = written(report | {"runs": [run] * 9}, runs=[early, run, run])
    lines = [line for line in page.partition(RUNS)[2].splitlines() if line.startswith("| 2")]
    assert lines[0] == "| 2026-11-21 | - | model (quick) | - | - | 3 | one two | 2 | by hand |"
    assert lines[1] == "| 2026-11-22T06:00:01 | abc1234 | model | 8f2b76761f5e | c751233bfbe1 | 3 | one two | 2 |  |"
    assert lines[1] == lines[2]
    assert len(lines) == 3
    assert "| 8f2b76761f5e | c751233bfbe1 | 2 | model 2 |" in page, "so often one release looked at these data"
    assert "| not noted | not noted | 1 | model 1 |" in page


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


def test_figures_without_whom_it_was_developed_on_stand_beside_the_pooled_ones(report: dict[str, Any]) -> None:
    """They follow the weights' own list: of recall, of alarms, of the difference to another detector, and by name."""
    row = _row(0.83)
    never = {"events": 12, "recall": {"1": 1.0, "0.1": 0.75, "0.01": 0.0}, "ci95": {"0.1": [0.5, 0.9]},
             "delay_min": 7.0}  # fmt: skip
    rate = {"data": "real", "promised": 0.1, "alarms": 1, "wearer_days": 8, "realised": 0.125, "ratio_ci95": [0.0, 7.0]}
    for scenario in row["scenarios"].values():
        scenario["unseen"] = never
    row["rules"]["own"]["0.1"]["unseen"] = rate
    report["detectors"]["model"] = row
    report["rate"]["unseen"] = rate
    report["paired"]["rest_+40bpm_20min"]["ridge"]["unseen"] = {"recall_difference": 0.1, "ci95": [0.0, 0.2]}
    wearers = {"wearers": {"one": {"test_days": 12}, "two": {"test_days": 8}}}
    page = written(report | wearers | {"developed_on": ["one"]})
    assert "| rest_+40bpm_20min, without one | 0.75 [0.50, 0.90] | 0.88 (0.92), not reached | 7 | 12 |  |" in page
    assert "Without one, on whom windows were chosen: 1 in 8 wearer-days, 0.125 a wearer-day" in page
    assert "never seen" not in page
    assert "| model | 0.75 [0.50, 0.90] | 0.75 [0.50, 0.90] | 7/7 | 1/8 | 0.00 to 7.00 |" in page
    assert "| ridge | +0.100 (+0.000 to +0.200) |" in page
    assert "Of one windows and gates were chosen" in page
    assert "one windows and gates" not in written(report | wearers)


def test_what_has_no_estimate_is_no_number(report: dict[str, Any]) -> None:
    """A rate without a threshold is said to have none, and one with its rivals' threshold is marked."""
    row = _row(0.83) | {"borrowed": ["1"]}
    row["scenarios"]["rest_+25bpm_30min"] = row["scenarios"]["rest_+25bpm_30min"] | {
        "recall": {"1": None, "0.1": 0.5, "0.01": 0.1}
    }
    report["detectors"]["model"] = row
    page = written(report)
    assert "| 1.00*/0.83/0.10 | no estimate/0.50/0.10 |" in page, "nothing is marked where nothing stands"


def test_the_page_says_whose_days_set_which_thresholds_and_what_training_took(report: dict[str, Any]) -> None:
    """Both come from the report, which has them from the weights."""
    cost = {"wall_s": 600.0, "cpu_s": 300.0, "cores": 2, "machine": "an engine", "libraries": {"torch": "2.1"}}
    trained = {"trained": "2026-11-22", "seed": 5, "people": 240, "last_update": 600, "best_update": 300}
    told: dict[str, Any] = {
        "thresholds_from": {"rivals": "people A", "model": "people B"},
        "trained": {"trained": trained, "cost": cost},
    }
    page = " ".join(written(report | told).split())
    assert "That of the rivals: people A; half of it" in page
    assert "for 0.1 and 0.01, of people B, with" in page
    assert "10.0 min on the clock, 5.0 min of processor time, on 2 cores of an engine" in page
    assert "The bound is 30 min on two cores." in page
    told["trained"] = {"trained": trained, "cost": cost | {"wall_s": 1_860.0, "thresholds_since": "2026-11-23"}}
    page = " ".join(written(report | told).split())
    assert "on two cores, which the clock passed. Thresholds and card were made anew on 2026-11-23" in page


def test_labels_of_real_people_are_told_with_what_has_no_estimate(report: dict[str, Any]) -> None:
    """Stress with its minutes, onsets with an exact interval or why not, a false alarm by what it was about."""
    during = {"minutes": 90, "judged_min": 60, "heart_rate_bpm": 75.2, "alerts": 0, "alerts_an_hour_ci95": [0.0, 3.7],
              "minutes_beyond": 0}  # fmt: skip
    said = {"data": "real", "minutes": 6, "judged_min": 0, "slow_heart": 0, "others": {"heart_rate.high": 1}}
    labelled = {
        "stress": {"data": "real", "people": ["S21"], "during": {"stress task": during}},
        "onsets": {"data": "real", "model": "no estimate, because", "people": 9, "with_onset": 7, "usable": 2,
                   "found": 1, "found_ci95": [0.01, 0.99], "elsewhere": 3, "elsewhere_days": 30, "by_chance": 0.4,
                   "elsewhere_a_day_ci95": [0.02, 0.29]},
        "false_alarm": {"record": "a1", "remarks": ["False alarm"], "lead": "II", "beats": 600, "longest_pause_s": 0.8,
                        "heart_rate_bpm": [125.0, 128.0], "as_it_is": said, "for_an_hour": said | {"data": "semi"}},
    }  # fmt: skip
    page = written(report | {"labelled": labelled})
    assert "| stress task | 90 | 60 | 75.2 | 0 | 0 | 0.00 to 3.70 |" in page
    assert "Over and over, 0.01 bpm are added minute by minute" in page
    assert "1 of 2 (exact 95 %: 0.01 to 0.99)" in page
    assert "| over and over for an hour (semi) | 6 | 0 | 0 | heart_rate.high 1 |" in page
    during |= {"judged_min": 0, "heart_rate_bpm": None, "alerts_an_hour_ci95": None}
    assert "| stress task | 90 | 0 | - | 0 | 0 | no estimate |" in written(report | {"labelled": labelled})
    nothing = {"data": "real", "no_estimate": "no estimate, because the recordings were not given"}
    page = written(report | {"labelled": dict.fromkeys(("stress", "onsets", "false_alarm"), nothing)})
    assert page.count("No estimate, because the recordings were not given.") == 3


def test_the_page_tells_what_the_earlier_network_cannot_see_and_that_no_weights_of_it_are_here(
    report: dict[str, Any],
) -> None:
    """Where somebody gave a checkpoint, its cases and its row stand there, and the sentence about none does not."""
    blind = {"sets": 20, "same": {"this / that": 0.0}, "changed": 0.1617, "judged_from_the_first_minute": True,
             "most_of_a_trained_fault": 0.233, "elevated_above": 0.5}  # fmt: skip
    page = written(report | {"blind": blind})
    assert "| this / that | 0.000000 |" in page
    assert "Its published weights lie neither here" in page
    cases = {"at rest": {"mean": 0.1, "elevated": 0.0, "critical": 0.0, "step_over_0.5": 0.0}}
    rows = report["detectors"] | {EARLIER_ROW: _row(0.1)}
    page = written(report | {"blind": blind, "earlier": cases, "detectors": rows})
    assert "| at rest | 0.100 |" in page
    assert "Its published weights lie neither here" not in page


def test_who_helped_to_decide_what_ships_is_said_beside_their_figures(report: dict[str, Any]) -> None:
    """At the top, beside the alarms and above the table of the others; not of a file of other people."""
    names = [*DEVELOPED_ON, *DECIDED_ON]
    rate = {"data": "real", "promised": 0.1, "alarms": 1, "wearer_days": 8, "realised": 0.125, "ratio_ci95": [0.0, 7.0]}
    told = {
        "wearers": {name: {"test_days": 8} for name in names},
        "developed_on": list(DEVELOPED_ON),
        "rate": report["rate"] | {"unseen": rate},
    }
    page = " ".join(written(report | told).split())
    assert page.count(f"which model ships was decided on all {len(names)} (docs/adr/0017") == 3
    assert "These are no independent test: which model ships" in page
    page = " ".join(written(report | told | {"wearers": {"a": {"test_days": 8}, **told["wearers"]}}).split())
    assert f"which model ships was decided on {' and '.join(DECIDED_ON)} (docs" in page
    others = {name: {"test_days": 8} for name in (*DEVELOPED_ON, "a")}
    assert "which model ships was decided" not in written(report | told | {"wearers": others})


def test_whatever_finds_more_is_a_limit_also_a_lacking_part(report: dict[str, Any]) -> None:
    """Outside the interval by name and figure, at the top by name; inside it where it is ahead of the others alone."""

    def difference(value: float, high: float) -> dict[str, Any]:
        return {"recall_difference": value, "ci95": [value - 0.1, high]}

    report |= {"wearers": {"one": {"test_days": 12}, "two": {"test_days": 8}}, "developed_on": ["one"]}
    report["paired"] = {
        "rest_+40bpm_20min": {
            "own past off": difference(-0.07, -0.02) | {"unseen": None},
            "rule": difference(0.1, 0.2) | {"unseen": difference(-0.2, -0.1)},
            "another": difference(0.1, 0.2) | {"unseen": difference(-0.05, 0.1)},
            "near": difference(-0.01, 0.1) | {"unseen": difference(0.0, 0.1)},
        }
    }
    page = written(report)
    assert 'outside the paired interval: "own past off", "rule" (Limits).' in " ".join(page.split())
    surely = next(line for line in page.splitlines() if line.startswith("- Finds more than what ships"))
    assert "own past off (rest_+40bpm_20min: -0.070 (-0.170 to -0.020))" in surely
    assert "rule (rest_+40bpm_20min, without one: -0.200 (-0.300 to -0.100))" in surely
    maybe = next(line for line in page.splitlines() if line.startswith("- Ahead without one, inside"))
    assert maybe.endswith("another (rest_+40bpm_20min, without one: -0.050 (-0.150 to +0.100)).")
    report["paired"] = {"rest_+40bpm_20min": {"rule": difference(0.1, 0.2)}}
    page = written(report)
    assert "Finds more" not in page
    assert "find more" not in page
    assert "Ahead" not in page


def test_limits_of_faults_follow_what_was_found_of_them(report: dict[str, Any]) -> None:
    """How many rises of the resting rate, and of the fault that was tried on the fewest what one is worth."""
    fault = {"data": "simulated", "must_alarm": True, "alerts": 0, "untouched": 0, "missed": []}
    faults = {"resting_rate_rise": fault | {"events": 16, "found": 3}, "fever": fault | {"events": 4, "found": 4}}
    page = " ".join(written(report | {"faults": {"model": faults}}).split())
    assert "two-night rules have a hundredth of the promise each: 3 of 16 such rises were found." in page
    assert "tried on few people: fever on 4, where one is 0.25." in page
    assert "Events put into recordings last up to 240 min" in page


def test_the_page_tells_what_made_which_rows(report: dict[str, Any]) -> None:
    """By protocol, commit and weights; rows of other code than the model's own, and older ones, are named as such."""
    digest = {"network": "0123456789ab"}
    report["detectors"]["model"]["made"] = {"protocol": 3, "commit": "abc1234", "weights": digest}
    report["detectors"]["level off"]["made"] = {"protocol": 2, "commit": None, "weights": {"network": None}}
    report["made"] = {"faults": {"protocol": 3, "commit": "abc1234", "weights": digest}}
    page = " ".join(written(report).split())
    name = NAMES["network"]
    assert f"| 3 | abc1234 | {name} 0123456789ab | model, faults |" in page
    assert f"| 2 | not told | {name} not told | level off |" in page
    assert "Up to protocol 2 a rate without a threshold had the recall 0" in page
    assert "Other code than that of model's own row made level off:" in page
    report["detectors"]["level off"]["made"] = report["detectors"]["model"]["made"]
    page = written(report)
    assert "Up to protocol" not in page
    assert "Other code" not in page


def test_a_row_that_nobody_asked_of_the_others_says_so(report: dict[str, Any]) -> None:
    """It stands in the table of the others as not asked, and so does a delay that no list of hits tells."""
    page = written(report | {"wearers": {"one": {"test_days": 12}, "two": {"test_days": 8}}, "developed_on": ["one"]})
    assert "| model | not asked | not asked | not asked/not asked | not asked | not asked |" in page
    later = {"events": 9, "recall": {"0.1": 0.5}, "ci95": {"0.1": [0.4, 0.6]}, "delay_min": None}
    scenarios = report["detectors"]["model"]["scenarios"]
    for name, recall in (("rest_+40bpm_20min", 0.5), ("rest_+25bpm_30min", 0.0)):
        scenarios[name] = scenarios[name] | {"unseen": later | {"recall": {"0.1": recall}}}
    page = written(report | {"wearers": {"one": {"test_days": 12}, "two": {"test_days": 8}}, "developed_on": ["one"]})
    assert "| model | 0.50 [0.40, 0.60] | 0.00 [0.40, 0.60] | not asked/- |" in page, "of what was found before"
