"""Faults of made devices: each does what its name says, counts it, and repeats with its seed."""

import itertools
from typing import Any

import pytest

from ingest.client.faults import LATE_S, OFF_S, RUN, Fault, Faults, parse_faults
from schemas.errors import ContractError

NOON_MS = 1_795_262_400_000


def run(shares: dict[Fault, float], *, steps: int = 2000, seed: int = 7) -> tuple[Faults, list[list[int]]]:
    """Let one reading a second pass; return the faults, and the seconds of each sending in order of leaving."""
    faults = Faults(shares, devices=1, step_s=1.0, seed=seed)
    left: list[list[int]] = []
    for step in range(steps):
        reading: dict[str, Any] = {"time": NOON_MS + step * 1000, "source": "watch", "heart_rate": 70.0}
        left += [seconds(sending) for sending in faults.passing(0, reading)]
    return faults, left + [seconds(sending) for sending in faults.held(0)]


def seconds(sending: list[Any]) -> list[int]:
    """Return the readings' times in seconds since the start."""
    return [(reading["time"] - NOON_MS) // 1000 for reading in sending]


def test_without_faults_everything_passes_at_once() -> None:
    """No fault chosen lets every reading leave alone, in order, and counts nothing."""
    faults, left = run({})
    assert left == [[second] for second in range(2000)]
    assert not faults.counts


def test_dropped_readings_never_leave() -> None:
    """As many readings are missing as are counted, about the share that was asked for."""
    faults, left = run({"drop": 0.1})
    assert len(left) == 2000 - faults.counts["readings dropped"]
    assert 140 < faults.counts["readings dropped"] < 260


def test_doubled_readings_leave_twice() -> None:
    """Each doubled reading leaves in two sendings, one after the other."""
    faults, left = run({"duplicate": 0.1})
    assert len(left) - 2000 == faults.counts["readings sent twice"] > 0
    assert sorted({one[0] for one in left}) == list(range(2000))


def test_shuffled_readings_leave_all_the_same() -> None:
    """Reordering loses and doubles nothing, keeps within a run, and changes the order."""
    faults, left = run({"reorder": 0.3})
    flat = [one[0] for one in left]
    assert sorted(flat) == list(range(2000))
    assert flat != sorted(flat)
    assert max(abs(second - place) for place, second in enumerate(flat)) < RUN
    assert faults.counts["readings reordered"] > 300


def test_a_late_burst_comes_whole_and_before_what_is_newer() -> None:
    """A burst holds 20 s of readings, leaves as one sending, and nothing newer overtakes it."""
    faults, left = run({"late-burst": 0.3})
    bursts = [sending for sending in left if len(sending) > 1]
    assert {len(burst) for burst in bursts[:-1]} == {int(LATE_S)}
    assert [second for sending in left for second in sending] == list(range(2000))
    assert faults.counts["late bursts"] >= len(bursts) - 1 > 5


def test_a_device_that_is_off_makes_nothing() -> None:
    """Readings are missing in stretches of at least a minute, about the share of time that was asked for."""
    faults, left = run({"device-off": 0.3}, steps=6000)
    times = [one[0] for one in left]
    gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(times) if later - earlier > 1]
    assert min(gaps) >= OFF_S
    assert faults.counts["readings not made while off"] == 6000 - len(times)
    assert 0.2 < 1 - len(times) / 6000 < 0.4


def test_a_skewed_clock_dates_readings_wrongly_and_says_so() -> None:
    """With every clock skewed each reading is off by its device's skew, seconds to minutes, within what is taken."""
    faults = Faults({"clock-skew": 0.999}, devices=50, step_s=1.0, seed=3)
    assert faults.counts["clocks skewed"] == sum(skew != 0 for skew in faults.skews_ms) >= 48
    assert all(2000 <= abs(skew) <= 240_000 for skew in faults.skews_ms if skew)
    assert {skew > 0 for skew in faults.skews_ms} == {True, False}
    ((reading,),) = faults.passing(9, {"time": NOON_MS, "heart_rate": 70.0})
    assert reading["time"] == NOON_MS + faults.skews_ms[9]


def test_a_seed_repeats_its_faults() -> None:
    """The same seed does the same to the same readings, another seed does not."""
    everything = parse_faults("drop,duplicate,reorder,late-burst,clock-skew,device-off")
    assert run(everything)[1] == run(everything)[1]
    assert run(everything)[1] != run(everything, seed=8)[1]


def test_faults_are_named_with_a_share_or_without() -> None:
    """A name alone takes its usual share, `name=share` its own; nothing chosen is nothing."""
    assert parse_faults("drop, reorder=0.5") == {"drop": 0.02, "reorder": 0.5}
    assert parse_faults("") == {}


@pytest.mark.parametrize("text", ["drpo", "drop=", "drop=1", "drop=-0.1", "drop=x", "drop=nan"])
def test_what_cannot_be_done_is_refused(text: str) -> None:
    """An unknown name and a share that is none are refused."""
    with pytest.raises(ContractError, match=r"drp?o"):
        parse_faults(text)
