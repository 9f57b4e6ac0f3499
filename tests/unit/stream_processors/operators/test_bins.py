"""Readings become bins."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from schemas.vitals import NAMES
from stream_processors.operators import bins as binning
from stream_processors.operators.bins import UNKNOWN_QUALITY, Bins, stream_bins, waves, wearer_bins
from stream_processors.operators.pending import FACTS, Pending
from stream_processors.operators.readings import QUALITY, WORN

RATE, STEPS, SATURATION = (NAMES.index(name) for name in ("heart_rate", "steps", "spo2"))


def reduced(*readings: dict[str, Any]) -> Bins:
    """Return the bins of streams that these readings make; facts by name, vitals by name."""
    pending = Pending()
    facts = np.zeros((len(readings), len(FACTS)), dtype=np.int64)
    numbers = np.full((len(readings), len(NAMES) + 1), np.nan, dtype=np.float32)
    for row, given in enumerate(readings):
        known = {"stream": 1, "stream_id": 257, "end_ms": 5_000, "sent_ms": row, "arrival": row, "firmware": -1}
        for name, value in {**known, **given}.items():
            if name == "quality":
                numbers[row, QUALITY] = value
            elif name in NAMES:
                numbers[row, NAMES.index(name)] = value
            else:
                facts[row, FACTS.index(name)] = value
    pending.add(facts, numbers, wearer_end_ms=facts[:, 3], stream_end_ms=facts[:, 3])
    return stream_bins(pending, np.arange(len(readings)))


def test_a_bin_holds_means_and_sums() -> None:
    """Rates are averaged in whole thousandths, steps are added."""
    one = reduced({"heart_rate": 60.1, "steps": 2}, {"heart_rate": 60.2}, {"heart_rate": 60.3, "steps": 3})
    assert one.values[0, RATE] == 180_600 / 3 / 1000
    assert one.values[0, STEPS] == 5
    assert np.isnan(one.values[0, SATURATION])
    assert one.readings.tolist() == [3]


def test_one_identity_counts_once() -> None:
    """Of each vital of one identity the first known value in order of arrival counts."""
    one = reduced(
        {"sent_ms": 7, "arrival": 2, "heart_rate": 90.0, "spo2": 97.0, "worn": WORN},
        {"sent_ms": 7, "arrival": 1, "heart_rate": 60.0},
    )
    assert one.readings.tolist() == [1]
    assert (one.values[0, RATE], one.values[0, SATURATION], one.worn[0]) == (60.0, 97.0, WORN)


def test_low_quality_is_left_out_and_the_lowest_that_counts_is_kept() -> None:
    """A reading below the limit gives no value; the bin's quality is the lowest of the rest."""
    one = reduced(
        {"heart_rate": 200.0, "quality": 0.2},
        {"heart_rate": 60.0, "quality": 0.8},
        {"heart_rate": 62.0, "quality": 0.9},
    )
    assert (one.values[0, RATE], one.quality[0], one.vague[0], one.readings[0]) == (61.0, 800, 0, 3)


def test_an_unknown_quality_is_named() -> None:
    """A bin without any known quality says so."""
    one = reduced({"heart_rate": 60.0})
    assert (one.quality[0], one.vague[0]) == (UNKNOWN_QUALITY, 1)


def test_bins_come_by_wearer_time_and_stream() -> None:
    """The order is wearer, then time, then stream id, whatever the order of arrival."""
    many = reduced(
        {"wearer": 1, "stream": 3, "stream_id": 513},
        {"wearer": 0, "stream": 2, "stream_id": 258, "end_ms": 10_000},
        {"wearer": 0, "stream": 2, "stream_id": 258},
        {"wearer": 0, "stream": 1, "stream_id": 257, "end_ms": 10_000},
    )
    assert list(zip(many.wearer, many.end_ms, many.stream, strict=True)) == [
        (0, 5_000, 2),
        (0, 10_000, 1),
        (0, 10_000, 2),
        (1, 5_000, 3),
    ]


def two_sources(first: dict[str, Any], second: dict[str, Any]) -> Bins:
    """Return the wearer's bin of one reading from each of two streams."""
    return wearer_bins(reduced({**first}, {"stream": 2, "stream_id": 258, **second}))


def test_the_higher_quality_wins() -> None:
    """Of two sources the one of higher quality gives the value, the other what that lacks."""
    one = two_sources({"heart_rate": 60.0, "spo2": 95.0, "quality": 0.6}, {"heart_rate": 80.0, "quality": 0.9})
    assert (one.values[0, RATE], one.values[0, SATURATION], len(one)) == (80.0, 95.0, 1)
    assert one.quality[0] == 600


def test_a_known_quality_wins_over_an_unknown() -> None:
    """Unknown is not good."""
    one = two_sources({"heart_rate": 60.0, "time_ms": 99}, {"heart_rate": 80.0, "quality": 0.5})
    assert one.values[0, RATE] == 80.0


def test_of_equal_quality_the_newer_wins() -> None:
    """The newer source decides where quality does not."""
    one = two_sources({"heart_rate": 60.0, "time_ms": 1}, {"heart_rate": 80.0, "time_ms": 2})
    assert one.values[0, RATE] == 80.0


def test_an_outage_of_years_is_ordered_as_a_second_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no whole number holds all that decides the order, the same rows make the same bins, repeats merged."""
    draw = np.random.default_rng(7)
    readings = [
        {"wearer": int(stream) // 2, "stream": int(stream), "stream_id": int(stream) % 3 << 8, "worn": int(worn),
         "end_ms": 5_000 * int(end), "sent_ms": int(sent), "heart_rate": float(rate), "steps": float(rate) % 7}
        for stream, worn, end, sent, rate in draw.integers((0, 0, 1, 0, 40), (6, 3, 4, 30, 90), (300, 5))
    ]  # fmt: skip
    usual = reduced(*readings)
    assert usual.readings.sum() < len(readings), "some are one identity"
    monkeypatch.setattr(binning, "_WHOLE_BITS", -1)
    rare = reduced(*readings)
    for field in fields(Bins):
        np.testing.assert_array_equal(getattr(rare, field.name), getattr(usual, field.name))
    years = reduced(*(one | {name: int(one[name]) << 40 for name in ("end_ms", "sent_ms")} for one in readings))
    np.testing.assert_array_equal(years.values, usual.values)
    np.testing.assert_array_equal(years.readings, usual.readings)


def test_ties_go_to_the_lower_stream() -> None:
    """Of two equal sources the lower stream id decides."""
    one = two_sources({"heart_rate": 60.0}, {"heart_rate": 80.0})
    assert one.values[0, RATE] == 60.0


def test_waves_take_the_next_bin_of_each_lane() -> None:
    """The first wave holds the first bin of each lane, the second the second."""
    found = [None if wave is None else wave.tolist() for wave in waves(np.array([4, 4, 7, 4, 7]))]
    assert found == [[0, 2], [1, 4], [3]]
    assert list(waves(np.array([1, 2]))) == [None]
    assert list(waves(np.array([], dtype=np.int64))) == []
