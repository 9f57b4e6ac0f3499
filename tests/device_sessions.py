"""Device sessions with clocks that a test moves, and the messages that they are fed."""

import json
import math
from typing import Any
from uuid import UUID

from ingest.admission import Limits, Rate
from ingest.effects import Admit, Close, Effect, Send
from ingest.encoding import JSON, Encoding
from ingest.ports import Device
from ingest.rows import WORN_UNKNOWN
from ingest.session import DeviceSession
from schemas.device_protocol import Ack, Error, Nack, Rejected, Throttle

NOW_MS = 1_795_248_000_000
"""2026-11-21T08:00:00Z, the present of these tests."""
WEARER = UUID("0198a000-0000-7000-8000-000000000001")
DEVICE = Device(device_id=UUID("0198a000-0000-7000-8000-000000000002"), number=7, wearer=WEARER)
BOOT = UUID("0198a000-0000-7000-8000-000000000003")
SESSION = UUID("0198a000-0000-7000-8000-000000000004")


class ManualClock:
    """Two clocks that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def wall_us(self) -> int:
        """Return the present of the tests plus what was moved."""
        return NOW_MS * 1000 + round(self.now_s * 1e6)

    def monotonic_s(self) -> float:
        """Return the seconds moved."""
        return self.now_s


def open_session(
    clock: ManualClock | None = None,
    *,
    limits: Limits | None = None,
    resume: tuple[UUID, int] | None = None,
    encoding: Encoding = JSON,
) -> DeviceSession:
    """Return a session that has not heard anything yet."""
    clock, limits = clock or ManualClock(), limits or Limits()
    rate = Rate(limits, now_s=clock.monotonic_s())
    return DeviceSession(
        DEVICE, session_id=SESSION, limits=limits, rate=rate, clock=clock, resume=resume, encoding=encoding
    )


def greeted(clock: ManualClock | None = None, /, *, limits: Limits | None = None, **hello: Any) -> DeviceSession:
    """Return a session that has answered hello."""
    session = open_session(clock, limits=limits)
    session.receive(hello_text(**hello))
    return session


def hello_text(**fields: Any) -> str:
    """Return a hello of a device whose clock is right."""
    return json.dumps({"type": "hello", "boot": str(BOOT), "clock": NOW_MS, **fields})


def reading(**fields: Any) -> dict[str, Any]:
    """Return a reading of one vital, now."""
    return {"time": NOW_MS, "heart_rate": 72, **fields}


def readings_text(seq: Any, *readings: Any) -> str:
    """Return a readings message; NaN is written as Python writes it."""
    return json.dumps({"type": "readings", "seq": seq, "readings": list(readings)})


def admitted(effects: list[Effect]) -> list[Admit]:
    """Return what is to be made durable."""
    return [effect for effect in effects if isinstance(effect, Admit)]


def values(admit: Admit, name: str) -> list[Any]:
    """Return one column of admitted rows."""
    if name == "ibi":
        return [(admit.rows.beats or {}).get(row) for row in range(admit.rows.count)]
    column = admit.rows.table[name].tolist()
    if name == "worn":
        return [None if value == WORN_UNKNOWN else bool(value) for value in column]
    return [None if isinstance(value, float) and math.isnan(value) else value for value in column]


def acks(effects: list[Effect]) -> list[int]:
    """Return the seqs that are acknowledged."""
    return [effect.answer.seq for effect in effects if isinstance(effect, Send) and isinstance(effect.answer, Ack)]


def rejected(effects: list[Effect]) -> list[Rejected]:
    """Return everything that nacks name."""
    return [
        entry
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.answer, Nack)
        for entry in effect.answer.rejected
    ]


def codes(effects: list[Effect]) -> list[tuple[int, str, str]]:
    """Return index, field and code of everything that nacks name."""
    return [(entry.index, entry.field, entry.code) for entry in rejected(effects)]


def errors(effects: list[Effect]) -> list[Error]:
    """Return the errors that are said."""
    return [effect.answer for effect in effects if isinstance(effect, Send) and isinstance(effect.answer, Error)]


def throttles(effects: list[Effect]) -> list[int]:
    """Return the pauses that are asked for, ms."""
    return [
        effect.answer.retry_after_ms
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.answer, Throttle)
    ]


def closes(effects: list[Effect]) -> list[int]:
    """Return the close codes."""
    return [effect.code for effect in effects if isinstance(effect, Close)]
