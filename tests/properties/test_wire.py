"""Frames as the gateway reads them, held against another implementation of RFC 6455."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from ingest.wire import BINARY, CLOSE, PART, TEXT, FrameReader, WireFaultError, close_code, frame

MOST = 1_000
PAYLOADS = st.binary(max_size=40) | st.text(max_size=30).map(str.encode) | st.integers(0, 1_200).map(bytes)
HEADS = st.sampled_from([0x81, 0x82, 0x89, 0x8A, 0x01, 0x02, 0x00, 0x80, 0x88]) | st.integers(0, 255)
CUTS = st.lists(st.integers(1, 300), min_size=1, max_size=8)


@st.composite
def client_frames(draw: st.DrawFn) -> bytes:
    """Return a frame as a client might send it, most often a good one."""
    head, payload = draw(HEADS), draw(PAYLOADS)
    masked = draw(st.integers(0, 9)) > 0
    length = len(payload)
    if length <= 125:
        sized = bytes([length])
    elif draw(st.booleans()):
        sized = bytes([126]) + length.to_bytes(2, "big")
    else:
        sized = bytes([127]) + length.to_bytes(8, "big")
    if not masked:
        return bytes([head]) + sized + payload
    mask = draw(st.binary(min_size=4, max_size=4))
    hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([head, 0x80 | sized[0]]) + sized[1:] + mask + hidden


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the bytes cut anyhow."""
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        size = cuts[len(parts) % len(cuts)]
        parts.append(data[at : at + size])
        at += size
    return parts


def ours(parts: list[bytes]) -> tuple[list[tuple[int, bytes]], int | None]:
    """Return the messages and control frames that the gateway reads, and the code it closes with."""
    reader, events = FrameReader(MOST), []
    try:
        for part in parts:
            if (text := reader.whole_text(part)) is not None:
                events.append((TEXT, text))
                continue
            reader.feed(part)
            while (event := reader.pull()) is not None:
                opcode, payload = event
                if opcode == CLOSE:
                    close_code(payload)
                if opcode != PART:
                    events.append(event)
                if opcode == CLOSE:
                    return events, None
    except WireFaultError as fault:
        return events, fault.code
    return events, None


def theirs(parts: list[bytes]) -> tuple[list[tuple[int, bytes]], int | None]:
    """Return what the library reads of the same bytes."""
    protocol = ServerProtocol(max_size=MOST, state=State.OPEN)
    for part in parts:
        protocol.receive_data(part)
    events: list[tuple[int, bytes]] = []
    text, message = False, b""
    for found in protocol.events_received():
        assert isinstance(found, Frame)
        if found.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            text = found.opcode is Opcode.TEXT if found.opcode is not Opcode.CONT else text
            message += bytes(found.data)
            if not found.fin:
                continue
            if text:
                try:
                    message.decode()
                except UnicodeDecodeError:
                    return events, CloseCode.INVALID_DATA
            events.append((TEXT if text else BINARY, message))
            message = b""
        else:
            events.append((int(found.opcode), bytes(found.data)))
            if found.opcode is Opcode.CLOSE:
                return events, None
    fault: Any = protocol.parser_exc
    if isinstance(fault, PayloadTooBig):
        return events, 4413
    if isinstance(fault, ProtocolError):
        return events, CloseCode.PROTOCOL_ERROR
    return events, CloseCode.INVALID_DATA if isinstance(fault, UnicodeDecodeError) else None


def between_parts(frames: list[bytes]) -> bool:
    """Return whether a message was begun in parts."""
    return any(frame[0] in {0x01, 0x02} for frame in frames)


@given(frames=st.lists(client_frames(), max_size=6), cuts=CUTS | st.none())
def test_frames_mean_the_same_to_both(frames: list[bytes], cuts: list[int] | None) -> None:
    """Good and bad frames, each by itself or cut anyhow, give the same messages and close code as the library's."""
    parts = frames if cuts is None else pieces(b"".join(frames), cuts)
    (events, code), (expected, expected_code) = ours(parts), theirs(parts)
    if between_parts(frames) and expected_code == 1002 and events and events[-1][0] == CLOSE:
        # RFC 6455, 5.4 lets a close frame come between the parts of a message; the library does not.
        assert events[:-1] == expected
        return
    assert events == expected
    # A frame that is forbidden and too long besides: the library names its length, we name what is forbidden.
    assert code == expected_code or (code, expected_code) == (1002, 4413)


@given(st.binary(max_size=200), CUTS)
def test_arbitrary_bytes_are_read_or_refused(data: bytes, cuts: list[int]) -> None:
    """Nothing that arrives raises anything but the fault that closes the socket."""
    ours(pieces(data, cuts))


@given(st.integers(0, 70_000))
def test_what_is_written_can_be_read(length: int) -> None:
    """A server's frame of any length is read back whole by the library."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)
    client.receive_data(frame(BINARY, bytes(length)))
    (found,) = client.events_received()
    assert isinstance(found, Frame)
    assert (found.opcode, len(found.data)) == (Opcode.BINARY, length)
