"""Admitted readings become frames: what is in them, when they are due, and what they settle."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from ingest.columns import batch_of, batches_of
from ingest.effects import Admit, Provenance
from ingest.framing import Framer
from ingest.rows import NUMBERS, PACK, WORN_UNKNOWN, Rows
from schemas.device_protocol import ABSENT
from schemas.frame import MAX_FRAME_BYTES, OFFSET_UNKNOWN, decode, encode, wearers_of
from schemas.topics import PARTITIONS
from tests.device_sessions import BOOT, NOW_MS, WEARER, admitted, greeted, reading, readings_text


def provenance(partition: int = 0, **changes: object) -> Provenance:
    """Return what the rows of a made session share."""
    facts: dict[str, object] = {
        "wearer": WEARER.bytes, "partition": partition, "device_number": 7, "boot": BOOT.bytes, "clock_offset_ms": 0,
        "correction_ms": 0, "origin": 0, "firmware": None, **changes,
    }  # fmt: skip
    return Provenance(**facts)  # type: ignore[arg-type]


def message(of: Provenance, seq: int, *, rows: int = 1, size: int = 200, received_ms: int = NOW_MS) -> Admit:
    """Return an admitted message of heart rates."""
    numbers = [60.0 if name == "heart_rate" else ABSENT for name in NUMBERS]
    row = PACK(seq, received_ms * 1000, NOW_MS, OFFSET_UNKNOWN, 1, WORN_UNKNOWN, 0, *numbers)
    columns = Rows(row * rows, rows)
    return Admit(of, seq, received_ms * 1000, columns, size)


def framer() -> Framer[str]:
    """Return an empty framer at time 0."""
    return Framer(now_s=0)


def test_a_frame_carries_what_was_sent() -> None:
    """Every value of a full reading is read back equal from the frame, and what was absent is null."""
    sent = {
        "time": "2026-11-21T09:59:59.1239+02:00", "source": "phone", "worn": False, "quality": 0.5, "injected": True,
        "heart_rate": 61.5, "hrv_rmssd": 30, "hrv_sdnn": 40, "hrv_window_s": 60, "spo2": 97, "respiratory_rate": 14,
        "skin_temperature": 33.25, "body_temperature": 36.5, "acceleration": 1, "motion": 0.125, "steps": 3,
        "ibi": [800, 810.5],
    }  # fmt: skip
    session = greeted(firmware="1.2")
    (admit,) = admitted(session.receive(readings_text(9, sent, reading())))
    frames = framer()
    frames.add("a", admit, now_s=0)
    (frame,) = [frame for frame in frames.due(now_s=0.04) if frame.rows]
    first, second = decode(frame.data).batch.to_pylist()
    for name in set(sent) - {"time", "source"}:
        assert first[name] == sent[name]
    assert first["time"] == datetime(2026, 11, 21, 7, 59, 59, 123_000, tzinfo=UTC)
    assert first["utc_offset_min"] == 120
    assert first["stream_id"] == 7 * 256 + 2
    assert (first["wearer"], first["boot"], first["seq"]) == (WEARER.bytes, BOOT.bytes, 9)
    assert (first["device_number"], first["firmware"], first["cell"], first["origin"]) == (7, "1.2", None, 0)
    assert first["received"] == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert (second["heart_rate"], second["utc_offset_min"], second["worn"]) == (72, None, None)
    assert [second[name] for name in ("spo2", "ibi", "quality", "hrv_window_s")] == [None] * 4


def test_sessions_share_a_frame_and_keep_their_own_facts() -> None:
    """Rows of several sessions lie in one frame in order, each with its wearer, boot and firmware."""
    other = UUID(int=5)
    first = provenance(firmware="a", device_number=1)
    second = provenance(firmware="b", device_number=2, wearer=other.bytes, clock_offset_ms=9_000, correction_ms=9_000)
    third = provenance(device_number=3, origin=2)
    frames = framer()
    for owner, admit in (("x", message(first, 1, rows=2)), ("y", message(second, 5)), ("z", message(third, 8))):
        frames.add(owner, admit, now_s=0)
    (frame,) = [frame for frame in frames.due(now_s=0.04) if frame.rows]
    rows = decode(frame.data).batch.to_pylist()
    assert [row["wearer"] for row in rows] == [WEARER.bytes, WEARER.bytes, other.bytes, WEARER.bytes]
    assert [row["firmware"] for row in rows] == ["a", "a", "b", None]
    assert [row["device_number"] for row in rows] == [1, 1, 2, 3]
    assert [row["seq"] for row in rows] == [1, 1, 5, 8]
    assert [row["clock_offset_ms"] for row in rows] == [0, 0, 9_000, 0]
    assert [row["origin"] for row in rows] == [0, 0, 0, 2]
    assert frame.settles == {"x": [1], "y": [5], "z": [8]}
    assert decode(frame.data).ids("wearer")[0] == [WEARER.bytes, other.bytes]


@pytest.mark.parametrize(("late_ms", "correction_ms", "backfill"), [
    (60_000, 0, False), (60_001, 0, True), (3_600_000, 3_600_000, False), (0, -60_001, True),
])  # fmt: skip
def test_backfill_is_what_the_corrected_time_says(late_ms: int, correction_ms: int, *, backfill: bool) -> None:
    """A reading is history when its corrected time is more than 60 s before its receipt."""
    frames = framer()
    of = provenance(correction_ms=correction_ms)
    frames.add("x", message(of, 1, received_ms=NOW_MS + late_ms), now_s=0)
    (frame,) = [frame for frame in frames.due(now_s=0.04) if frame.rows]
    assert decode(frame.data).booleans("backfill").tolist() == [backfill]
    assert frame.backfill == int(backfill)


def test_a_frame_is_due_when_its_first_reading_has_lingered() -> None:
    """Nothing leaves before linger has passed since the first row of its partition."""
    frames = framer()
    frames.add("x", message(provenance(), 1), now_s=0.5)
    frames.add("x", message(provenance(), 2), now_s=0.53)
    assert frames.due(now_s=0.539) == []
    assert frames.wait_s(now_s=0.53) == pytest.approx(0.01)
    assert [frame.rows for frame in frames.due(now_s=0.54)] == [2]


def test_partitions_do_not_share_frames() -> None:
    """Each partition has its own frame."""
    frames = framer()
    for partition in (3, 5):
        frames.add("x", message(provenance(partition), partition), now_s=0)
    assert [(frame.partition, frame.settles) for frame in frames.due(now_s=0.04)] == [(3, {"x": [3]}), (5, {"x": [5]})]


def test_partitions_leave_together() -> None:
    """When the oldest row has lingered every partition's frame leaves with it, and the next turn is a linger later."""
    frames = framer()
    frames.add("x", message(provenance(3), 1), now_s=0)
    frames.add("y", message(provenance(5), 2), now_s=0.03)
    sent = frames.due(now_s=0.04)
    assert [frame.partition for frame in sent] == [3, 5]
    for frame in sent:
        frames.landed(frame)
    frames.add("y", message(provenance(5), 3), now_s=0.05)
    assert frames.wait_s(now_s=0.05) == pytest.approx(0.04)


def test_a_slow_partition_hurries_no_other() -> None:
    """A row that waits because its partition's frame is still in the air makes no other partition's frame leave."""
    frames = framer()
    frames.add("x", message(provenance(), 1), now_s=0)
    frames.due(now_s=0.04)
    frames.add("x", message(provenance(), 2), now_s=0.05)
    frames.add("y", message(provenance(5), 1), now_s=0.5)
    assert [frame for frame in frames.due(now_s=0.53) if frame.rows] == []
    assert frames.wait_s(now_s=0.53) == pytest.approx(0.01)


def test_a_frame_that_would_grow_too_large_leaves_at_once() -> None:
    """At 256 KiB what was collected leaves before linger has passed, and the next row begins a new frame."""
    frames = framer()
    frames.add("x", message(provenance(), 1, size=200_000), now_s=0)
    frames.add("x", message(provenance(), 2, size=100_000), now_s=0)
    assert frames.wait_s(now_s=0) == 0
    (full,) = frames.due(now_s=0)
    assert full.settles == {"x": [1]}
    frames.landed(full)
    assert [frame.settles for frame in frames.due(now_s=0.04)] == [{"x": [2]}]


def test_full_frames_of_short_readings_stay_within_the_limit() -> None:
    """The shortest possible readings, which grow most in a frame, never make one larger than 256 KiB."""
    frames = framer()
    session = greeted()
    for seq in range(1, 9):
        (admit,) = admitted(session.receive(readings_text(seq, *[{"time": NOW_MS, "steps": 1}] * 500)))
        frames.add("x", admit, now_s=0)
    sizes = [len(frame.data) for frame in frames.due(now_s=0, flush=True) if frame.rows]
    assert len(sizes) > 1
    assert max(sizes) <= MAX_FRAME_BYTES


def test_silent_partitions_beat_once_a_second() -> None:
    """A partition that got no frame for a second gets an empty one; one that did does not."""
    frames = framer()
    frames.add("x", message(provenance(2), 1), now_s=0.9)
    for frame in frames.due(now_s=0.95):
        frames.landed(frame)
    assert frames.wait_s(now_s=0.95) == pytest.approx(0.05)
    beats = frames.due(now_s=1.0)
    assert sorted(frame.partition for frame in beats) == [each for each in range(PARTITIONS) if each != 2]
    assert {decode(frame.data).rows for frame in beats} == {0}
    for frame in beats:
        frames.landed(frame)
    assert [frame.partition for frame in frames.due(now_s=1.95)] == [2]


def test_no_heartbeat_joins_a_queue() -> None:
    """While a frame of a partition is in the air there is no silence to break."""
    frames = framer()
    frames.add("x", message(provenance(2), 1), now_s=0)
    frames.due(now_s=0.04)
    assert 2 not in [frame.partition for frame in frames.due(now_s=60)]


def test_a_slow_log_gets_larger_frames_not_more() -> None:
    """While a frame is in the air the next waits until it lands, and takes everything with it."""
    frames = framer()
    frames.add("x", message(provenance(), 1), now_s=0)
    (sent,) = frames.due(now_s=0.04)
    for seq in (2, 3, 4):
        frames.add("x", message(provenance(), seq), now_s=0.1)
    assert [frame for frame in frames.due(now_s=0.9) if frame.rows] == []
    frames.landed(sent)
    assert [frame.settles for frame in frames.due(now_s=0.9) if frame.rows] == [{"x": [2, 3, 4]}]


def test_flush_waits_for_nothing() -> None:
    """When a gateway drains everything leaves, also what waits for a slow log."""
    frames = framer()
    frames.add("x", message(provenance(), 1), now_s=0)
    frames.due(now_s=0.04)
    frames.add("x", message(provenance(), 9), now_s=0.4)
    assert {"x": [9]} in [frame.settles for frame in frames.due(now_s=0.4, flush=True)]


def test_what_is_held_is_counted_until_it_lands() -> None:
    """Held bytes are those of waiting rows, then of frames, then none."""
    frames = framer()
    frames.add("x", message(provenance(), 1, size=1_000), now_s=0)
    assert frames.held == 1_000
    (frame,) = frames.due(now_s=0.04)
    assert frames.held == len(frame.data)
    frames.landed(frame)
    assert frames.held == 0


def test_frames_that_leave_together_are_what_each_would_be_alone() -> None:
    """Whatever the others hold: places, beats, names, nulls and several rows of a message."""
    full = {"time": NOW_MS, "heart_rate": 60, "worn": True, "quality": 0.5, "ibi": [800, 810], "source": "phone"}
    written = reading(time="2026-11-21T09:59:59+02:00")
    session = greeted(firmware="2")
    session.receive(f'{{"type":"location","seq":1,"latitude":47.4,"longitude":8.5,"time":{NOW_MS}}}')
    placed, mixed, plain = (
        admitted(session.receive(readings_text(seq, *rows)))[0]
        for seq, rows in ((2, [reading()]), (3, [reading(), full, written]), (4, [reading(), reading(spo2=97)]))
    )
    bare = message(provenance(wearer=bytes(16)), 5, rows=9)
    together = [[placed], [mixed, bare, plain], [bare], [plain, mixed, plain], [bare, bare, placed]]
    for batch, alone in zip(batches_of(together), map(batch_of, together), strict=True):
        read, expected = decode(encode(batch)), decode(encode(alone))
        assert read.batch.equals(expected.batch)
        assert read.batch.to_pylist() == expected.batch.to_pylist()
        assert read.columns is not None
        assert wearers_of(encode(batch)) == wearers_of(encode(alone))


def test_a_frame_holds_nothing_of_those_that_leave_with_it() -> None:
    """Whoever else sends, its bytes are the same, what fills up its columns too."""

    def bytes_beside(heart_rate: int) -> list[bytes]:
        ours, others = greeted(firmware="2"), greeted(firmware=str(heart_rate))
        full = {
            "time": NOW_MS,
            "heart_rate": heart_rate,
            "worn": True,
            "quality": heart_rate / 100,
            "ibi": [heart_rate * 10],
        }
        (mine,) = admitted(ours.receive(readings_text(1, reading(), reading(worn=True), reading(ibi=[800]))))
        (other,) = admitted(others.receive(readings_text(heart_rate, *[full] * 9)))
        return [encode(batch) for batch in batches_of([[mine], [other], [mine, mine], [other], [mine]])][::2]

    assert bytes_beside(60) == bytes_beside(99)


def test_a_cell_that_is_not_told_stands_in_no_byte() -> None:
    """Where a reading was measured elsewhere, perhaps, its frame holds no cell, whoever leaves with it or is in it."""
    placed = greeted()
    placed.receive(f'{{"type":"location","seq":1,"latitude":47.4,"longitude":8.5,"time":{NOW_MS}}}')
    (here,) = admitted(placed.receive(readings_text(2, reading())))
    (elsewhere,) = admitted(placed.receive(readings_text(3, reading(time=NOW_MS - 86_400_000))))
    alone, beside, mixed = batch_of([elsewhere]), batches_of([[elsewhere], [here]])[0], batch_of([elsewhere, here])
    cell = decode(encode(batch_of([here]))).batch.column("cell")[0].as_py().to_bytes(8, "little")
    assert encode(alone) == encode(beside)
    assert (encode(beside).count(cell), encode(mixed).count(cell)) == (0, 1)


def test_a_vital_that_nobody_has_is_the_same_bytes_beside_one_who_has_it() -> None:
    """What a frame lacks is written as it would be alone, whatever those that leave with it have."""
    (mine,) = admitted(greeted().receive(readings_text(1, reading(), reading())))
    (other,) = admitted(greeted().receive(readings_text(1, reading(spo2=97, time="2026-11-21T09:59:59+02:00"))))
    assert encode(batches_of([[mine], [other]])[0]) == encode(batch_of([mine]))
