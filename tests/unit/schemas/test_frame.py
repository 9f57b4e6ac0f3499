"""Frames are read as they were written, and what is no frame is refused."""

import pyarrow as pa
import pytest

from schemas import frame, scores
from schemas.errors import FrameError
from tests import made_frames


def test_a_frame_tells_whose_rows_it_holds() -> None:
    """The wearers of a frame are learned without its other columns."""
    data = frame.encode(made_frames.readings({"wearer": 3}, {"wearer": 1}, {"wearer": 3}).batch)
    assert frame.wearers_of(data) == {made_frames.wearer(1).bytes, made_frames.wearer(3).bytes}


def test_a_frame_of_scores_tells_whose_rows_it_holds() -> None:
    """Frames of scores name their wearers in the same way."""
    data = scores.encode(made_frames.scores({"wearer": 2}).batch, clock_ms=1)
    assert frame.wearers_of(data) == {made_frames.wearer(2).bytes}


def test_a_heartbeat_names_nobody() -> None:
    """An empty frame holds nobody's rows."""
    assert frame.wearers_of(frame.heartbeat()) == frozenset()


def test_wearers_are_found_wherever_their_column_stands() -> None:
    """Columns are read by name: another writer may put the wearer last."""
    batch = made_frames.readings({"wearer": 5}).batch
    names = [*[name for name in batch.schema.names if name != "wearer"], "wearer"]
    data = frame.write_stream(batch.select(names))
    assert frame.wearers_of(data) == {made_frames.wearer(5).bytes}


def test_lists_of_beats_come_row_by_row() -> None:
    """Beats are read as one array with where each row's begin; no list is empty, also through bytes and in a part."""
    made = made_frames.readings({"ibi": [800.0, 810.0]}, {}, {"ibi": [790.5]}, {"ibi": []}, {"ibi": [805.0]})
    for read in (made, frame.decode(frame.encode(made.batch))):
        values, starts = read.lists("ibi")
        assert values.tolist() == [800.0, 810.0, 790.5, 805.0]
        assert starts.tolist() == [0, 2, 2, 3, 3, 4]
    values, starts = frame.Frame(made.batch.slice(1, 3)).lists("ibi")
    assert (values.tolist(), starts.tolist()) == ([790.5], [0, 0, 1, 1])
    values, starts = made_frames.readings({}, {}).lists("ibi")
    assert (len(values), starts.tolist()) == (0, [0, 0, 0])


@pytest.mark.parametrize(
    "data",
    [b"", b"no frame at all", frame.heartbeat()[:200], frame.write_stream(pa.record_batch({"time": [1]})),
     frame.write_stream(pa.record_batch({"wearer": ["a"]}))],
)  # fmt: skip
def test_what_names_no_wearers_is_refused(data: bytes) -> None:
    """Bytes that are no frame, or a stream without a column of ids, raise the frame's own error."""
    with pytest.raises(FrameError):
        frame.wearers_of(data)
