"""Micro-benchmark of the gateway's own work on a message: read, admitted, framed and settled, without socket or log."""

import json
import time
from typing import Final
from uuid import UUID, uuid5

from infra.bench.load import Device as Sender
from infra.clocks import SystemClock
from ingest.admission import Limits, Rate
from ingest.framing import Framer
from ingest.ports import Device
from ingest.session import Admit, DeviceSession

_SPACE: Final = UUID("7f1c1b1e-1c1f-5a53-9b46-0d6c1d2f9a10")
_SPACING_MS: Final = 100


def measure(*, devices: int, batch: int, rounds: int) -> dict[str, float]:
    """Return mean microseconds of CPU a message for session, framing and settling; one message a device and round."""
    clock = SystemClock()
    sessions = [_session(number, clock) for number in range(devices)]
    senders = [Sender(number, rounds) for number in range(devices)]
    framer: Framer[DeviceSession] = Framer(now_s=0)
    spent = {"session_us": 0.0, "framing_us": 0.0, "settling_us": 0.0}
    for _ in range(rounds):
        texts = [sender.message(batch, _SPACING_MS).decode() for sender in senders]
        begin = time.process_time()
        effects = [session.receive(text) for session, text in zip(sessions, texts, strict=True)]
        admitted = time.process_time()
        for session, (effect,) in zip(sessions, effects, strict=True):
            assert isinstance(effect, Admit)  # noqa: S101 - the load sends nothing that could be refused
            framer.add(session, effect, now_s=0)
        frames = framer.due(now_s=1, flush=True)
        framed = time.process_time()
        for frame in frames:
            for session, seqs in frame.settles.items():
                session.settled(seqs)
            framer.landed(frame)
        done = time.process_time()
        for name, amount in zip(spent, (admitted - begin, framed - admitted, done - framed), strict=True):
            spent[name] += amount
    return {name: amount / (devices * rounds) * 1e6 for name, amount in spent.items()}


def _session(number: int, clock: SystemClock) -> DeviceSession:
    identity = uuid5(_SPACE, str(number))
    limits = Limits()
    session = DeviceSession(
        Device(device_id=identity, number=number + 1, wearer=identity),
        session_id=identity,
        limits=limits,
        rate=Rate(limits, now_s=clock.monotonic_s()),
        clock=clock,
        resume=None,
    )
    hello = {"type": "hello", "boot": str(identity), "model": "bench", "firmware": "1", "origin": "simulated"}
    session.receive(json.dumps({**hello, "clock": clock.wall_us() // 1000}))
    return session


def main() -> None:
    """Print the figures for messages of 1 and of 10 readings."""
    for batch in (1, 10):
        figures = measure(devices=600, batch=batch, rounds=40)
        words = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
        print(f"gateway, 50 messages of {batch} readings a frame: a message {words}")
