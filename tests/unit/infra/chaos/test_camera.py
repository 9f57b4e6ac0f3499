"""The judgement of a camera's pulse."""

import pyarrow as pa

from infra.bench.made_traces import RATE_BPM
from infra.chaos.camera import Camera, compare_pulse


def stored(*rows: tuple[int, float | None]) -> pa.Table:
    """Return what the database would hold."""
    return pa.table({"time_ms": [row[0] for row in rows], "heart_rate": [row[1] for row in rows]})


def test_what_a_camera_filmed_has_a_heart_rate_each_second() -> None:
    """From the twelfth second on at the latest, on whole seconds without a gap, and right."""
    camera = Camera("ws://nobody", "", "")
    camera.filmed = 60
    found = camera.expected()
    assert min(found) <= 12_000
    assert sorted(found) == list(range(min(found), max(found) + 1_000, 1_000))
    assert all(abs(rate - RATE_BPM) < 1 for rate in found.values())


def test_a_pulse_that_is_stored_as_it_must_be_breaks_nothing() -> None:
    """Single precision is no change."""
    found = compare_pulse({1_000: 71.123456789, 2_000: 72.0}, stored((1_000, 71.12346), (2_000, 72.0)))
    assert (found.expected, found.lost, found.doubled, found.wrong) == (2, 0, 0, 0)
    assert found.shown == []


def test_what_is_missing_twice_or_otherwise_is_counted_and_named() -> None:
    """Each breach has its count: a second that is lacking, one twice, another value, and one that nobody had."""
    expected = {1_000: 71.0, 2_000: 72.0, 3_000: 73.0}
    found = compare_pulse(expected, stored((1_000, 71.0), (1_000, 71.0), (2_000, 90.0), (9_000, 72.0)))
    assert (found.lost, found.doubled, found.wrong) == (1, 1, 2)
    assert found.shown[0] == "pulse lost: 3000"
    assert len(found.shown) == 4
