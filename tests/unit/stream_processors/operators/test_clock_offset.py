"""The correction of a device's times."""

from typing import Any

import pytest

from schemas import frame
from stream_processors.operators.clock_offset import Corrections
from stream_processors.operators.readings import read
from tests.vitals_frames import T0_MS, batch, reading


def corrected(corrections: Corrections, *offsets_ms: int, **given: Any) -> list[int]:
    """Return by how much the times of a record with these offsets are corrected."""
    rows = [reading(T0_MS + number, clock_offset_ms=offset, **given) for number, offset in enumerate(offsets_ms)]
    readings = read(frame.encode(batch(rows)), append_ms=T0_MS)
    assert readings is not None
    return [
        int(time - sent)
        for time, sent in zip(corrections.correct(readings, append_ms=T0_MS), readings.sent_ms, strict=True)
    ]


@pytest.mark.parametrize(("offset_ms", "correction_ms"), [(5_000, 0), (-5_000, 0), (5_001, 5_001), (-9_000, -9_000)])
def test_only_an_offset_over_five_seconds_corrects(offset_ms: int, correction_ms: int) -> None:
    """Up to 5 s a clock counts as right."""
    assert corrected(Corrections(), offset_ms) == [correction_ms]


def test_a_kept_correction_is_replaced_only_by_one_that_differs() -> None:
    """A new offset within 5 s of the kept correction changes nothing; one beyond replaces it."""
    corrections = Corrections()
    assert corrected(corrections, 20_000) == [20_000]
    assert corrected(corrections, 24_999) == [20_000]
    assert corrected(corrections, 26_000) == [26_000]
    assert corrected(corrections, 100) == [0]


def test_each_boot_has_its_own() -> None:
    """Another boot of the device begins without a correction."""
    corrections = Corrections()
    corrected(corrections, 20_000)
    assert corrected(corrections, 3_000, boot=b"b" * 16) == [0]
    assert corrected(corrections, 18_000) == [20_000]
