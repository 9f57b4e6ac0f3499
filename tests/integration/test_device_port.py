"""The device port under clients that keep no rule: every one is answered or dropped, and nobody else is harmed."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

from ingest import socket as device_socket
from ingest.admission import Limits
from schemas.device_protocol import SUBPROTOCOL_MSGPACK
from tests.raw_sockets import closed
from tests.served_gateway import MemoryLog, Tokens, close_code, dial, gateway, greet, hear_ack, message

HANDSHAKE = (
    "GET /devices/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer a\r\n\r\n"
)
TEN_S = 10.0


async def answer_to(port: int, data: bytes) -> bytes:
    """Send bytes, and return everything that comes until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        async with asyncio.timeout(TEN_S):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        await closed(writer)


def body_code(answer: bytes) -> tuple[int, str]:
    """Return the status and the code in the body of an HTTP answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    code: str = json.loads(body)["error"]["code"]
    return int(head.split()[1]), code


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("nonsense\r\n\r\n", (400, "bad_request")),
        ("GET / HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 200 + "\r\n", (400, "bad_request")),
        ("GET / HTTP/1.1\r\n" + "X: " + "y" * 20_000, (400, "bad_request")),
        ("POST /devices/stream HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", (400, "bad_request")),
        (HANDSHAKE.replace("Version: 13", "Version: 7"), (400, "bad_handshake")),
        (HANDSHAKE.replace("AAAA==", "=="), (400, "bad_handshake")),
        (HANDSHAKE.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: pulsera.device.v9+json\r\n\r\n"),
         (400, "not_supported")),
    ],
)  # fmt: skip
async def test_what_is_no_handshake_is_refused_as_json(asked: str, answered: tuple[int, str]) -> None:
    """Every refusal before the upgrade is an HTTP answer with the error body of all of Pulsera."""
    async with gateway(Tokens("a"), MemoryLog()) as served:
        assert body_code(await answer_to(served.port, asked.encode())) == answered


async def test_a_handshake_that_never_ends_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request is dropped without an answer when its time is over."""
    monkeypatch.setattr(device_socket, "HANDSHAKE_S", 0.2)
    async with gateway(Tokens("a"), MemoryLog()) as served:
        assert await answer_to(served.port, b"GET /devices/stream HTTP/1.1\r\n") == b""


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x81\x02hi", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x89\xfe\0\x80\0\0\0\0", 1002),
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),
        (b"\x82\xff\0\0\xff\xff\xff\xff\xff\xff", 4413),
        (b"\x81\x82\0\0\0\0[]", 4400),
    ],
)
async def test_broken_frames_close_with_their_code(frames: bytes, code: int) -> None:
    """Frames sent together with the handshake are heard, and what breaks a rule is closed by its code."""
    async with gateway(Tokens("a"), MemoryLog()) as served:
        answer = await answer_to(served.port, HANDSHAKE.encode() + frames)
    head, _, said = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    closing = said[said.index(b"\x88") :]
    assert int.from_bytes(closing[2:4], "big") == code


async def test_tiny_parts_are_charged_for() -> None:
    """A device that cuts its messages into thousands of parts is throttled as if each were a message."""
    async with gateway(Tokens("a"), MemoryLog(), limits=Limits(messages_per_s=50, burst_s=1)) as served:
        async with dial(served.port, "a") as socket:
            await greet(socket)
            text = message(1)
            sending = asyncio.create_task(socket.send([text[at : at + 1] for at in range(len(text))]))
            async with asyncio.timeout(TEN_S):
                heard = [json.loads(await socket.recv())["type"]]
                while "ack" not in heard:
                    heard.append(json.loads(await socket.recv())["type"])
            await sending
        assert "throttle" in heard


async def test_half_open_connections_leave_room_for_devices() -> None:
    """Five hundred connections that ask for nothing do not keep a device out."""
    async with gateway(Tokens("a"), MemoryLog()) as served:
        idle = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(500)]
        async with served.device() as socket:
            await socket.send(message(1))
            await hear_ack(socket, 1)
        await asyncio.gather(*(closed(writer) for _, writer in idle))


async def test_too_many_connections_are_turned_away() -> None:
    """Above the bound the answer is 503 at once, and who is in stays in."""
    async with gateway(Tokens("a", "b"), MemoryLog(), connections_most=1) as served, served.device("a") as socket:
        assert body_code(await answer_to(served.port, b"")) == (503, "full")
        await socket.send(message(1))
        await hear_ack(socket, 1)


async def ask_until_unheard(writer: asyncio.StreamWriter, frame: bytes) -> None:
    """Write until what is written does not leave for a second."""
    for _ in range(1_000):
        writer.write(frame * 4_000)
        await asyncio.wait_for(writer.drain(), 1)


async def test_whoever_reads_no_answers_is_read_no_more() -> None:
    """A device that asks on and on and never reads its answers is no longer read; others are served meanwhile."""
    async with gateway(Tokens("a", "b"), MemoryLog(), limits=Limits(messages_per_s=10**9)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(HANDSHAKE.encode())
        await reader.readuntil(b"\r\n\r\n")
        unknown = b"\x81\x8c\0\0\0\0" + b'{"type":"x"}'
        with pytest.raises(TimeoutError):
            await ask_until_unheard(writer, unknown)
        async with served.device("b") as other:
            await other.send(message(1))
            await hear_ack(other, 1)
        writer.transport.abort()
        await closed(writer)


async def test_msgpack_is_spoken_where_it_is_agreed_on() -> None:
    """Binary messages are answered in binary; text is refused there, and the first of ours that is offered counts."""
    headers = {"Authorization": "Bearer a"}
    names: Any = ["other", SUBPROTOCOL_MSGPACK, "pulsera.device.v1+json"]
    log = MemoryLog()
    async with gateway(Tokens("a"), log) as served:
        address = f"ws://127.0.0.1:{served.port}/devices/stream"
        async with connect(address, additional_headers=headers, subprotocols=names) as socket:
            assert socket.subprotocol == SUBPROTOCOL_MSGPACK
            hello = {"type": "hello", "boot": "0198a000-0000-7000-8000-000000000003", "clock": 1_795_248_000_000}
            await socket.send(msgspec.msgpack.encode(hello))
            assert msgspec.msgpack.decode(await socket.recv(decode=False))["type"] == "welcome"
            await socket.send("{}")
            assert await close_code(socket) == 4400
