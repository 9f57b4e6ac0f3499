"""Packing of readings into messages."""

import json

import pytest

from ingest.client.messages import pack
from schemas.errors import ContractError


def test_at_most_500_readings_go_into_one_message() -> None:
    """1,001 readings become messages of 500, 500 and 1, in order."""
    readings = [{"time": time, "heart_rate": 60.0} for time in range(1001)]
    packs = list(pack(readings))
    assert [packed.readings for packed in packs] == [500, 500, 1]
    assert [reading for packed in packs for reading in packed.listed()] == readings


def test_no_message_passes_256_kib() -> None:
    """Readings with many beats are split further, in order, so that each message stays within 256 KiB."""
    readings = [{"time": time, "ibi": [812.5] * 600} for time in range(200)]
    packs = list(pack(readings))
    assert all(len(packed.message(10**15)) <= 262_144 for packed in packs)
    assert [reading["time"] for packed in packs for reading in packed.listed()] == list(range(200))


def test_a_reading_that_never_fits_is_refused() -> None:
    """One reading above 256 KiB raises instead of being dropped."""
    with pytest.raises(ContractError, match="does not fit"):
        list(pack([{"time": 1, "note": "x" * 300_000}]))


def test_no_readings_make_no_message() -> None:
    """Nothing to send costs no seq."""
    assert list(pack([])) == []


def test_a_message_is_the_protocol_s_json() -> None:
    """A packed message carries type, seq and the readings as given."""
    (packed,) = pack([{"time": 5, "spo2": 97}])
    assert json.loads(packed.message(3)) == {"type": "readings", "seq": 3, "readings": [{"time": 5, "spo2": 97}]}
