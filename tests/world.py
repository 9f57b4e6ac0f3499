"""A whole system without a supervisor: each part is started, stopped and kept away by the test itself."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import websockets

from infra.embedded.account import database_account
from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer, prepare_postgres
from infra.embedded.process import Program, spawn, stop
from infra.embedded.up import FAMILIES, is_healthy
from infra.settings import Settings
from infra.timescale.migrate import migrate
from infra.wiring import bootstrap_admin
from tests.embedded_services import cache_dir
from tests.running_system import RunningSystem, now_ms

T = TypeVar("T")

PARTS = ("gateway", *FAMILIES, "api")
READY_WITHIN_S = 60.0
_DAY_MS = 86_400_000


@dataclass
class World:
    """Kafka, PostgreSQL and the five processes between them, on free ports in one folder."""

    folder: Path
    kafka: KafkaNode
    postgres: PostgresServer
    ports: dict[str, int]
    extra: dict[str, str]
    admin_token: str = ""
    children: dict[str, tuple["subprocess.Popen[bytes]", Program]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What every process is told."""
        health = {name: f"http://127.0.0.1:{self.ports[name]}/health" for name in PARTS if name != "api"}
        return {
            "PULSERA_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "PULSERA_DATABASE_URL": self.postgres.url(),
            "PULSERA_DATA_DIR": str(self.folder),
            "PULSERA_API_PORT": str(self.ports["api"]),
            "PULSERA_GATEWAY_PORT": str(self.ports["devices"]),
            "PULSERA_COMPONENTS": json.dumps(health),
            **self.extra,
        }

    @property
    def settings(self) -> Settings:
        """The settings of a process of this system."""
        return Settings(kafka_bootstrap=self.kafka.bootstrap, database_url=self.postgres.url(), data_dir=self.folder)

    @property
    def system(self) -> RunningSystem:
        """The doors of the system, as `pulsera up` would tell them."""
        ready = {
            "api": f"http://127.0.0.1:{self.ports['api']}",
            "gateway": f"ws://127.0.0.1:{self.ports['devices']}",
            "admin_token": self.admin_token,
            "kafka": self.kafka.bootstrap,
            "database_url": self.postgres.url(),
        }
        return RunningSystem(ready, self.children["api"][0], self.folder)

    def start(self, *names: str) -> None:
        """Start parts and wait until each is ready."""
        for name in names:
            self.children[name] = self._spawned(name)
        deadline = time.monotonic() + READY_WITHIN_S
        for name in names:
            while not self._is_ready(name):
                child = self.children[name][0]
                assert child.poll() is None, f"{name} ended: {self.log(name)[-2000:]}"
                assert time.monotonic() < deadline, f"{name} is not ready: {self.log(name)[-2000:]}"
                time.sleep(0.05)

    async def back(self, *names: str) -> None:
        """Start parts from inside a test, and wait until each is ready.

        They are started by this thread: Linux ends a child with the thread that started it.
        """
        for name in names:
            self.begin(name)
        async with asyncio.timeout(READY_WITHIN_S):
            for name in names:
                while not await asyncio.to_thread(self._is_ready, name):
                    assert self.children[name][0].poll() is None, f"{name} ended: {self.log(name)[-2000:]}"
                    await asyncio.sleep(0.05)

    def begin(self, name: str) -> None:
        """Start a part and do not wait for it."""
        self.children[name] = self._spawned(name)

    def end(self, *names: str, kill: bool = False) -> None:
        """Stop parts in their own manner, or kill them."""
        for name in names:
            child, program = self.children[name]
            if kill and child.poll() is None:
                child.send_signal(program.death_signal)
            stop(child, program, within_s=20)

    def log(self, name: str) -> str:
        """What a part printed."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def rss_mib(self, name: str) -> float:
        """Resident memory of a part."""
        return float(psutil.Process(self.children[name][0].pid).memory_info().rss) / 2**20

    def frozen(self, name: str, *, on: bool) -> None:
        """Stop (SIGSTOP) or continue a part and all its children: its port takes connections, nobody answers."""
        process = psutil.Process(self.children[name][0].pid)
        for one in (process, *process.children(recursive=True)):
            one.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def pulsera(self, *arguments: str, within_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run the command line against this system."""
        command = [sys.executable, "-m", "infra.cli", *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=within_s)

    def _spawned(self, name: str) -> tuple["subprocess.Popen[bytes]", Program]:
        program = self._program(name)
        return spawn(program, log=self.folder / "logs" / f"{name}.log"), program

    def _program(self, name: str) -> Program:
        if name == "kafka":
            return prepare_kafka(self.kafka)
        if name == "postgres":
            return prepare_postgres(self.postgres)
        command = (name,) if name in {"gateway", "api"} else ("worker", name)
        env = self.environment | {"PULSERA_METRICS_PORT": str(self.ports[name] if name != "api" else 0)}
        return Program(command=(sys.executable, "-m", "infra.cli", *command), env=env)

    def _is_ready(self, name: str) -> bool:
        if name == "kafka":
            return self.kafka.is_ready()
        if name == "postgres":
            return self.postgres.is_ready()
        return is_healthy(f"http://127.0.0.1:{self.ports[name]}/health")


@contextmanager
def world(*, extra: dict[str, str] | None = None, parts: tuple[str, ...] = PARTS) -> Iterator[World]:
    """Run a migrated system until the context ends."""
    with tempfile.TemporaryDirectory(prefix="pulsera-world-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        kafka_port, controller_port, postgres_port, *free = free_ports(4 + len(PARTS))
        made = World(
            folder=folder,
            kafka=KafkaNode(
                data_dir=folder / "kafka", cache_dir=cache_dir(), port=kafka_port, controller_port=controller_port
            ),
            postgres=PostgresServer(data_dir=folder, port=postgres_port, account=database_account()),
            ports=dict(zip((*PARTS, "devices"), free, strict=True)),
            extra=extra or {},
        )
        try:
            made.start("kafka", "postgres")
            beside_the_loop(migrate(made.settings))
            made.admin_token, _ = beside_the_loop(bootstrap_admin(made.settings, None))
            made.start(*parts)
            yield made
        finally:
            order = [one for one in (*PARTS, "kafka", "postgres") if one in made.children]
            for child in order:
                if made.children[child][0].poll() is None:
                    made.frozen(child, on=False)
            made.end(*order, kill=True)


def beside_the_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from a fixture, which has no loop, without touching the tests' own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass
class PatientDevice:
    """Sends messages at a pace, obeys `throttle`, keeps what is not acknowledged and sends it again."""

    url: str
    token: str
    every_s: float = 0.1
    readings: int = 1
    motion: float = 0.3
    slowest_bpm: int = 60
    boot: str = field(default_factory=lambda: str(uuid.uuid4()))
    waiting: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    acked: dict[int, float] = field(default_factory=dict)
    seq: int = 0
    connections: int = 0
    throttled: int = 0
    last_ms: int = 0

    def make(self) -> int:
        """Make the next message of readings that no other has the time of; return its number."""
        self.seq += 1
        begin = max(self.last_ms + 1, now_ms() - self.readings)
        self.waiting[self.seq] = [
            {
                "time": begin + number,
                "source": "watch",
                "worn": True,
                "quality": 0.9,
                "heart_rate": self.slowest_bpm + (begin + number) % 40,
                "motion": self.motion,
            }
            for number in range(self.readings)
        ]
        self.last_ms = begin + self.readings - 1
        return self.seq

    def past(self, seconds: int) -> None:
        """Measure once a second in the time before now."""
        begin = now_ms() - seconds * 1000
        self.seq += 1
        self.waiting[self.seq] = [
            {
                "time": begin + second * 1000,
                "source": "watch",
                "worn": True,
                "quality": 0.9,
                "heart_rate": self.slowest_bpm + second % 40,
                "motion": self.motion,
            }
            for second in range(seconds)
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop and everything is acknowledged."""
        while not (stop.is_set() and not self.waiting):
            try:
                await self._connection(stop)
            except* (OSError, websockets.WebSocketException, TimeoutError):
                await asyncio.sleep(0.2)

    async def _connection(self, stop: asyncio.Event) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with websockets.connect(
            self.url, additional_headers=headers, compression=None, ping_timeout=None
        ) as socket:
            self.connections += 1
            hello = {"type": "hello", "boot": self.boot, "clock": now_ms(), "origin": "live"}
            await socket.send(json.dumps(hello))
            may_send = asyncio.Event()
            may_send.set()
            async with asyncio.TaskGroup() as both:
                listening = both.create_task(self._listen(socket, stop, may_send))
                both.create_task(self._talk(socket, stop, listening, may_send))

    async def _talk(self, socket: Any, stop: asyncio.Event, listening: "asyncio.Task[None]", ok: asyncio.Event) -> None:
        for seq in sorted(self.waiting):
            await self._send(socket, seq)
        while not listening.done() and not stop.is_set():
            if ok.is_set():
                await self._send(socket, self.make())
            await asyncio.sleep(self.every_s)

    async def _send(self, socket: Any, seq: int) -> None:
        await socket.send(json.dumps({"type": "readings", "seq": seq, "readings": self.waiting[seq]}))

    async def _listen(self, socket: Any, stop: asyncio.Event, may_send: asyncio.Event) -> None:
        while not (stop.is_set() and not self.waiting):
            try:
                answer = json.loads(await asyncio.wait_for(socket.recv(), 0.2))
            except TimeoutError:
                continue
            assert answer["type"] not in {"nack", "error"}, answer
            if answer["type"] == "throttle":
                self.throttled += 1
                may_send.clear()
                asyncio.get_running_loop().call_later(answer["retry_after_ms"] / 1000, may_send.set)
            if answer["type"] == "ack":
                for seq in [seq for seq in self.waiting if seq <= answer["seq"]]:
                    self.acked.update({one["time"]: one["heart_rate"] for one in self.waiting.pop(seq)})


async def stored(system: RunningSystem, wearer: str) -> dict[int, float]:
    """Return what is stored of a wearer from a week ago to tomorrow, time in ms -> heart rate."""
    rows: dict[int, float] = {}
    span = {"limit": "1000", "from": str(now_ms() - 7 * _DAY_MS), "to": str(now_ms() + _DAY_MS)}
    cursor: str | None = None
    headers = {"Authorization": f"Bearer {system.ready['admin_token']}"}
    async with httpx.AsyncClient(base_url=system.api, headers=headers, timeout=30) as client:
        while True:
            query = span | ({"cursor": cursor} if cursor else {})
            page = (await client.get(f"/wearers/{wearer}/readings", params=query)).raise_for_status().json()
            for row in page["items"]:
                rows[round(datetime.fromisoformat(row["time"]).timestamp() * 1000)] = row["heart_rate"]
            if not (cursor := page["cursor"]):
                return rows


async def ready_parts(system: RunningSystem) -> tuple[int, dict[str, Any]]:
    """Return the status of /ready and what it says of each part."""
    async with httpx.AsyncClient(base_url=system.api, timeout=20) as client:
        answer = await client.get("/ready")
    return answer.status_code, dict(answer.json()["components"])


def figure(text: str, name: str) -> float:
    """Return the sum of a metric's samples in the text format of Prometheus, 0 where it has none."""
    lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
