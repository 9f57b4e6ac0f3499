"""A link says what its session withheld, when nothing else gives occasion to, and sets one timer for that."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from infra.metrics.meter import PrometheusMeter
from ingest import wire
from ingest.acks import ACK_SPACING_S
from ingest.encoding import JSON
from ingest.link import Link
from ingest.pump import Pump
from ingest.socket import DeviceSocket
from schemas.device_protocol import CLOSE_DRAINING
from tests.device_sessions import ManualClock, greeted, reading, readings_text


class Said:
    """The socket and the pump of a link: what was sent and shut, and that messages were taken."""

    full = False

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.codes: list[int] = []

    def send(self, frames: bytes) -> bool:
        """Note what is sent, as long as the socket is open."""
        if not self.codes:
            self.frames.append(frames)
        return not self.codes

    def shut(self, code: int, _reason: str) -> None:
        """Note how the socket is closed."""
        self.codes.append(code)

    def add(self, _sender: Any, _admit: Any) -> None:
        """Take a message."""


class Timer:
    """A timer that a test fires, or sees cancelled."""

    def __init__(self, delay_s: float, fire: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.fire = fire
        self.cancelled = False

    def cancel(self) -> None:
        """Note that it will not fire."""
        self.cancelled = True


class Timers:
    """Stands for the event loop, of which a link wants timers alone."""

    def __init__(self) -> None:
        self.set: list[Timer] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Set a timer."""
        self.set.append(Timer(delay_s, callback))
        return self.set[-1]


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    """The timers that links set."""
    made = Timers()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def ack(seq: int) -> bytes:
    """Return an ack as it stands on the wire."""
    return wire.frame(wire.TEXT, b'{"type":"ack","seq":%d}' % seq)


def linked(clock: ManualClock, messages: int) -> tuple[Link, Said]:
    """Return a link whose device has sent messages, and what it sends."""
    said = Said()
    pump, socket = cast(Pump, said), cast(DeviceSocket, said)
    link = Link(socket, greeted(clock), encoding=JSON, pump=pump, meter=PrometheusMeter())
    for seq in range(1, messages + 1):
        link.text(readings_text(seq, reading()).encode())
    return link, said


def test_what_was_withheld_is_said_though_nothing_more_settles(timers: Timers) -> None:
    """While another message stands still, an ack too soon after the last one is said a tenth of a second on."""
    clock = ManualClock()
    link, said = linked(clock, 3)
    link.durable([1])
    assert not timers.set
    clock.now_s += 0.03
    link.durable([2])
    assert said.frames == [ack(1)]
    (timer,) = timers.set
    assert timer.delay_s == pytest.approx(ACK_SPACING_S - 0.03)
    clock.now_s += timer.delay_s
    timer.fire()
    assert said.frames == [ack(1), ack(2)]
    assert timers.set == [timer]


def test_one_timer_is_set_however_much_is_withheld(timers: Timers) -> None:
    """Many acks that are withheld cost one timer and are one ack."""
    clock = ManualClock()
    link, said = linked(clock, 20)
    for seq in range(1, 19):
        link.durable([seq])
    (timer,) = timers.set
    clock.now_s += ACK_SPACING_S
    timer.fire()
    assert said.frames == [ack(1), ack(18)]
    assert timers.set == [timer]


def test_a_timer_that_comes_too_early_is_set_anew(timers: Timers) -> None:
    """Where another ack was said meanwhile, or the loop's clock runs ahead, what is withheld waits for its time."""
    clock = ManualClock()
    link, said = linked(clock, 4)
    link.durable([1])
    link.durable([2])
    clock.now_s += ACK_SPACING_S - 0.01
    timers.set[0].fire()
    assert said.frames == [ack(1)]
    assert timers.set[1].delay_s == pytest.approx(0.01)
    clock.now_s += 0.02
    link.durable([3])
    assert said.frames == [ack(1), ack(3)]
    timers.set[1].fire()
    assert said.frames == [ack(1), ack(3)]
    assert len(timers.set) == 2


def test_after_a_timer_the_next_withheld_ack_has_one_too(timers: Timers) -> None:
    """What is withheld after an ack that a timer said is not forgotten."""
    clock = ManualClock()
    link, said = linked(clock, 4)
    for seq in (1, 2):
        link.durable([seq])
    clock.now_s += ACK_SPACING_S
    timers.set[0].fire()
    link.durable([3])
    assert said.frames == [ack(1), ack(2)]
    clock.now_s += ACK_SPACING_S
    timers.set[1].fire()
    assert said.frames == [ack(1), ack(2), ack(3)]


def test_a_connection_that_is_lost_leaves_no_timer(timers: Timers) -> None:
    """What was withheld is forgotten with the connection."""
    link, _ = linked(ManualClock(), 3)
    link.durable([1])
    link.durable([2])
    link.lost()
    assert [timer.cancelled for timer in timers.set] == [True]


def test_a_connection_that_is_shut_sets_no_timer(timers: Timers) -> None:
    """After a close nothing is said any more, and nothing waits to be said: a timer would be set again and again."""
    clock = ManualClock()
    link, said = linked(clock, 4)
    link.durable([1])
    link.durable([2])
    link.shut(CLOSE_DRAINING, "draining")
    link.durable([3])
    timers.set[0].fire()
    assert (said.frames, said.codes, len(timers.set)) == ([ack(1)], [CLOSE_DRAINING], 1)
