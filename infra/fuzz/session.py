"""Spoiled device messages against the session, in this process: whatever comes, it answers as documented."""

from random import Random
from typing import Any, Final
from uuid import UUID

import h3.api.basic_int as h3
import msgspec
import numpy as np

from infra.fuzz.documented import DEVICE_CLOSES, device_fault
from infra.fuzz.figures import Figures, Memory
from infra.fuzz.spoil import Spoiler
from infra.fuzz.valid import NOW_MS, device_message, hello
from ingest.admission import Limits, Rate
from ingest.columns import batch_of
from ingest.effects import Admit, Close, Effect, Pause, Send
from ingest.encoding import JSON, MSGPACK
from ingest.ports import Device
from ingest.session import DeviceSession
from schemas.frame import CELL_RESOLUTION, encode
from schemas.vitals import VITALS
from stream_processors.operators.readings import read

ANSWER_MOST_BYTES: Final = 2 * 1_048_576
"""A nack of 500 readings in which nothing is right."""

_MESSAGES_A_SESSION: Final = 24
_FRAME_OF: Final = 64
_LIMITS: Final = Limits()
_LOWEST: Final = np.array([vital.plausible[0] for vital in VITALS])
_HIGHEST: Final = np.array([vital.plausible[1] for vital in VITALS])


class StandingClock:
    """A clock that stands at the present of the fuzzing and moves a millisecond a message."""

    def __init__(self) -> None:
        self.passed_ms = 0

    def wall_us(self) -> int:
        """Return microseconds since 1970."""
        return (NOW_MS + self.passed_ms) * 1000

    def monotonic_s(self) -> float:
        """Return seconds."""
        return self.passed_ms / 1000


class SessionFuzz:
    """One run: sessions that come and go, and what they admitted, which every family must be able to read."""

    def __init__(self, seed: int) -> None:
        self.figures = Figures(target="session", seed=seed)
        self._random = Random(seed)
        self._spoiler = Spoiler(seed)
        self._clock = StandingClock()
        self._session: DeviceSession | None = None
        self._encoding = JSON
        self._left = 0
        self._seq = 0
        self._waiting: list[int] = []
        self._admitted: list[Admit] = []

    def run(self, frames: int) -> Figures:
        """Feed so many messages, and return what came of them."""
        memory = Memory(self.figures)
        for number in range(frames):
            if number == frames // 2:
                self._look_at_frame()
                memory.half()
            self._one()
        self._look_at_frame()
        self._session, self._waiting = None, []
        memory.end()
        return self.figures

    def _one(self) -> None:
        session = self._session
        if session is None or self._left == 0:
            session = self._session = self._opened()
        self._left -= 1
        self._clock.passed_ms += 1
        data, text = self._message()
        try:
            self._look(session, session.text(data) if text else session.binary(data), data)
            if self._waiting and self._random.random() < 0.3:
                settled, self._waiting = self._waiting, []
                self._look(session, session.settled(settled), data)
        except Exception as error:  # noqa: BLE001 - that none escapes is what is tested
            self.figures.fault(f"{type(error).__name__} escaped: {error}", data)
            self._session = None
        self.figures.frames += 1

    def _opened(self) -> DeviceSession:
        """Open a session; three of four are greeted."""
        self._encoding = self._random.choice((JSON, JSON, MSGPACK))
        device = Device(device_id=UUID(int=1), number=self._random.randint(1, 900), wearer=UUID(int=7))
        session = DeviceSession(
            device,
            session_id=UUID(int=2),
            limits=_LIMITS,
            rate=Rate(_LIMITS, now_s=self._clock.monotonic_s()),
            clock=self._clock,
            resume=None,
            encoding=self._encoding,
        )
        self._left, self._seq, self._waiting = self._random.randint(1, _MESSAGES_A_SESSION), 1, []
        if self._random.random() < 0.75:
            self._receive(session, self._plain(hello(self._random, NOW_MS + self._clock.passed_ms)))
        return session

    def _receive(self, session: DeviceSession, data: bytes) -> list[Effect]:
        return session.text(data) if self._encoding.text else session.binary(data)

    def _plain(self, message: dict[str, Any]) -> bytes:
        return msgspec.json.encode(message) if self._encoding.text else msgspec.msgpack.encode(message)

    def _message(self) -> tuple[bytes, bool]:
        """Return a message, and whether it is sent as text."""
        made = device_message(self._random, self._seq, NOW_MS + self._clock.passed_ms)
        chance = self._random.random()
        if chance < 0.15:
            self._seq += 1
            return self._plain(made), self._encoding.text
        if chance < 0.2:
            header = self._spoiler.json({"type": "video", "seq": self._seq, "sizes": [3], "times": [0]})
            return self._spoiler.octets(len(header).to_bytes(4, "big") + header + b"jpg"), False
        data = self._spoiler.json(made) if self._encoding.text else self._spoiler.msgpack(made)
        return data, self._encoding.text if chance > 0.23 else not self._encoding.text

    def _look(self, session: DeviceSession, effects: list[Effect], data: bytes) -> None:
        if not effects and session.greeted:
            self.figures.answers["(nothing)"] += 1
        for effect in effects:
            if isinstance(effect, Admit):
                self._take(effect, data)
            elif isinstance(effect, Send):
                self._answer(effect, data)
            elif isinstance(effect, Close):
                self._session = None
                self.figures.answers[f"close {effect.code}"] += 1
                if effect.code not in DEVICE_CLOSES or len(effect.reason.encode()) > 123:
                    self.figures.fault(f"an undocumented close {effect}", data)
            elif isinstance(effect, Pause) and not 0 < effect.seconds < 60:
                self.figures.fault(f"a pause of {effect.seconds} s", data)

    def _answer(self, effect: Send, data: bytes) -> None:
        encoded = self._encoding.encode(effect.answer)
        told: Any = msgspec.json.decode(encoded) if self._encoding.text else msgspec.msgpack.decode(encoded)
        self.figures.answers[f"{told['type']} {told.get('code', '')}".strip()] += 1
        fault = device_fault(told)
        if fault is not None or len(encoded) > ANSWER_MOST_BYTES:
            self.figures.fault(fault or f"an answer of {len(encoded)} bytes", data)

    def _take(self, admit: Admit, data: bytes) -> None:
        """Check what was admitted value by value; a full list becomes a frame that every family must read."""
        self.figures.answers["admitted readings"] += admit.rows.count
        vitals = np.array([admit.rows.table[vital.name] for vital in VITALS]).T
        if ((vitals < _LOWEST) | (vitals > _HIGHEST) | np.isinf(vitals)).any():
            self.figures.fault("a value outside its range was admitted", data)
        cell = admit.provenance.cell
        if cell and (not h3.is_valid_cell(cell) or h3.get_resolution(cell) != CELL_RESOLUTION):
            self.figures.fault("a place that is no cell was taken", data)
        now_ms = NOW_MS + self._clock.passed_ms
        sent = admit.rows.table["time_ms"]
        latest = sent.max() + admit.provenance.correction_ms
        if latest > now_ms + _LIMITS.ahead_ms or sent.min() < now_ms - _LIMITS.retention_ms:
            self.figures.fault("a time that is not believable was admitted", data)
        self._waiting.append(admit.seq)
        self._admitted.append(admit)
        if len(self._admitted) >= _FRAME_OF:
            self._look_at_frame()

    def _look_at_frame(self) -> None:
        if not self._admitted:
            return
        try:
            found = read(encode(batch_of(self._admitted)), append_ms=NOW_MS + self._clock.passed_ms)
        except Exception as error:  # noqa: BLE001 - as above
            self.figures.fault(f"what was admitted makes no frame: {type(error).__name__} {error}")
        else:
            self.figures.answers["frames of it read"] += 1
            if found is None or found.rows != sum(admit.rows.count for admit in self._admitted):
                self.figures.fault("a frame of what was admitted has other rows")
        self._admitted = []
