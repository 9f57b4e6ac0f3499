"""One device of the load: it disconnects, repeats, splits, reorders, falls silent, and keeps what is unacknowledged."""

import asyncio
import json
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.bench.wire import DeviceWire
from infra.chaos.journal import Journal, Part
from infra.chaos.made_readings import ALL, CALM, HALVES, Texts

REPEATED: Final = 0.01
SPLIT: Final = 0.01
REORDERED: Final = 0.01
"""Share of messages that are followed by one sent before, that go out in two, that begin a shuffled run."""
RUN: Final = 4
SILENT_S: Final = 20.0
BATCHES: Final = (1, 20, 100)
"""Readings in a message of a backlog, drawn anew for each."""
CONNECT_WITHIN_S: Final = 15.0
UNHEARD_S: Final = 60.0
"""A device that hears no ack for so long connects again; docs/protocol.md asks for at least as much patience."""
MOST_WAITING: Final = 3_000
"""Messages that a device keeps; then it measures nothing more until some are acknowledged."""


@dataclass(slots=True)
class Message:
    """One message until its ack: what it holds, and when it was sent first (0: not yet)."""

    seq: int
    parts: Sequence[Part]
    first_sent_s: float = 0.0
    located_ms: int = 0
    """When the device told where it is, if it is that which the message tells."""


@dataclass(slots=True)
class Doings:
    """What all devices did and met, counted."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    worst_ack_s: float = 0.0
    acked_messages: int = 0
    acked_readings: int = 0

    def refuse(self, words: str) -> None:
        """Keep the first refusals word for word; every message of the load is valid, so each is a breach."""
        self.counts["refused"] += 1
        if len(self.refused) < 20:  # noqa: PLR2004 - enough to see what kind they are
            self.refused.append(words)


@dataclass(frozen=True, slots=True)
class Shop:
    """What all devices share."""

    host: str
    port: int
    texts: Texts
    journal: Journal
    doings: Doings
    place: tuple[float, float] | None = None
    """Where all of them are, in degrees; None: they do not tell."""


class Device:
    """A device with its own randomness; `make` measures, `run` keeps it connected."""

    def __init__(self, shop: Shop, *, index: int, token: str, seed: int) -> None:
        self.index = index
        self.silent = False
        self.last_ack_s = time.monotonic()
        self.waiting: deque[Message] = deque()
        self._shop = shop
        self._token = token
        self._random = random.Random(seed * 1_000_003 + index)  # noqa: S311 - repeatable, not secret
        self._boot = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        self._wire: DeviceWire | None = None
        self._seq = 0
        self._sent_seq = 0
        self._resumes_s = 0.0
        self._last_time_ms = 0
        self._acked_parts: deque[Part] = deque(maxlen=64)
        self._run: list[Part] = []
        self._later: deque[tuple[int, Part]] = deque()
        self._backlog: list[Part] = []

    def measure(self, now_ms: int, variant: int | None = None) -> Part:
        """Return a new reading; no two of a device are of the same millisecond."""
        self._last_time_ms = max(self._last_time_ms + 1, now_ms)
        return self._last_time_ms, self._random.randrange(CALM) if variant is None else variant, ALL

    def make(self, now_ms: int) -> int:
        """Measure once, and return how many messages that has put on the way."""
        if len(self.waiting) > MOST_WAITING:
            self._shop.doings.counts["held_back"] += 1
            return 0
        part = self.measure(now_ms)
        if self.silent:
            self._backlog.append(part)
            return 0
        before, drawn = self._seq, self._random.random()
        if self._run or drawn < REORDERED:
            self._shuffle(part)
        elif drawn < REORDERED + SPLIT:
            self._split(part)
        else:
            self.enqueue([part])
            if drawn > 1 - REPEATED and self._acked_parts:
                self._shop.doings.counts["repeated"] += 1
                self.enqueue([self._random.choice(self._acked_parts)])
        while self._later and self._later[0][0] <= self._seq:
            self.enqueue([self._later.popleft()[1]])
        self.flush()
        return self._seq - before

    def _shuffle(self, part: Part) -> None:
        self._run.append(part)
        if len(self._run) == RUN:
            self._shop.doings.counts["reordered"] += 1
            self._random.shuffle(self._run)
            for each in self._run:
                self.enqueue([each])
            self._run.clear()

    def _split(self, part: Part) -> None:
        self._shop.doings.counts["split"] += 1
        time_ms, variant, _ = part
        first, second = self._random.sample(HALVES, 2)
        self.enqueue([(time_ms, variant, first)])
        self._later.append((self._seq + 3, (time_ms, variant, second)))

    def enqueue(self, parts: Sequence[Part], *, located_ms: int = 0) -> None:
        """Put one message on the way, of readings or of where the device is since a moment; `flush` sends it."""
        self._seq += 1
        self.waiting.append(Message(self._seq, parts, located_ms=located_ms))

    def flush(self) -> None:
        """Send what this connection has not carried yet, unless the gateway asked to hold back."""
        wire = self._wire
        if wire is None or not self.waiting or self.waiting[-1].seq <= self._sent_seq:
            return
        now_s = time.monotonic()
        if now_s < self._resumes_s:
            return
        for at in range(max(0, self._sent_seq - self.waiting[0].seq + 1), len(self.waiting)):
            message = self.waiting[at]
            wire.send(self._payload(message))
            message.first_sent_s = message.first_sent_s or now_s
        self._sent_seq = self.waiting[-1].seq

    def _payload(self, message: Message) -> bytes:
        if message.located_ms and self._shop.place is not None:
            at = message.seq, message.located_ms, *self._shop.place
            return b'{"type":"location","seq":%d,"time":%d,"latitude":%f,"longitude":%f}' % at
        reading = self._shop.texts.reading
        rows = b",".join(reading(*part) for part in message.parts)
        return b'{"type":"readings","seq":%d,"readings":[%b]}' % (message.seq, rows)

    def drop(self) -> None:
        """Cut the connection without a goodbye, in the middle of whatever is not acknowledged."""
        if self._wire is not None:
            self._shop.doings.counts["disconnected"] += 1
            self._wire.abort()

    def fall_silent(self) -> None:
        """Measure on without sending, until `speak`."""
        self.settle()
        self.silent = True
        self._shop.doings.counts["late_burst"] += 1
        self.drop()

    def speak(self) -> None:
        """Put the backlog on the way, before anything that is measured from now on."""
        self.silent = False
        self.last_ack_s = time.monotonic()
        for message in self.waiting:
            message.first_sent_s = 0.0  # the device's own silence is no wait for the gateway
        size = self._random.choice(BATCHES)
        for at in range(0, len(self._backlog), size):
            self.enqueue(self._backlog[at : at + size])
        self._backlog = []
        self.flush()

    def settle(self) -> None:
        """Put on the way what a shuffled run or a split reading still holds back."""
        for part in (*self._run, *(part for _, part in self._later)):
            self.enqueue([part])
        self._run.clear()
        self._later.clear()
        self.flush()

    def oldest_unacked_s(self, now_s: float) -> float:
        """Return for how long the oldest message that was sent waits for its ack."""
        return now_s - self.waiting[0].first_sent_s if self.waiting and self.waiting[0].first_sent_s else 0.0

    async def run(self) -> None:
        """Stay connected until cancelled, except while silent."""
        while True:
            if self.silent:
                await asyncio.sleep(0.1)
                continue
            try:
                await self._connection()
            except (OSError, TimeoutError) as error:
                self._shop.doings.counts[f"not connected: {str(error) or type(error).__name__}"[:80]] += 1
            await asyncio.sleep(self._random.uniform(0.1, 0.8))

    async def _connection(self) -> None:
        shop, loop = self._shop, asyncio.get_running_loop()
        wire: DeviceWire | None = None
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                _, wire = await loop.create_connection(
                    lambda: DeviceWire(shop.host, self._token, self._on_text), shop.host, shop.port
                )
                await wire.opened
            hello = {"type": "hello", "boot": self._boot, "model": "chaos", "firmware": "1", "origin": "simulated"}
            wire.send(json.dumps({**hello, "clock": int(time.time() * 1000)}).encode())
            self._sent_seq = self.waiting[0].seq - 1 if self.waiting else self._seq
            self._wire, self._resumes_s = wire, 0.0
            if shop.place is not None:
                self.enqueue((), located_ms=int(time.time() * 1000))
            self.flush()
            await self._until_closed(wire)
        finally:
            self._wire = None
            if wire is not None:
                wire.abort()

    async def _until_closed(self, wire: DeviceWire) -> None:
        while not wire.closed.done():
            await asyncio.wait({wire.closed}, timeout=1.0)
            if self.oldest_unacked_s(time.monotonic()) > UNHEARD_S and time.monotonic() - self.last_ack_s > UNHEARD_S:
                self._shop.doings.counts["unheard"] += 1
                self.last_ack_s = time.monotonic()
                return
            self.flush()
        self._shop.doings.counts[f"closed: {wire.closed.result()}"[:80]] += 1

    def _on_text(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"ack"'):
            self._take_ack(int(json.loads(payload)["seq"]))
        elif payload.startswith(b'{"type":"throttle"'):
            self._shop.doings.counts["throttled"] += 1
            self._resumes_s = time.monotonic() + json.loads(payload)["retry_after_ms"] / 1000
        elif not payload.startswith(b'{"type":"welcome"'):
            self._shop.doings.refuse(payload[:200].decode(errors="replace"))

    def _take_ack(self, seq: int) -> None:
        now_s, doings = time.monotonic(), self._shop.doings
        self.last_ack_s = now_s
        doings.worst_ack_s = max(doings.worst_ack_s, self.oldest_unacked_s(now_s))
        while self.waiting and self.waiting[0].seq <= min(seq, self._sent_seq):
            message = self.waiting.popleft()
            self._shop.journal.write(self.index, message.parts, acked=True)
            doings.acked_messages += 1
            doings.acked_readings += len(message.parts)
            self._acked_parts.extend(message.parts[-1:])

    def give_up(self) -> None:
        """Note what was never acknowledged."""
        for message in self.waiting:
            self._shop.journal.write(self.index, message.parts, acked=False)
