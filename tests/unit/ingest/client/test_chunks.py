"""What a camera saw as messages: as the protocol has them, sent again without what was refused, at its own pace."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import numpy as np
import pytest

from inference.rppg.samples import trace as samples_of
from ingest.client.camera import Part, pictured, stream, traced
from ingest.client.chunks import Chunk, pictures, trace
from ingest.client.protocol import DeviceProtocol, Identity
from schemas.device_protocol import Ack, Nack, Rejected, Welcome
from tests.camera_messages import JPEG
from tests.device_sessions import NOW_MS, SESSION, WEARER

TRACE = {"time": NOW_MS, "times": [0, 33], "rgb": [[1, 2, 3], None], "motion": [0.5, 2000]}


class Middle:
    """Jitter that is none."""

    def uniform(self, a: float, b: float) -> float:
        """Return the middle."""
        return (a + b) / 2


def welcomed() -> DeviceProtocol:
    """Return a protocol that may send."""
    protocol = DeviceProtocol(Identity(boot=UUID(int=1), model="camera"), random=Middle())
    protocol.hello(NOW_MS)
    hear(protocol, Welcome(session=SESSION, wearer=WEARER, acked=0, limits={}, server_time=NOW_MS))
    return protocol


def hear(protocol: DeviceProtocol, answer: object) -> None:
    """Hand an answer of the gateway to the protocol."""
    protocol.receive(msgspec.json.encode(answer), 0.0)


def test_pictures_stand_behind_their_header() -> None:
    """The first four bytes tell the header's length, the header the sizes, and the pictures follow as they are."""
    message = pictures(NOW_MS, [0, 33.4], [JPEG, JPEG + b"x"]).message(7)
    length = int.from_bytes(message[:4], "big")
    header = json.loads(message[4 : 4 + length])
    assert (header["type"], header["seq"], header["times"]) == ("video", 7, [0, 33.4])
    assert header["sizes"] == [len(JPEG), len(JPEG) + 1]
    assert message[4 + length :] == JPEG + JPEG + b"x"


def test_a_chunk_waits_for_its_ack_and_counts_in_the_buffer() -> None:
    """Frames are kept until they are acknowledged, sent again on the next connection, and are no readings."""
    protocol = welcomed()
    chunk = pictures(NOW_MS, [0], [JPEG.ljust(1_000_000, b"\0")])
    for _ in range(16):
        protocol.enqueue(chunk)
    assert not protocol.has_room(chunk)
    first = protocol.due(0.0)
    protocol.disconnected(None)
    protocol.hello(NOW_MS)
    hear(protocol, Welcome(session=SESSION, wearer=WEARER, acked=0, limits={}, server_time=NOW_MS))
    assert protocol.due(0.0) == first
    assert (protocol.messages, protocol.readings) == (16, 0)
    hear(protocol, Ack(16))
    assert protocol.messages == 0
    assert protocol.has_room(chunk)


@pytest.mark.parametrize(
    ("field", "left"),
    [
        ("motion", {"type": "trace", "seq": 1, "time": NOW_MS, "times": [0, 33], "rgb": [[1, 2, 3], None]}),
        ("times", {"type": "readings", "seq": 1, "readings": []}),
    ],
)
def test_what_was_refused_is_not_sent_again(field: str, left: dict[str, object]) -> None:
    """A column that was refused is left out; a trace refused whole leaves an empty message, so that no gap arises."""
    protocol = welcomed()
    protocol.enqueue(trace(TRACE))
    protocol.due(0.0)
    hear(protocol, Nack(1, [Rejected(1, field, "out_of_range")]))
    protocol.disconnected(None)
    protocol.hello(NOW_MS)
    hear(protocol, Welcome(session=SESSION, wearer=WEARER, acked=0, limits={}, server_time=NOW_MS))
    assert [json.loads(message) for message in protocol.due(0.0)] == [left]


def test_unknown_numbers_travel_as_null() -> None:
    """A frame without a face, and what nobody measured, is null in a trace; times keep their fractions."""
    samples = samples_of([10.0, 10.0335], [[1.0, 2.0, 3.0], [np.nan, np.nan, np.nan]], motion=[0.5, np.nan])
    [part] = traced([samples])
    message = json.loads(part.chunk(NOW_MS).message(1))
    assert (message["time"], message["times"]) == (NOW_MS + 10_000, [0, 33.5])
    assert message["rgb"] == [[1, 2, 3], None]
    assert message["motion"] == [0.5, None]
    assert message["background"] == [None, None]


class Kept:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    async def stream(self, chunk: Chunk) -> None:
        """Keep it."""
        self.chunks.append(chunk)

    async def drained(self) -> None:
        """Have nothing left."""


async def test_a_video_is_sent_as_if_it_were_filmed_now() -> None:
    """Frame times begin at the present, every piece is sent once, in order."""
    pieces = [([0.0, 0.001], [JPEG, JPEG]), ([0.002], [JPEG])]

    async def parts() -> AsyncIterator[Part]:
        for part in pictured(pieces):
            yield part

    sink = Kept()
    seconds = await stream(parts(), sink, wall_ms=lambda: NOW_MS, monotonic_s=lambda: 0.0)
    assert seconds == 0.002
    assert [chunk.fields["time"] for chunk in sink.chunks] == [NOW_MS, NOW_MS + 2]
    assert [chunk.fields["times"] for chunk in sink.chunks] == [[0, 1], [0]]
