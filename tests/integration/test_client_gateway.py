"""The device client, and the client in the documentation, against the real gateway with a log in memory."""

import asyncio
import hashlib
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest

from inference.recordings.e4 import read_e4
from inference.recordings.formats import read
from infra.clocks import SystemClock
from ingest.client.connection import DeviceClient
from ingest.client.messages import Event, Refused
from ingest.client.replay import DEMO_FOLDER, DEMO_INJECTION, ReplayPlan, replay
from ingest.gateway import Gateway, GatewaySettings
from ingest.ports import Device
from schemas.errors import DeviceStoppedError
from schemas.frame import Frame, decode

TOKEN = "the-token-of-a-device"  # noqa: S105 - known to this test alone
DEVICE = Device(device_id=UUID(int=1), number=7, wearer=UUID(int=2))
PROTOCOL_PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


class OneDevice:
    """A directory of one device."""

    async def find(self, token_sha256: bytes) -> Device | None:
        """Return the device of the token."""
        return DEVICE if token_sha256 == hashlib.sha256(TOKEN.encode()).digest() else None

    def holds(self, token_sha256: bytes, device: Device) -> bool:
        """Return that nothing was revoked."""
        return device == DEVICE and bool(token_sha256)


@dataclass(slots=True)
class Log:
    """A log in memory."""

    frames: list[Frame] = field(default_factory=list)

    async def append(self, partition: int, frame: bytes) -> None:
        """Keep a frame; heartbeats are left out."""
        assert partition >= 0
        decoded = decode(frame)
        if decoded.rows:
            self.frames.append(decoded)

    def times_ms(self) -> list[int]:
        """Return the times of all readings in order of arrival."""
        return [int(time_us) // 1000 for frame in self.frames for time_us in frame.integers("time")]


class NoMeter:
    """Counts nothing."""

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Take a duration."""

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Take a count."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Take a value."""


@asynccontextmanager
async def gateway(log: Log, *, port: int = 0) -> AsyncIterator[int]:
    """Run a gateway and lend its port; the end of the block drains it."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    served = Gateway(
        GatewaySettings(port=port, linger_s=0.01),
        directory=OneDevice(),
        appender=log,
        video=log,
        clock=SystemClock(),
        meter=NoMeter(),
    )
    task = asyncio.create_task(served.run(stop, ready=ready.set_result))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await ready if ready.done() else await _failed(task)
    finally:
        stop.set()
        await task


async def _failed(task: asyncio.Task[None]) -> int:
    await task
    raise AssertionError("The gateway ended before it was ready.")


def url(port: int) -> str:
    """Return the device socket's address."""
    return f"ws://127.0.0.1:{port}/devices/stream"


class Impatient:
    """Jitter so small that a test does not wait."""

    def uniform(self, a: float, b: float) -> float:
        """Return a tenth of the shorter delay."""
        return min(a, b) / 10


async def test_acknowledged_readings_lie_in_the_log() -> None:
    """When `drained` returns, every reading is in an appended frame, in order, with the client's origin."""
    log, now_ms = Log(), time.time_ns() // 1_000_000
    async with gateway(log) as port, DeviceClient(url(port), TOKEN, model="watch", origin="simulated") as device:
        await device.send([{"time": now_ms - place, "heart_rate": 60} for place in range(1200, 0, -1)])
        await device.drained()
        assert log.times_ms() == [now_ms - place for place in range(1200, 0, -1)]
        assert {int(code) for frame in log.frames for code in frame.integers("origin")} == {2}


async def test_msgpack_carries_the_same() -> None:
    """Over msgpack readings are acknowledged, and refused by name, as they are over JSON."""
    log, now_ms, refused = Log(), time.time_ns() // 1_000_000, list[Event]()
    async with (
        gateway(log) as port,
        DeviceClient(url(port), TOKEN, model="watch", on_event=refused.append, encoding="msgpack") as device,
    ):
        await device.send([{"time": now_ms - place, "heart_rate": 60, "ibi": [800, 810.5]} for place in (2, 1)])
        await device.send([{"time": now_ms, "heart_rate": 400, "spo2": 97}])
        await device.drained()
    assert log.times_ms() == [now_ms - 2, now_ms - 1, now_ms]
    assert [event.rejected.field for event in refused if isinstance(event, Refused)] == ["heart_rate"]


async def test_a_restart_of_the_gateway_loses_no_reading() -> None:
    """Readings sent over a drained and restarted gateway all arrive, first arrivals in order."""
    log, now_ms = Log(), time.time_ns() // 1_000_000
    times = [now_ms - 1000 + place for place in range(400)]
    async with gateway(log) as port:
        device = DeviceClient(url(port), TOKEN, model="watch", random=Impatient())
        await device.__aenter__()
        for time_ms in times[:200]:
            await device.send([{"time": time_ms, "heart_rate": 60}])
    try:
        async with gateway(log, port=port), asyncio.timeout(20):
            for time_ms in times[200:]:
                await device.send([{"time": time_ms, "heart_rate": 60}])
            await device.drained()
        assert list(dict.fromkeys(log.times_ms())) == times
    finally:
        await device.__aexit__(None, None, None)


async def test_refusals_name_what_was_sent() -> None:
    """A bad vital sign is refused by name while its reading is kept; everything is acknowledged after that."""
    log, now_ms, refused = Log(), time.time_ns() // 1_000_000, list[Event]()
    async with gateway(log) as port, DeviceClient(url(port), TOKEN, model="watch", on_event=refused.append) as device:
        await device.send(
            [
                {"time": now_ms, "heart_rate": 400, "spo2": 97},
                {"time": now_ms + 3_600_000, "heart_rate": 60},
                {"time": now_ms - 1, "hrv": 40, "heart_rate": 60},
            ]
        )
        await device.drained()
    codes = [(event.rejected.index, event.rejected.code) for event in refused if isinstance(event, Refused)]
    assert sorted(codes) == [(0, "out_of_range"), (1, "future_time"), (2, "ambiguous_hrv")]
    assert sorted(log.times_ms()) == [now_ms - 1, now_ms]


async def test_a_second_client_of_one_device_replaces_the_first() -> None:
    """The older client stops with a sentence, and the newer one goes on."""
    log, now_ms = Log(), time.time_ns() // 1_000_000
    async with gateway(log) as port, DeviceClient(url(port), TOKEN, model="watch") as first:
        await first.send([{"time": now_ms - 2, "heart_rate": 60}])
        await first.drained()
        async with DeviceClient(url(port), TOKEN, model="watch") as second:
            await second.send([{"time": now_ms - 1, "heart_rate": 60}])
            await second.drained()
            with pytest.raises(DeviceStoppedError, match="taken over"):
                await _until_stopped(first, now_ms)


async def _until_stopped(device: DeviceClient, now_ms: int) -> None:
    async with asyncio.timeout(10):
        while True:
            await device.send([{"time": now_ms, "heart_rate": 60}])
            await device.drained()


async def test_the_demo_s_backlog_is_taken_whole() -> None:
    """Every reading of the demo up to its present is admitted, replayed, and marked where it was injected."""
    log, refused = Log(), list[Event]()
    recording = read_e4(DEMO_FOLDER)
    began_s, start_ms = time.monotonic(), time.time_ns() // 1_000_000
    plan = ReplayPlan(
        recording=recording, present_s=recording.seconds, speed=3000, start_ms=start_ms, injection=DEMO_INJECTION
    )
    async with (
        gateway(log) as port,
        DeviceClient(url(port), TOKEN, model="E4", origin="replay", on_event=refused.append) as device,
    ):
        sent = await replay(plan, device, monotonic_s=lambda: time.monotonic() - began_s, on_progress=lambda _: None)
        assert len(log.times_ms()) == sent
    assert not [event for event in refused if isinstance(event, Refused)]
    assert sum(int(frame.booleans("injected").sum()) for frame in log.frames) == 450
    rates = np.concatenate([frame.floats("heart_rate") for frame in log.frames])
    assert 185 < np.nanmax(rates) < 205


async def test_a_table_is_taken_whole_with_its_hours(tmp_path: Path) -> None:
    """Every row of a table ends now, is admitted, and is told at the hour of the day at which it was measured."""
    table = tmp_path / "ada.csv"
    rows = [f"2026-03-01T03:{minute:02}:00+01:00,{60 + minute % 5},{97 if minute % 2 else ''}" for minute in range(60)]
    table.write_text("\n".join(["time,heart_rate,spo2", *rows]), encoding="utf-8")
    (recording,) = read(table)
    log, refused = Log(), list[Event]()
    start_ms = time.time_ns() // 1_000_000
    plan = ReplayPlan(recording=recording, present_s=recording.seconds, speed=3_600, start_ms=start_ms)
    async with (
        gateway(log) as port,
        DeviceClient(url(port), TOKEN, model="table", origin="replay", on_event=refused.append) as device,
    ):
        assert await replay(plan, device, monotonic_s=time.monotonic, on_progress=lambda _: None) == 60
    assert not [event for event in refused if isinstance(event, Refused)]
    assert log.times_ms() == sorted(log.times_ms())
    assert start_ms - 1_000 <= log.times_ms()[-1] <= start_ms
    ahead_min = np.concatenate([frame.integers("utc_offset_min") for frame in log.frames])
    of_day_min = (np.array(log.times_ms()) / 60_000 + ahead_min) % 1_440
    assert np.abs(of_day_min - (180 + np.arange(60))).max() <= 1
    assert np.isnan(np.concatenate([frame.floats("spo2") for frame in log.frames])).sum() == 30


async def test_the_client_in_the_documentation_works(tmp_path: Path) -> None:
    """The first Python block of docs/protocol.md, run as it stands, has its five readings acknowledged."""
    block = PROTOCOL_PAGE.read_text(encoding="utf-8").split("```python\n", 1)[1].split("```", 1)[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 18
    script = tmp_path / "device.py"
    script.write_text(block, encoding="utf-8")
    log = Log()
    async with gateway(log) as port, asyncio.timeout(30):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            url(port),
            TOKEN,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await process.communicate()
        assert (process.returncode, complaint) == (0, b"")
        assert said.decode().splitlines()[-1] == "durable up to 5"
        assert len(log.times_ms()) == 5


def test_the_documentation_names_every_field_code_and_close() -> None:
    """docs/protocol.md names every field of a reading and every close code that the schemas know."""
    from schemas import device_protocol

    page = PROTOCOL_PAGE.read_text(encoding="utf-8")
    fields = [*device_protocol.Reading.__struct_fields__, *device_protocol.Hello.__struct_fields__]
    assert not [name for name in fields if f"`{name}`" not in page]
    closes = [value for name, value in vars(device_protocol).items() if name.startswith("CLOSE_")]
    assert not [code for code in closes if f"| {code} |" not in page]
