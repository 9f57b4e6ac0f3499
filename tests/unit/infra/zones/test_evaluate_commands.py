"""What `pulsera evaluate zones` refuses before it calculates, and what it says of few years and few events."""

from pathlib import Path
from typing import Any

import pytest
import typer

from infra.written_files import check_written
from infra.zones import evaluate_commands
from infra.zones.evaluate_commands import BEGIN, END, told, zones
from schemas.errors import SetupError


def rate(promised: float) -> dict[str, Any]:
    """Return a row of alarms of which none came."""
    return {"promised_per_year": promised, "per_year": 0.0, "ratio": 0.0, "ratio_ci95": [0.0, 73.0]}


def report(years: float) -> dict[str, Any]:
    """Return a report of few events."""
    seen = [{"active": 50, "trials": 10, "extra": 0.1, "detected": 0.5, "delay_min": 5.0}]
    shift = [
        {"active": active, "trials": trials, "shift": 0.8, "detected": 0.5, "delay_min": None}
        for active, trials in ((50, 3), (500, 2))
    ]
    return {
        "seed": 1,
        "wearers": 2_000,
        "cells": 217,
        "years": years,
        "rates": {"7": rate(52.2), "365": rate(1.0)},
        "power": seen,
        "shift": shift,
        "decoys": {},
        "events": {},
        "scan_ms": {"cells": 2_107, "shapes": 48, "p50": 20.0, "max": 30.0},
    }


@pytest.mark.parametrize("option", ["json_file", "page"])
def test_a_file_that_cannot_be_written_is_refused_before_the_calculation(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is not there ends the command with a sentence, and no city is made."""
    monkeypatch.setattr(evaluate_commands, "_made_city", lambda *_, **__: pytest.fail("It has begun."))
    arguments: Any = {option: Path("/nonexistent/x.json")}
    with pytest.raises(SetupError, match=r"^/nonexistent/x.json cannot be written"):
        zones(**arguments)


def test_a_page_without_a_place_for_figures_is_refused_before_the_calculation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names both marks, in whose order they are looked for."""
    monkeypatch.setattr(evaluate_commands, "_made_city", lambda *_, **__: pytest.fail("It has begun."))
    page = tmp_path / "page.md"
    page.write_text(f"{END}\n{BEGIN}\n")
    with pytest.raises(SetupError, match="has no place for the figures"):
        zones(page=page)


def test_looking_leaves_files_as_they_were(tmp_path: Path) -> None:
    """A file that is there keeps what it holds, one that is not there is not made."""
    (tmp_path / "there").write_text("kept")
    check_written(tmp_path / "there", tmp_path / "new", None)
    assert [one.name for one in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "kept"


def test_few_years_give_no_estimate_of_what_is_rare() -> None:
    """Where less than one alarm is promised in all, no interval is printed; else it is."""
    short, long = told(report(0.05)), told(report(1.0))
    assert "| 365 days | 1.0 | 0.0 | no estimate: 0.05 years are too short |" in short
    assert "| 7 days | 52.2 | 0.0 | 0.00 [0.00, 73.00] |" in short
    assert "no estimate" not in long


def test_each_table_says_of_how_many_events_its_shares_are() -> None:
    """Both tables have their own number of trials; where it differs from row to row, from least to most."""
    text = told(report(1.0))
    assert "share of 10 events each; flags raised" in text
    assert "share of 2 to 3 events each; everybody's deviate" in text


@pytest.mark.parametrize(
    "asked", [{"event": "heat"}, {"decoy": "backfill"}, {"end_to_end": 20.0, "common_shift": True}]
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An event without a whole system, and two runs at once, end with a sentence before anything begins."""
    for run in ("_made_city", "_common_shift", "_whole_system"):
        monkeypatch.setattr(evaluate_commands, run, lambda *_, **__: pytest.fail("It has begun."))
    with pytest.raises(typer.BadParameter, match="end-to-end"):
        zones(**asked)
