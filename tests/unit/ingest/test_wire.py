"""What a device socket's reader holds, and when it refuses."""

import pytest

from ingest.wire import BINARY, PART, TEXT, FrameReader, WireFaultError, close_code, close_frame

MOST = 1_000
MASK = b"\1\2\3\4"


def masked(head: int, payload: bytes) -> bytes:
    """Return one short frame of a client."""
    hidden = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return bytes([head, 0x80 | len(payload)]) + MASK + hidden


def test_a_long_message_is_refused_by_its_head() -> None:
    """A frame that announces too much is refused before any of its payload has come."""
    reader = FrameReader(MOST)
    reader.feed(bytes([0x81, 0x80 | 127]) + (1 << 40).to_bytes(8, "big"))
    with pytest.raises(WireFaultError) as fault:
        reader.pull()
    assert fault.value.code == 4413


def test_parts_that_grow_too_long_are_refused() -> None:
    """Parts are bounded together, not one by one."""
    reader = FrameReader(MOST)
    for head in (0x01, *[0x00] * 7):
        reader.feed(masked(head, b"x" * 120))
        assert reader.pull() == (PART, b"")
    reader.feed(masked(0x00, b"x" * 120))
    with pytest.raises(WireFaultError) as fault:
        reader.pull()
    assert fault.value.code == 4413


def test_every_part_shows() -> None:
    """Each part is told as it comes, so that tiny ones can be charged for; the last gives the message."""
    reader = FrameReader(MOST)
    reader.feed(masked(0x01, b"a") + masked(0x00, b"") + masked(0x89, b"p") + masked(0x80, b"b"))
    assert [reader.pull() for _ in range(5)] == [(PART, b""), (PART, b""), (0x9, b"p"), (TEXT, b"ab"), None]


def test_what_is_not_pulled_stays() -> None:
    """A reader that is not pulled loses nothing of what it is fed."""
    reader = FrameReader(MOST)
    for number in range(50):
        reader.feed(masked(0x82, bytes([number])))
    assert [reader.pull() for _ in range(50)] == [(BINARY, bytes([number])) for number in range(50)]
    assert reader.pull() is None


@pytest.mark.parametrize(("payload", "code"), [(b"", 1005), (b"\x03\xe8", 1000), (b"\x11\x32bye", 4402)])
def test_a_close_frame_names_its_code(payload: bytes, code: int) -> None:
    """A code, or none."""
    assert close_code(payload) == code


@pytest.mark.parametrize("payload", [b"\x03", b"\x00\x01", b"\x03\xed", b"\x03\xe8\xff"])
def test_a_bad_close_frame_is_a_fault(payload: bytes) -> None:
    """Half a code, one that nobody may send, and a reason that is not UTF-8 are refused."""
    with pytest.raises(WireFaultError):
        close_code(payload)


def test_a_long_reason_is_cut_between_letters() -> None:
    """A close frame holds at most 125 bytes, and its reason stays UTF-8."""
    data = close_frame(4400, "é" * 100)
    assert len(data) <= 127
    assert data[4:].decode() == "é" * 61
