"""The log of runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference.pulsenet.evaluation import runs
from schemas.errors import RecordingError

WHOLE: dict[str, Any] = {"at": "2026-11-22", "commit": None, "model": "m", "weights": None, "data": None, "seed": 1,
                         "wearers": [], "rows": 1, "quick": False}  # fmt: skip


def test_every_run_stays_in_the_log_also_one_like_another(tmp_path: Path) -> None:
    """Two equal entries are two lines, in the order in which they were added."""
    log = tmp_path / runs.FILE
    assert runs.read(log) == []
    one, two = WHOLE, WHOLE | {"at": "2026-11-23"}
    for entry in (one, one, two):
        runs.append(log, entry)
    assert runs.read(log) == [one, one, two]


@pytest.mark.parametrize("line", ["{", "[1]", '{"seed": 1}', '{"at": "2026-11-22", "seed": 1, "wearers": []}'])
def test_a_line_that_is_no_run_is_named(tmp_path: Path, line: str) -> None:
    """The second line of this log is at fault, also one that tells when it was and not of which weights."""
    log = tmp_path / runs.FILE
    log.write_text(f"{json.dumps(WHOLE)}\n{line}\n")
    with pytest.raises(RecordingError, match="Line 2 of"):
        runs.read(log)


def test_only_whoever_was_developed_on_is_not_held_out() -> None:
    """A run on the development wearer alone is not one of the log, any other is."""
    assert not runs.held_out(["a"], ["a", "b"])
    assert runs.held_out(["a", "c"], ["a", "b"])
    assert runs.held_out(["a"], [])


def test_a_file_of_data_is_known_by_its_digest(tmp_path: Path) -> None:
    """The beginning of its SHA-256."""
    (tmp_path / "data").write_bytes(b"abc")
    assert runs.digest(tmp_path / "data") == "ba7816bf8f01"


def test_two_logs_are_one_in_which_no_run_is_counted_twice_or_lost() -> None:
    """A run of both stands once, also where one has a note on it; two equal ones of either stay two."""
    one, two, three = ({"at": f"2026-11-2{day}", "seed": 1} for day in (1, 2, 3))
    noted: dict[str, object] = one | {"note": "entered afterwards"}
    assert runs.joined([noted, three, three], [one, two, three]) == [noted, two, three, three]
    assert runs.joined([], []) == []


def test_a_look_like_this_one_is_of_the_same_weights_data_and_of_one_of_the_wearers() -> None:
    """Others, and runs of which nobody noted the weights, are not counted."""
    entry: dict[str, Any] = {"weights": "w", "data": "d", "wearers": ["a", "b"]}
    like = entry | {"wearers": ["b", "c"]}
    others = [entry | {"weights": None}, entry | {"data": "e"}, entry | {"wearers": ["c"]}, entry | {"weights": "v"}]
    assert runs.alike([like, *others], entry) == [like]
    assert runs.alike([entry | {"weights": None}], entry | {"weights": None}) == []
