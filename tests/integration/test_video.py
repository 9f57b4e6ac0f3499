"""What a camera saw on its way in and back: real sockets in both encodings, and the real Kafka."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from infra.clocks import SystemClock
from infra.kafka.appender import KafkaAppender
from infra.kafka.instructions import follow_instructions
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.kafka.topics import create_topics
from infra.metrics.meter import PrometheusMeter
from ingest.gateway import Gateway, GatewaySettings
from ingest.handshake import token_sha256
from ingest.ports import Device, FrameAppender
from schemas import dead_letters
from schemas.device_protocol import PulseInstruction
from schemas.errors import ContractError
from schemas.instructions import InstructionRecord, encode
from schemas.topics import DEAD, INSTRUCTIONS, READINGS, VIDEO
from schemas.video import MAX_MESSAGE_BYTES, VideoRecord, decode
from stream_processors.hosts.dead_letters import Undertaker
from stream_processors.hosts.retry import Backoff, Patience
from stream_processors.ports import Emission, Record
from tests.camera_messages import JPEG, trace, video

DEADLINE_S = 20.0
JSON, MSGPACK = "pulsera.device.v1+json", "pulsera.device.v1+msgpack"


class Log:
    """A topic in memory whose appends wait while it is shut."""

    def __init__(self) -> None:
        self.values: list[tuple[int, bytes]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refuses = False
        self.waiting_bytes = 0

    async def append(self, partition: int, frame: bytes) -> None:
        """Take a record as soon as the log is open."""
        self.waiting_bytes += len(frame)
        await self.open.wait()
        self.waiting_bytes -= len(frame)
        if self.refuses:
            raise ContractError("never")
        self.values.append((partition, frame))

    def records(self) -> list[VideoRecord]:
        """Return what it holds."""
        return [decode(value) for _, value in self.values]


class Tokens:
    """Devices by token, in memory."""

    def __init__(self, *names: str) -> None:
        self.of = {
            name: Device(device_id=uuid.uuid4(), number=number, wearer=uuid.uuid4())
            for number, name in enumerate(names, start=1)
        }

    async def find(self, token_sha256_: bytes) -> Device | None:
        """Return the token's device."""
        return next((one for name, one in self.of.items() if token_sha256(name) == token_sha256_), None)

    def holds(self, token_sha256_: bytes, device: Device) -> bool:
        """Return whether the token is still there."""
        return any(token_sha256(name) == token_sha256_ and one == device for name, one in self.of.items())


class Camera:
    """A device written from the protocol's text, in either encoding."""

    def __init__(self, socket: ClientConnection, encoding: str) -> None:
        self.socket = socket
        self.packed = encoding == MSGPACK

    async def say(self, message: dict[str, Any] | bytes) -> None:
        """Send a message; bytes are pictures, which look the same in both."""
        if isinstance(message, bytes):
            await self.socket.send(message)
        elif self.packed:
            await self.socket.send(msgspec.msgpack.encode(message))
        else:
            await self.socket.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        """Return the next answer of a kind."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                data = await self.socket.recv()
                if isinstance(data, bytes):
                    answer: dict[str, Any] = msgspec.msgpack.decode(data)
                else:
                    answer = json.loads(data)
                if answer["type"] == kind:
                    return answer

    async def hear_ack(self, seq: int) -> None:
        """Wait until a seq is acknowledged."""
        while (await self.hear("ack"))["seq"] < seq:
            pass


class Served:
    """A running gateway with a log for each topic."""

    def __init__(self, gateway: Gateway, port: int, meter: PrometheusMeter) -> None:
        self.gateway = gateway
        self.port = port
        self.meter = meter

    def counted(self, name: str) -> float:
        """Return a counter."""
        return self.meter.registry.get_sample_value(f"pulsera_{name}") or 0.0

    @asynccontextmanager
    async def camera(self, token: str = "a", encoding: str = JSON, *, hello: bool = True) -> AsyncIterator[Camera]:  # noqa: S107
        """Connect a camera."""
        async with connect(
            f"ws://127.0.0.1:{self.port}/devices/stream",
            additional_headers={"Authorization": f"Bearer {token}"},
            subprotocols=[encoding],  # type: ignore[list-item]  # a name of ours is one
            compression=None,
            max_queue=None,
        ) as socket:
            camera = Camera(socket, encoding)
            if hello:
                await camera.say({"type": "hello", "boot": str(uuid.uuid4()), "clock": time.time() * 1000})
                await camera.hear("welcome")
            yield camera


@asynccontextmanager
async def served(tokens: Tokens, log: FrameAppender, **changes: Any) -> AsyncIterator[Served]:
    """Run a gateway on a free port; readings and video lie in the same log."""
    settings = GatewaySettings(port=0, **{"drain_s": 2.0, **changes})
    stop, port, meter = asyncio.Event(), asyncio.get_running_loop().create_future(), PrometheusMeter()
    gateway = Gateway(settings, directory=tokens, appender=Log(), video=log, clock=SystemClock(), meter=meter)
    task = asyncio.create_task(gateway.run(stop, ready=port.set_result))
    try:
        yield Served(gateway, await port, meter)
    finally:
        stop.set()
        await task


def now_ms() -> int:
    """Return the time as devices tell it."""
    return int(time.time() * 1000)


def instruction(device: Device, *, heart_rate: float = 71.5) -> InstructionRecord:
    """Return an instruction to a device."""
    told = PulseInstruction(
        time=now_ms(), heart_rate=heart_rate, confidence=0.9, reason="ok", advice="none", wave=[0.5]
    )
    return InstructionRecord(wearer=device.wearer, device_number=device.number, received_ms=now_ms(), instruction=told)


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
async def test_traces_and_pictures_are_acknowledged_when_they_are_in_the_log(encoding: str) -> None:
    """In both encodings both kinds become one record each on the wearer's partition, then comes the ack."""
    tokens, log = Tokens("a"), Log()
    async with served(tokens, log) as gateway, gateway.camera("a", encoding) as camera:
        log.open.clear()
        await camera.say(trace(seq=1, time=now_ms()))
        await camera.say(video(seq=2, time=now_ms()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(camera.socket.recv(), 0.2)
        log.open.set()
        await camera.hear_ack(2)
    first, second = log.records()
    assert (first.kind, first.seq, second.kind, second.seq) == ("trace", 1, "jpeg", 2)
    assert second.frames == [JPEG] * 3
    assert first.wearer == second.wearer == tokens.of["a"].wearer.bytes
    assert gateway.counted("messages_total") == 0.0  # those without a type are none
    assert gateway.meter.registry.get_sample_value("pulsera_messages_total", {"type": "video"}) == 1


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
async def test_a_refusal_names_the_field_and_the_stream_goes_on(encoding: str) -> None:
    """What is wrong with a message is told by field and code; it is handled, and the next one is taken."""
    log = Log()
    async with served(Tokens("a"), log) as gateway, gateway.camera("a", encoding) as camera:
        await camera.say(trace(seq=1, time=now_ms(), times=[0, 0, 1]))
        nack = await camera.hear("nack")
        await camera.say(video(seq=2, time=now_ms(), body=JPEG))
        sizes = await camera.hear("nack")
        await camera.say(trace(seq=3, time=now_ms()))
        await camera.hear_ack(3)
    assert [(one["index"], one["field"], one["code"]) for one in nack["rejected"]] == [(1, "times", "not_rising")]
    assert [(one["field"], one["code"]) for one in sizes["rejected"]] == [("sizes", "wrong_sum")]
    assert [record.seq for record in log.records()] == [3]


async def test_two_mebibytes_come_through_in_parts() -> None:
    """The largest message with pictures arrives whole, also in fragments; one byte more closes 4413."""
    log, size = Log(), MAX_MESSAGE_BYTES - 200
    body = JPEG.ljust(size, b"\0")
    message = video(seq=1, frames=1, sizes=[size], time=now_ms(), body=body)
    async with served(Tokens("a"), log) as gateway, gateway.camera() as camera:
        await camera.socket.send([message[:1_000_000], message[1_000_000:1_900_000], message[1_900_000:]])
        await camera.hear_ack(1)
        with pytest.raises(ConnectionClosed):  # noqa: PT012 - the farewell may meet either
            await camera.say(b"\0" * (MAX_MESSAGE_BYTES + 2_000))
            await camera.hear("never")
        assert camera.socket.close_code == 4413
    assert log.records()[0].frames == [body]


async def test_text_stays_small() -> None:
    """Only binary messages may be large: text of more than 256 KiB closes 4413 as before."""
    async with served(Tokens("a"), Log()) as gateway, gateway.camera() as camera:
        with pytest.raises(ConnectionClosed):  # noqa: PT012 - the farewell may meet either
            await camera.socket.send("x" * 400_000)
            await camera.hear("never")
        assert camera.socket.close_code == 4413


async def test_what_waits_for_the_log_is_bounded() -> None:
    """While the log is away a gateway holds so many bytes of video and says throttle; then it reads on, losing none."""
    log, frame = Log(), JPEG.ljust(60_000, b"\0")
    async with served(Tokens("a"), log, held_most=150_000) as gateway, gateway.camera() as camera:
        log.open.clear()
        for seq in range(1, 11):
            await camera.say(video(seq=seq, frames=1, sizes=[len(frame)], time=now_ms(), body=frame))
        await camera.hear("throttle")
        with pytest.raises(TimeoutError):  # long enough for the rest to be read, were there no bound
            await asyncio.wait_for(camera.hear("ack"), 0.5)
        held = log.waiting_bytes
        log.open.set()
        await camera.hear_ack(10)
    assert 150_000 <= held < 150_000 + 2 * len(frame)
    assert [record.seq for record in log.records()] == list(range(1, 11))


async def test_a_refused_append_closes_so_that_the_device_sends_again() -> None:
    """Where the log never takes a record nothing of it is acknowledged: the socket is closed 4503."""
    log = Log()
    async with served(Tokens("a"), log) as gateway, gateway.camera() as camera:
        log.refuses = True
        await camera.say(trace(seq=1, time=now_ms()))
        with pytest.raises(ConnectionClosed):
            await camera.hear("ack")
        assert camera.socket.close_code == 4503


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
async def test_an_instruction_reaches_its_device_and_no_other(encoding: str) -> None:
    """Of two connected devices only the one that it is for hears it, in its encoding."""
    tokens = Tokens("a", "b")
    async with served(tokens, Log()) as gateway, gateway.camera("a", encoding) as mine, gateway.camera("b") as other:
        gateway.gateway.instruct(instruction(tokens.of["a"]))
        told = await mine.hear("instruction")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.socket.recv(), 0.2)
        assert (told["kind"], told["heart_rate"], told["advice"], told["wave"]) == ("pulse", 71.5, "none", [0.5])
        assert "wearer" not in told
        assert (gateway.counted("instructions_total"), gateway.counted("instructions_dropped_total")) == (1, 0)


async def test_no_value_of_another_wearer_reaches_a_device() -> None:
    """A device that is worn by somebody else by now hears nothing of the one before; nor does one before its hello."""
    tokens = Tokens("a", "b")
    former = Device(device_id=uuid.uuid4(), number=tokens.of["a"].number, wearer=uuid.uuid4())
    async with (
        served(tokens, Log()) as gateway,
        gateway.camera("a") as camera,
        gateway.camera("b", hello=False) as mute,
    ):
        gateway.gateway.instruct(instruction(former))
        gateway.gateway.instruct(instruction(tokens.of["b"]))
        gateway.gateway.instruct(instruction(Device(device_id=uuid.uuid4(), number=99, wearer=uuid.uuid4())))
        for one in (camera, mute):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one.socket.recv(), 0.2)
        assert (gateway.counted("instructions_total"), gateway.counted("instructions_dropped_total")) == (0, 3)


@pytest.mark.connected
async def test_the_log_takes_the_largest_message(kafka_bootstrap: str) -> None:
    """A record of two MiB of pictures is durable as it is, and small ones keep their order behind it."""
    await create_topics(kafka_bootstrap)
    reader = KafkaReader(kafka_bootstrap)
    _, start = await reader.bounds(VIDEO.name, 5)
    values = [b"x" * (MAX_MESSAGE_BYTES + 1_000), b"second", b"third"]
    async with KafkaAppender(kafka_bootstrap, topic=VIDEO, compress=False) as log:
        await asyncio.gather(*(log.append(5, value) for value in values))
    found = [one.value async for chunk in reader.read(VIDEO.name, 5, start, start + 3) for one in chunk]
    await reader.close()
    assert found == values


@pytest.mark.connected
async def test_a_dead_letter_of_video_holds_no_picture(kafka_bootstrap: str) -> None:
    """What the video family cannot use is told by where it lay and why, without its bytes, unlike other letters."""
    await create_topics(kafka_bootstrap)
    publisher, reader = KafkaPublisher(kafka_bootstrap), KafkaReader(kafka_bootstrap)
    meter = PrometheusMeter()
    patience = Patience(meter, Backoff())
    undertaker = Undertaker(family="video", version="1", publisher=publisher, meter=meter, patience=patience)
    _, start = await reader.bounds(DEAD.name, 2)
    for topic in (VIDEO, READINGS):
        record = Record(topic=topic.name, partition=2, offset=9, append_ms=1, key=None, value=b"\xff\xd8 a face")
        await undertaker.bury(record, ContractError("no record"))
    found = [one async for chunk in reader.read(DEAD.name, 2, start, start + 2) for one in chunk]
    await publisher.close()
    await reader.close()
    letters = [dead_letters.decode(one.value) for one in found]
    assert [(one.topic, one.offset, one.value) for one in letters] == [
        (VIDEO.name, 9, b""),
        (READINGS.name, 9, b"\xff\xd8 a face"),
    ]
    assert b"face" not in found[0].value


@pytest.mark.connected
async def test_instructions_are_followed_from_now_on(kafka_bootstrap: str) -> None:
    """What was appended before a gateway came is not told; what comes then is, and what is no instruction is passed."""
    await create_topics(kafka_bootstrap)
    tokens, heard = Tokens("a"), asyncio.Queue[InstructionRecord]()
    publisher = KafkaPublisher(kafka_bootstrap)

    async def append(value: bytes) -> None:
        await publisher.publish([Emission(topic=INSTRUCTIONS.name, partition=4, key=b"k", value=value)])

    await append(encode(instruction(tokens.of["a"], heart_rate=50)))
    await asyncio.sleep(0.01)  # Kafka tells times in whole milliseconds
    async with follow_instructions(kafka_bootstrap, heard.put_nowait, clock=SystemClock()):
        async with asyncio.timeout(DEADLINE_S):
            for heart_rate in (60, 61):
                await append(b"no instruction")
                await append(encode(instruction(tokens.of["a"], heart_rate=heart_rate)))
            rates = [(await heard.get()).instruction.heart_rate for _ in range(2)]
    await publisher.close()
    assert rates == [60, 61]
