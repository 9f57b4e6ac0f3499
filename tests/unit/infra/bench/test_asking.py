"""Who asks in the bench divides what answers took."""

import math
from pathlib import Path

import msgspec
import numpy as np

from infra.bench.asking import Answers, Spent, _answers, _ran_and_waited


def test_the_rest_is_what_neither_ran_nor_waited() -> None:
    """What is left of an answer's time is never less than nothing."""
    assert Spent(took=5.0, api_ran=1.0, api_waited=2.0, asker_waited=0.5).rest == 1.5
    assert Spent(took=1.0, api_ran=1.5, api_waited=0.0, asker_waited=0.0).rest == 0.0
    assert Spent(took=1.0, api_ran=0.1, api_waited=0.0, asker_waited=None).rest is None


def test_the_slowest_hundredth_is_told_apart_from_the_quicker_half() -> None:
    """Of two hundred answers two are the slowest hundredth; each part is a mean over its own answers."""
    took = np.arange(1.0, 201.0)
    found = _answers(np.column_stack((took, took / 2, took / 4, np.zeros(200))))
    assert len(found.took_ms) == 200
    assert (found.slowest.took, found.slowest.api_ran, found.slowest.api_waited) == (199.5, 99.75, 49.875)
    assert found.usual.took == 50.5


def test_a_process_runs_and_waits_as_the_system_tells(tmp_path: Path) -> None:
    """Nanoseconds become milliseconds; of a process that is gone there is no figure."""
    told = tmp_path / "schedstat"
    told.write_text("2500000 1000000 7\n")
    assert _ran_and_waited(told) == (2.5, 1.0)
    assert all(map(math.isnan, _ran_and_waited(tmp_path / "gone")))


def test_what_the_system_does_not_tell_is_no_figure() -> None:
    """Where one answer's waiting is not known no mean is told of it, nor what is left; JSON can carry that."""
    took = np.arange(1.0, 201.0)
    waited = np.where(took == 3.0, np.nan, 0.5)
    found = _answers(np.column_stack((took, took / 2, waited, np.full(200, np.nan))))
    assert (found.usual.took, found.usual.api_ran, found.usual.api_waited) == (50.5, 25.25, None)
    assert (found.slowest.api_waited, found.slowest.asker_waited, found.slowest.rest) == (0.5, None, None)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Answers) == found
