"""The load client sends what its auditor expects, each reading at a time of its own, and notes every ack."""

import json
import time

import numpy as np
import pytest

from infra.bench.load import PERIOD, Device, values_of

SPACING_MS = 7


@pytest.mark.parametrize("batch", [1, 3])
def test_messages_hold_numbered_readings_with_the_values_of_their_device(batch: int) -> None:
    """Over more readings than values take to repeat, each has its own number, a later time, and the expected vitals."""
    device, before_ms = Device(PERIOD + 5, PERIOD), time.time() * 1000
    messages = [json.loads(device.message(batch, SPACING_MS)) for _ in range(PERIOD)]
    assert [message["seq"] for message in messages] == list(range(1, PERIOD + 1))
    readings = [reading for message in messages for reading in message["readings"]]
    times = np.array([reading["time"] for reading in readings])
    assert (np.diff(times) >= SPACING_MS).all()
    assert times[0] >= int(before_ms) - (batch - 1) * SPACING_MS
    numbers = np.arange(len(readings))
    for name, values in values_of(np.full(len(readings), device.index), numbers).items():
        assert [reading[name] for reading in readings] == values.tolist()
    assert list(device.first_reading_ms) == times[::batch].tolist()
    assert before_ms <= device.sent_ms[0] <= device.sent_ms[-1] <= time.time() * 1000


def test_an_ack_counts_for_every_message_up_to_its_number() -> None:
    """Acks are cumulative: each message gets the moment of the first that covers it; the last ends the wait."""
    device = Device(0, 3)
    for _ in range(3):
        device.message(1, SPACING_MS)
    device.on_text(b'{"type":"ack","seq":2}')
    device.on_text(b'{"type":"ack","seq":1}')
    assert (device.acked, len(device.acked_ms), device.all_acked.is_set()) == (2, 2, False)
    device.on_text(b'{"type":"ack","seq":3}')
    assert (device.acked, len(device.acked_ms), device.all_acked.is_set()) == (3, 3, True)
    assert device.refused == []
