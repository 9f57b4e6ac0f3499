"""Spoiled handshakes, frames and messages through real sockets of a running system, which must live and forget them."""

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import psutil

from infra.bench.path import running_system
from infra.fuzz.documented import (
    DEVICE_CLOSES,
    HTTP_REFUSALS,
    LIVE_CLOSES,
    WIRE_CLOSES,
    device_fault,
    live_fault,
)
from infra.fuzz.figures import Figures
from infra.fuzz.spoil import Spoiler
from infra.fuzz.valid import device_message, hello, live_message
from infra.fuzz.wire import PING, SYNC, TEXT, WireSpoiler, frame, handshake, listen, status_of
from schemas.device_protocol import SUBPROTOCOL_JSON
from schemas.live_protocol import SUBPROTOCOL

WORKERS: Final = 8
RSS_MOST_MIB: Final = 24.0
"""What a process may grow in the second half of a run."""

_MESSAGES_A_SOCKET: Final = 12
_FDS_MORE: Final = 4
_SETTLED_WITHIN_S: Final = 20.0
_CLOSED_WITHIN_S: Final = 10.0
_MIB: Final = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One kind of socket: where it is, who serves it, and what it may say."""

    name: str
    url: str
    protocol: str
    process: str
    gauge: str
    closes: frozenset[int]
    fault: Callable[[Any], str | None]


def doors(ready: dict[str, Any]) -> dict[str, Door]:
    """Return the doors of a system by the fuzzing's names for them, from its ready line."""
    device = Door(
        name="device-socket", url=f"{ready['gateway']}/devices/stream", protocol=SUBPROTOCOL_JSON, process="gateway",
        gauge="pulsera_sessions", closes=DEVICE_CLOSES, fault=device_fault,
    )  # fmt: skip
    live = Door(
        name="live-socket", url=f"{ready['api']}/live", protocol=SUBPROTOCOL, process="api",
        gauge="pulsera_live_clients", closes=LIVE_CLOSES, fault=live_fault,
    )  # fmt: skip
    return {door.name: door for door in (device, live)}


async def fuzz_a_system(names: Sequence[str], *, frames: int, seed: int) -> list[Figures]:
    """Start a system of its own, fuzz the doors named, and stop it."""
    with tempfile.TemporaryDirectory(prefix="pulsera-fuzz-") as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240 - the database may run as another user and must reach its files
        async with running_system(Path(folder) / "data") as ready:
            logs = Path(folder) / "data" / "logs"
            return [await SocketFuzz(name, ready, seed, logs=logs).run(frames) for name in names]


class SocketFuzz:
    """One run against one door of a running system."""

    def __init__(self, name: str, ready: dict[str, Any], seed: int, *, logs: Path) -> None:
        """`ready` is the ready line of `pulsera up`, `logs` where its parts write theirs."""
        self.figures = Figures(target=name, seed=seed)
        self._door = doors(ready)[name]
        self._log = logs / f"{self._door.process}.log"
        self._ready = ready
        self._random = Random(seed)
        self._spoiler = Spoiler(seed)
        self._wire = WireSpoiler(self._random)
        self._wearers: list[Any] = []
        self._began = time.monotonic()

    async def run(self, frames: int) -> Figures:
        """Send so many messages over sockets that come and go, and look at the process before and after."""
        tokens = await self._people()
        lines = len(_errors(self._log))
        pid = self._ready["pids"][self._door.process]
        process = psutil.Process(pid)
        await self._some(tokens, frames // 20 + 1)
        await self._settled()
        fds = process.num_fds()
        await self._some(tokens, frames // 2)
        half_mib = process.memory_info().rss / _MIB
        await self._some(tokens, frames)
        await self._settled()
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            self.figures.fault("the process has died")
            return self.figures
        grown_mib, more = process.memory_info().rss / _MIB - half_mib, process.num_fds() - fds
        self.figures.measured |= {"RSS grown MiB": grown_mib, "descriptors more": more}
        if grown_mib > RSS_MOST_MIB or more > _FDS_MORE:
            self.figures.fault(f"the process kept {grown_mib:.1f} MiB and {more} descriptors more")
        await self._still_serves(tokens[0])
        for line in _errors(self._log)[lines:][:3]:
            self.figures.fault(f"the process logged an error: {line[:2_000]}")
        self.figures.seconds = time.monotonic() - self._began
        return self.figures

    async def _some(self, tokens: Sequence[str], upto: int) -> None:
        async def work(token: str) -> None:
            while self.figures.frames < upto:
                await self._socket(token)

        async with asyncio.TaskGroup() as group:
            for token in tokens:
                group.create_task(work(token))

    async def _people(self) -> list[str]:
        """Return a token for each worker: of a device, or of a user with a grant."""
        headers = {"Authorization": f"Bearer {self._ready['admin_token']}"}
        async with httpx.AsyncClient(base_url=self._ready["api"], headers=headers, timeout=30) as http:
            wearer = (await http.post("/wearers", json={"name": "Fuzzed"})).raise_for_status().json()["wearer_id"]
            self._wearers = [wearer, "00000000-0000-7000-8000-000000000000"]
            tokens = []
            for number in range(WORKERS):
                if self._door.process == "gateway":
                    made = await http.post(f"/wearers/{wearer}/devices", json={"model": f"fuzzed {number}"})
                else:
                    made = await http.post("/users", json={"name": f"Fuzzed {number}"})
                    path = f"/wearers/{wearer}/carers/{made.raise_for_status().json()['user_id']}"
                    scopes = ["readings", "scores", "alerts"]
                    (await http.put(path, json={"scopes": scopes})).raise_for_status()
                tokens.append(made.raise_for_status().json()["token"])
        return tokens

    async def _socket(self, token: str) -> None:
        """Open one socket, sometimes with a spoiled handshake, say some messages, and go away in some manner."""
        parts = urlsplit(self._door.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            request = handshake(parts.netloc, parts.path, self._door.protocol, token)
            spoiled = self._random.random() < 0.1
            writer.write(self._spoiler.octets(request) if spoiled else request)
            status = await status_of(reader)
            self.figures.answers[f"HTTP {status}"] += 1
            if status is not None and status != 101 and status not in HTTP_REFUSALS:
                self.figures.fault(f"HTTP {status}", request)
            if spoiled or status != 101:
                self.figures.frames += 1
                return
            await self._converse(reader, writer)
        except ConnectionError:
            self.figures.answers["connection cut"] += 1
        finally:
            await _closed(writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._door.process == "gateway" and self._random.random() < 0.9:
            writer.write(frame(TEXT, msgspec.json.encode(hello(self._random, _now_ms()))))
        for number in range(self._random.randint(1, _MESSAGES_A_SOCKET)):
            message = self._message(number + 1)
            sent, whole = self._wire.frames(message)
            self.figures.frames += 1
            if self._random.random() < 0.03:  # go away in the middle of a frame
                writer.write(sent[: self._random.randrange(len(sent) + 1)])
                return
            writer.write(sent + frame(PING, SYNC))
            heard = await listen(reader, whole=whole)
            self._look(heard.texts, heard.code, sent)
            if heard.end != "pong":
                self.figures.answers[heard.end] += 1
                return

    def _message(self, seq: int) -> bytes:
        if self._door.process == "gateway":
            made = device_message(self._random, seq, _now_ms())
        else:
            made = live_message(self._random, self._wearers, [])
        return msgspec.json.encode(made) if self._random.random() < 0.4 else self._spoiler.json(made)

    def _look(self, texts: Sequence[bytes], code: int | None, sent: bytes) -> None:
        if code is not None:
            self.figures.answers[f"close {code}"] += 1
            if code not in self._door.closes | WIRE_CLOSES:
                self.figures.fault(f"an undocumented close {code}", sent)
        for text in texts:
            told = msgspec.json.decode(text)
            self.figures.answers[f"{told['type']} {told.get('code', '')}".strip()] += 1
            fault = self._door.fault(told)
            if fault is not None:
                self.figures.fault(fault, sent)

    async def _settled(self) -> None:
        """Wait until the process holds no socket of ours any more."""
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        pattern = re.compile(rf"^{self._door.gauge} (\S+)", re.MULTILINE)
        left: float | None = None
        async with httpx.AsyncClient(timeout=10) as http:
            while time.monotonic() < deadline:
                found = pattern.search((await http.get(self._ready["metrics"][self._door.process])).text)
                left = float(found.group(1)) if found else None
                if left == 0:
                    return
                await asyncio.sleep(0.2)
        self.figures.fault(f"{left} sockets are still counted after {_SETTLED_WITHIN_S:.0f} s")

    async def _still_serves(self, token: str) -> None:
        """Open one more socket and have one good message answered."""
        parts = urlsplit(self._door.url)
        greeting = handshake(parts.netloc, parts.path, self._door.protocol, token)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            await self._one_good_message(reader, writer, greeting)
        finally:
            await _closed(writer)

    async def _one_good_message(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, greeting: bytes
    ) -> None:
        writer.write(greeting)
        if await status_of(reader) != 101:
            self.figures.fault("a good client is not let in any more")
        wanted = "ack"
        if self._door.process == "gateway":
            writer.write(frame(TEXT, msgspec.json.encode(hello(self._random, _now_ms()))))
            message: dict[str, Any] = {"type": "readings", "seq": 1, "readings": [{"time": _now_ms(), "spo2": 97}]}
        else:
            wanted = "snapshot"
            message = {"type": "subscribe", "id": 1, "topic": "readings"}
        writer.write(frame(TEXT, msgspec.json.encode(message)))
        kinds: set[str] = set()
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while wanted not in kinds and time.monotonic() < deadline:
            heard = await listen(reader, whole=False)
            kinds |= {msgspec.json.decode(text)["type"] for text in heard.texts}
        if wanted not in kinds:
            self.figures.fault(f"a good client is answered {sorted(kinds)}, not {wanted}")


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection and return once it is, cut off where the process does not read what is left."""
    writer.close()
    try:
        async with asyncio.timeout(_CLOSED_WITHIN_S):
            await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()
    except OSError:  # reset by the process, which closes it too
        return


def _errors(log: Path) -> list[str]:
    """Return the lines in which a process speaks of an error; what escapes a handler ends there."""
    words = ('"level": "error"', '"level": "critical"', "Traceback")
    return [line for line in log.read_text(errors="replace").splitlines() if any(word in line for word in words)]


def _now_ms() -> int:
    return int(time.time() * 1000)
