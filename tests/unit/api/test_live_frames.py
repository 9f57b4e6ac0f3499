"""Finished frames are what a WebSocket client reads as messages."""

import pytest
from websockets.frames import Frame
from websockets.streams import StreamReader

from api.live.frames import text_frames


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_a_client_reads_every_message_of_a_batch(length: int) -> None:
    """Messages of every length of head come back whole, in order, each in one final text frame."""
    messages = [b"a" * length, b"{}", b"b" * length]
    reader = StreamReader()
    reader.feed_data(text_frames(messages))
    reader.feed_eof()
    found = []
    while reader.buffer:
        parsing = Frame.parse(reader.read_exact, mask=False)
        with pytest.raises(StopIteration) as done:
            next(parsing)
        found.append(done.value.value)
    assert [one.data for one in found] == messages
    assert all(one.fin and one.opcode == 1 for one in found)
