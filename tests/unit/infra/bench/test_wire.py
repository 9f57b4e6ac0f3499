"""The bench's own WebSocket frames are ones that a server of another make understands."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from infra.bench.wire import masked


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_are_read_back_by_another_implementation(length: int) -> None:
    """A frame of any size is parsed by the websockets library to the same payload."""
    reader = StreamReader()
    reader.feed_data(masked(0x1, b"x" * length))
    parser = Frame.parse(reader.read_exact, mask=True)
    with pytest.raises(StopIteration) as done:
        next(parser)
    frame = done.value.value
    assert frame.opcode is Opcode.TEXT
    assert bytes(frame.data) == b"x" * length
