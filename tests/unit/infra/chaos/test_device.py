"""A device of the load forgets nothing that is not acknowledged, and notes everything that is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from infra.bench.wire import DeviceWire
from infra.chaos.auditor import identities
from infra.chaos.device import MOST_WAITING, Device, Doings, Shop
from infra.chaos.journal import ROW, Journal, file_of
from infra.chaos.made_readings import ALL, CALM, Texts, table_of_values

T0 = 1_795_262_400_000


class NotedWire:
    """Takes what a device sends."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.aborted = False

    def send(self, payload: bytes) -> None:
        """Note one message."""
        self.sent.append(json.loads(payload))

    def abort(self) -> None:
        """Note that the connection was cut."""
        self.aborted = True

    @property
    def seqs(self) -> list[int]:
        """Return the seqs in the order of sending."""
        return [message["seq"] for message in self.sent]


class Bench:
    """A device with a journal, on a connection of the test's own."""

    def __init__(self, folder: Path, *, place: tuple[float, float] | None = None) -> None:
        self.folder = folder
        self.journal = Journal(folder)
        self.doings = Doings()
        shop = Shop("", 0, Texts(table_of_values(1)), self.journal, self.doings, place)
        self.device = Device(shop, index=0, token="", seed=3)
        self.wire = self.connect()

    def connect(self) -> NotedWire:
        """Give the device a new connection, as `_connection` does."""
        wire = NotedWire()
        self.device._wire = cast(DeviceWire, wire)
        self.device._sent_seq = self.device.waiting[0].seq - 1 if self.device.waiting else self.device._seq
        self.device.flush()
        return wire

    def make(self, count: int, *, begins: int = 0) -> None:
        """Let the device measure ten times a second."""
        for number in range(begins, begins + count):
            self.device.make(T0 + number * 100)

    def ack(self, seq: int) -> None:
        """Let the gateway acknowledge."""
        self.device._on_text(b'{"type":"ack","seq":%d}' % seq)

    def rows(self) -> np.ndarray:
        """Return the journal."""
        self.device.give_up()
        self.journal.flush()
        return np.fromfile(file_of(self.folder, 0), dtype=ROW)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A connected device."""
    made = Bench(tmp_path)
    yield made
    made.journal.close()


def test_seqs_have_no_gap_whatever_a_device_does(bench: Bench) -> None:
    """Two thousand readings, repeated, split and shuffled on the way, go out under consecutive numbers."""
    bench.make(2000)
    bench.device.settle()
    assert bench.wire.seqs == list(range(1, len(bench.wire.sent) + 1))
    assert all(bench.doings.counts[what] > 5 for what in ("split", "reordered"))
    assert bench.doings.counts["repeated"] == 0, "nothing is acknowledged that could be repeated"
    times = {reading["time"] for message in bench.wire.sent for reading in message["readings"]}
    assert times == {T0 + number * 100 for number in range(2000)}


def test_the_journal_says_what_was_acknowledged(bench: Bench) -> None:
    """Messages up to the ack are noted as acknowledged, the others as not, each reading with what it carried."""
    bench.make(300)
    bench.ack(100)
    bench.make(200, begins=300)
    bench.device.settle()
    last = bench.wire.sent[-1]["seq"]
    rows = bench.rows()
    assert len(rows) == last
    assert int(rows["acked"].sum()) == 100
    assert len(identities(rows).key) == 500
    assert set(np.bitwise_or.reduce(identities(rows).sent[:, None], axis=1).tolist()) == {ALL}


def test_what_is_unacknowledged_is_sent_again_first_and_as_it_was(bench: Bench) -> None:
    """After a cut in the middle the next connection begins with the oldest unacknowledged message, unchanged."""
    bench.make(50)
    bench.ack(20)
    bench.device.drop()
    assert bench.wire.aborted
    again = bench.connect()
    assert again.seqs == bench.wire.seqs[20:]
    assert again.sent == bench.wire.sent[20:]


def test_acknowledged_messages_are_repeated_under_new_numbers(bench: Bench) -> None:
    """About one message in a hundred is sent again after its ack, the same reading under a new seq."""
    for number in range(2000):
        bench.make(1, begins=number)
        bench.ack(bench.wire.seqs[-1])
    assert 5 < bench.doings.counts["repeated"] < 60
    texts = [json.dumps(reading, sort_keys=True) for message in bench.wire.sent for reading in message["readings"]]
    assert len(texts) - len(set(texts)) == bench.doings.counts["repeated"]


def test_a_silent_device_sends_its_backlog_before_what_is_newer(bench: Bench) -> None:
    """What was measured in silence goes out first, oldest first, when the device speaks again."""
    bench.make(5)
    bench.device.fall_silent()
    before = len(bench.wire.sent)
    bench.make(200, begins=100)
    assert len(bench.wire.sent) == before
    again = bench.connect()
    bench.device.speak()
    bench.make(20, begins=400)
    bench.device.settle()
    times = [reading["time"] for message in again.sent for reading in message["readings"]]
    backlog = [T0 + number * 100 for number in range(100, 300)]
    assert [time for time in times if time in set(backlog)] == backlog
    assert max(map(times.index, backlog)) < min(times.index(time) for time in times if time > backlog[-1])


def test_a_device_holds_back_when_it_is_told_to(bench: Bench) -> None:
    """After `throttle` nothing is sent, and nothing is forgotten."""
    bench.device._on_text(b'{"type":"throttle","retry_after_ms":60000}')
    bench.make(10)
    assert bench.wire.sent == []
    assert bench.device.waiting


def test_a_device_that_hears_nothing_keeps_a_bounded_number(bench: Bench) -> None:
    """With no ack at all a device stops measuring at its bound, and says so."""
    bench.make(MOST_WAITING + 500)
    assert MOST_WAITING <= len(bench.device.waiting) <= MOST_WAITING + 5
    assert bench.doings.counts["held_back"] > 400


def test_a_refusal_is_kept_word_for_word(bench: Bench) -> None:
    """A nack is counted and kept: every reading of the load is a good one."""
    bench.device._on_text(b'{"type":"nack","seq":1,"rejected":[]}')
    assert bench.doings.refused == ['{"type":"nack","seq":1,"rejected":[]}']


def test_racing_readings_are_marked_as_injected() -> None:
    """Rows behind the calm ones race at rest and say that they are injected, the calm ones do not."""
    texts = Texts(table_of_values(1))
    racing, calm = (json.loads(texts.reading(T0, variant, ALL)) for variant in (CALM, 0))
    assert racing["injected"] is True
    assert racing["heart_rate"] > 200
    assert racing["motion"] < 0.01
    assert "injected" not in calm


def test_where_a_device_is_is_a_message_of_its_own(tmp_path: Path) -> None:
    """It is sent in its place between readings, sent again until it is acknowledged, and noted as no reading."""
    bench = Bench(tmp_path, place=(52.5, 13.4))
    bench.device.enqueue((), located_ms=T0)
    bench.device.flush()
    (sent,) = bench.wire.sent
    assert sent == {"type": "location", "seq": 1, "time": T0, "latitude": 52.5, "longitude": 13.4}
    assert bench.connect().sent == [sent]
    bench.device._take_ack(1)
    assert not bench.device.waiting
    assert (bench.doings.acked_messages, bench.doings.acked_readings) == (1, 0)
    bench.journal.close()
