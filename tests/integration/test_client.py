"""The device client over real sockets, against a gateway that keeps the protocol's rules."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from inference.recordings.e4 import read_e4
from ingest.client.connection import DeviceClient
from ingest.client.messages import Event, Refused
from ingest.client.replay import DEMO_FOLDER, DEMO_INJECTION, Progress, ReplayPlan, replay
from ingest.client.simulator import People, Tally, simulate
from schemas.errors import DeviceStoppedError
from tests.made_recording import write_e4
from tests.model_gateway import TOKEN, SocketGateway, socket_gateway


class Impatient:
    """Jitter so small that a test does not wait."""

    def uniform(self, a: float, b: float) -> float:
        """Return a hundredth of the shorter delay."""
        return min(a, b) / 100


def client(gateway: SocketGateway, **options: Any) -> DeviceClient:
    """Return a client of the gateway that reconnects at once."""
    return DeviceClient(
        gateway.url, TOKEN, model="watch", random=Impatient(), clock_ms=lambda: 1_795_252_241_000, **options
    )


def reading(time: int) -> dict[str, Any]:
    """Return a small reading."""
    return {"time": time, "heart_rate": 60}


async def test_what_was_drained_is_durable() -> None:
    """When `drained` returns, the gateway holds every reading in order."""
    async with socket_gateway() as gateway, client(gateway) as device:
        await device.send([reading(time) for time in range(1200)])
        await device.drained()
        assert device.unacknowledged == 0
        assert [got["time"] for got in gateway.model.durable] == list(range(1200))
        assert gateway.model.hellos[0]["clock"] == 1_795_252_241_000


async def test_lost_connections_lose_no_reading() -> None:
    """Draining, rate limits, a dying server and refused handshakes cost reconnects under one boot, and no reading."""
    async with socket_gateway() as gateway:
        gateway.closes.extend([4503, 1011, 4429, 4503])
        gateway.handshakes.extend([503])
        async with client(gateway) as device:
            for time in range(50):
                await device.send([reading(time)])
            await device.drained()
        assert list(dict.fromkeys(got["time"] for got in gateway.model.durable)) == list(range(50))
        assert len(gateway.model.hellos) == 5
        assert len({hello["boot"] for hello in gateway.model.hellos}) == 1


@pytest.mark.parametrize(("code", "said"), [(4401, "token"), (4409, "taken over"), (4413, "too big")])
async def test_a_final_close_is_told_to_the_producer(code: int, said: str) -> None:
    """After a final close both `drained` and `send` raise a sentence that says why."""
    async with socket_gateway() as gateway:
        gateway.closes.append(code)
        async with client(gateway) as device:
            await device.send([reading(1)])
            with pytest.raises(DeviceStoppedError, match=said):
                await device.drained()
            with pytest.raises(DeviceStoppedError, match=said):
                await device.send([reading(2)])
            assert device.unacknowledged == 1


async def test_an_unknown_token_stops_the_client() -> None:
    """A handshake answered with 401 ends the attempts with the next step."""
    async with socket_gateway() as gateway:
        gateway.handshakes.append(401)
        async with client(gateway) as device:
            await device.send([reading(1)])
            with pytest.raises(DeviceStoppedError, match="401"):
                await device.drained()


async def test_a_gateway_that_is_away_is_waited_for() -> None:
    """Readings given while nobody listens arrive once a gateway does."""
    async with socket_gateway() as gateway:
        port, url = gateway.port, gateway.url
    async with client(SocketGateway(url=url)) as device:
        await device.send([reading(1)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await device.drained()
        async with socket_gateway(port) as later, asyncio.timeout(10):
            await device.drained()
            assert later.model.durable == [reading(1)]


async def test_a_full_buffer_makes_the_producer_wait() -> None:
    """`send` waits while the buffer is full, and goes on once the gateway acknowledges; nothing is dropped."""
    async with socket_gateway() as gateway, client(gateway, capacity_bytes=262_144) as device:
        big = [{"time": time, "ibi": [800.0] * 600} for time in range(200)]
        await device.send(big)
        await device.drained()
        assert [got["time"] for got in gateway.model.durable] == list(range(200))


async def test_a_refusal_reaches_the_callback() -> None:
    """What the gateway refuses is handed to the producer's callback together with the reading."""
    events: list[Event] = []
    async with socket_gateway() as gateway:
        rejected = [{"index": 0, "field": "heart_rate", "code": "out_of_range", "detail": "20 to 250 /min"}]
        gateway.says.append(json.dumps({"type": "nack", "seq": 1, "rejected": rejected}))
        told = asyncio.Event()

        def take(event: Event) -> None:
            events.append(event)
            if isinstance(event, Refused):
                told.set()

        async with client(gateway, on_event=take) as device, asyncio.timeout(10):
            await device.send([{"time": 1, "heart_rate": 400}])
            await told.wait()
    (refused,) = [event for event in events if isinstance(event, Refused)]
    assert refused.rejected.code == "out_of_range"


async def test_leaving_the_context_leaves_no_task() -> None:
    """After the context, neither a connected nor a waiting client has a task left."""
    before = asyncio.all_tasks()
    gone = SocketGateway(url="ws://127.0.0.1:9/devices/stream")
    async with client(gone):
        await asyncio.sleep(0)
    async with socket_gateway() as gateway, client(gateway) as device:
        await device.send([reading(1)])
        await device.drained()
    assert asyncio.all_tasks() == before


async def test_an_error_in_the_callback_is_not_swallowed() -> None:
    """What the producer's callback raises leaves the context as it was raised, and nobody waits for ever."""

    def broken(_event: Event) -> None:
        raise ZeroDivisionError

    async with socket_gateway() as gateway:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - it is the block's end that raises
            async with client(gateway, on_event=broken) as device:
                await device.send([reading(1)])
                with pytest.raises(DeviceStoppedError):
                    await device.drained()


async def test_a_replay_sends_its_recording_in_order_to_its_end() -> None:
    """Every reading of the recording arrives once, in order of time, and the injected ones are marked."""
    recording = read_e4(DEMO_FOLDER)
    shown: list[Progress] = []
    plan = ReplayPlan(recording=recording, present_s=3300, speed=400, start_ms=10**12, injection=DEMO_INJECTION)
    async with socket_gateway() as gateway, client(gateway, origin="replay") as device:
        began = asyncio.get_running_loop().time()
        sent = await replay(
            plan,
            device,
            monotonic_s=lambda: 100 * (asyncio.get_running_loop().time() - began),
            on_progress=shown.append,
        )
        times = [got["time"] for got in gateway.model.durable]
        assert len(times) == sent
        assert times == sorted(set(times))
        assert sum(got.get("injected", False) for got in gateway.model.durable) == 450
        assert gateway.model.hellos[0]["origin"] == "replay"
    assert shown[0].backlog
    assert not shown[-1].backlog


async def test_a_simulation_reports_what_was_acknowledged() -> None:
    """Three made people at 100 readings a second for 0.2 s give 60 acknowledged readings of origin simulated."""
    tallies: list[Tally] = []
    async with (
        socket_gateway() as gateway,
        client(gateway, origin="simulated") as first,
        client(gateway, origin="simulated") as second,
        client(gateway, origin="simulated") as third,
    ):
        tally = await simulate(
            People(3, seed=1),
            [first, second, third],
            rate_hz=100,
            seconds=0.2,
            start_ms=1_795_252_241_000,
            monotonic_s=asyncio.get_running_loop().time,
            on_progress=tallies.append,
        )
        assert (tally.sent, tally.acknowledged) == (60, 60)
        assert {hello["origin"] for hello in gateway.model.hellos} == {"simulated"}
        assert len({got["time"] for got in gateway.model.durable}) == 20


async def test_the_command_replays_a_recording_to_its_end(tmp_path: Path) -> None:
    """`pulsera replay FOLDER` sends every second, says what it left out and that the recording has ended, exits 0."""
    write_e4(tmp_path)
    async with socket_gateway() as gateway, asyncio.timeout(60):
        process = await replay_command(str(tmp_path), gateway, "--present", "12")
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        assert "left out: 1 of heart_rate, 1 of ibi" in said.decode()
        assert "has ended; 12 readings sent, all acknowledged" in said.decode()
        assert len(gateway.model.durable) == 12
        assert gateway.model.hellos[0]["origin"] == "replay"


async def test_a_terminated_replay_closes_its_connection() -> None:
    """SIGTERM ends the command with 143 and without a traceback, and the gateway sees a proper close."""
    async with socket_gateway() as gateway, asyncio.timeout(60):
        process = await replay_command("demo", gateway)
        assert process.stderr is not None
        said = await process.stderr.readline()
        await gateway.connected.wait()
        process.terminate()
        rest = await process.stderr.read()
        assert await process.wait() == 143
        assert b"Traceback" not in said + rest
        await gateway.ended.wait()
        assert gateway.ends == [1000]


async def test_a_replay_without_anywhere_to_send_says_so(tmp_path: Path) -> None:
    """Without a running system and without a token the command exits 1 with one sentence and the next step."""
    async with asyncio.timeout(60):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infra.cli", "replay", "demo"),
            env={**os.environ, "PULSERA_DATA_DIR": str(tmp_path)},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode == 1
    assert len(said.decode().splitlines()) == 1
    assert "pulsera up" in said.decode()


async def replay_command(dataset: str, gateway: SocketGateway, *options: str) -> asyncio.subprocess.Process:
    """Start `pulsera replay` with the test's token."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", "replay", dataset, "--url", gateway.url, *options),
        env={**os.environ, "PULSERA_DEVICE_TOKEN": TOKEN},
        stderr=asyncio.subprocess.PIPE,
    )
