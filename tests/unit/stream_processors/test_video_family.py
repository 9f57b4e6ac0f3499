"""The video family: a camera's frames become readings of the source rppg, the same for the same log."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from inference.rppg.samples import unreadable
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from schemas.errors import ContractError
from schemas.topics import INSTRUCTIONS, READINGS
from schemas.vitals import stream_id
from stream_processors.families.video import EXPIRES_MS, VideoFamily, VideoState
from stream_processors.operators.pulse_order import Standing
from stream_processors.operators.pulse_stream import PulseStream
from stream_processors.ports import Measurement, Record
from tests.video_records import (
    CHUNK_MS,
    NOW_MS,
    Camera,
    Counts,
    GreyMeter,
    Log,
    Told,
    as_pictures,
    emitted,
    readings,
    stepped,
    told,
    wearer,
)

FATES = "video_messages_total"


def opened(meter: GreyMeter | None = None, counts: Counts | None = None) -> VideoState:
    """Return a fresh state."""
    return VideoFamily(meter or GreyMeter(), counts or Counts()).open(3, None)


def filmed(camera: Camera, chunks: Sequence[int], log: Log | None = None) -> list[Record]:
    """Return the records of these half seconds, one each 500 ms."""
    log = log or Log()
    return [log.append(camera.record(chunk), after_ms=CHUNK_MS) for chunk in chunks]


async def test_a_pulse_becomes_readings_of_rppg() -> None:
    """The first value comes within 12 s of video, it is right, and its row is that of the camera's device."""
    camera = Camera(number=4, facts={"injected": True, "origin": 1, "firmware": "2", "utc_offset_min": 60})
    rows = readings(await stepped(opened(), filmed(camera, range(40))))
    first = rows[0]
    assert first["time"] <= datetime.fromtimestamp(NOW_MS / 1000 + 12, UTC)
    assert all(abs(row["heart_rate"] - 72) < 1 for row in rows)
    assert first["wearer"] == wearer(4).bytes
    assert (first["stream_id"], first["device_number"]) == (stream_id(4, "rppg"), 4)
    assert (first["injected"], first["origin"], first["firmware"], first["utc_offset_min"]) == (True, 1, "2", 60)
    assert 0 <= first["quality"] <= 1
    assert (first["worn"], first["ibi"], first["backfill"]) == (None, None, False)


async def test_there_is_at_most_one_reading_for_each_second() -> None:
    """Readings lie on whole seconds of the device's clock, each once, in order."""
    times = [row["time"] for row in readings(await stepped(opened(), filmed(Camera(), range(60))))]
    assert len(times) > 10
    assert times == sorted(set(times))
    assert all(time.microsecond == 0 for time in times)


async def test_readings_lie_on_the_partition_of_the_record() -> None:
    """What is emitted goes where the record was, instructions keyed by their wearer."""
    emissions = emitted(await stepped(opened(), filmed(Camera(), range(30))))
    assert {(one.topic, one.partition) for one in emissions} == {(READINGS.name, 3), (INSTRUCTIONS.name, 3)}
    keys = {one.key for one in emissions if one.topic == INSTRUCTIONS.name}
    assert keys == {f"wearer:{wearer(1)}".encode()}


async def test_the_person_is_told_how_it_comes_along() -> None:
    """Instructions name one device and wearer, count down to the first value, and then tell it with its wave."""
    instructions = told(await stepped(opened(), filmed(Camera(number=5), range(40))))
    assert {(one.device_number, one.wearer) for one in instructions} == {(5, wearer(5))}
    waiting = [one.instruction for one in instructions if one.instruction.heart_rate is None]
    assert {one.advice for one in waiting} == {"wait"}
    left = [one.seconds_left for one in waiting if one.seconds_left is not None]
    assert left == sorted(left, reverse=True)
    last = instructions[-1].instruction
    assert last.heart_rate is not None
    assert abs(last.heart_rate - 72) < 1
    assert len(last.wave) == last.wave_hz


async def test_nobody_in_front_of_the_camera_is_no_reading() -> None:
    """Frames without a face make no reading, and the advice says what to do."""
    camera = Camera(facts={"rgb": [None] * 15})
    steps = await stepped(opened(), filmed(camera, range(40)))
    assert readings(steps) == []
    last = told(steps)[-1].instruction
    assert (last.heart_rate, last.reason, last.advice) == (None, "no_face", "face_the_camera")


async def test_pictures_that_cannot_be_measured_are_no_reading_and_the_person_is_told_so() -> None:
    """Nobody is sent to face the camera because a decoder failed."""

    class Blind(GreyMeter):
        def begin(self, frames: Sequence[bytes], times_s: Floats, after: FaceState | Measurement) -> Told:
            assert len(frames) == len(times_s)
            return Told(unreadable(times_s), after if isinstance(after, FaceState) else FaceState())

    camera, log = Camera(), Log()
    records = [log.append(as_pictures(camera.record(chunk)), after_ms=CHUNK_MS) for chunk in range(10)]
    steps = await stepped(VideoFamily(Blind(), Counts()).open(3, None), records)
    assert readings(steps) == []
    last = told(steps)[-1].instruction
    assert (last.heart_rate, last.reason, last.advice) == (None, "unreadable", "none")


async def test_the_same_log_gives_the_same_bytes_however_it_is_cut() -> None:
    """One record at a time, many at once, or with a restart from a snapshot in between: bit for bit the same."""
    log, cameras = Log(), [Camera(number=1), Camera(number=2, rate_bpm=95)]
    records = [log.append(camera.record(chunk), after_ms=CHUNK_MS // 2) for chunk in range(40) for camera in cameras]
    whole = emitted(await stepped(opened(), records))
    single, family = opened(), VideoFamily(GreyMeter(), Counts())
    one_by_one = [emission for record in records for emission in emitted(await stepped(single, [record]))]
    before = family.open(3, None)
    first = emitted(await stepped(before, records[:37]))
    after = family.open(3, before.snapshot())
    rest = emitted(await stepped(after, records[37:]))
    assert one_by_one == whole
    assert first + rest == whole
    assert after.snapshot() == single.snapshot()


async def test_a_message_that_comes_again_changes_nothing() -> None:
    """A record repeated, by a device that resends or a gateway that appended twice, is ignored and counted."""
    log, camera, counts = Log(), Camera(), Counts()
    plain = emitted(await stepped(opened(), filmed(camera, range(40))))
    doubled = [log.append(camera.record(chunk), after_ms=CHUNK_MS // 2) for chunk in range(40) for _ in range(2)]
    again = emitted(await stepped(opened(counts=counts), doubled))
    assert again == plain
    assert counts.counted == {(FATES, "used"): 40, (FATES, "repeated"): 40}


async def test_what_comes_too_late_is_ignored() -> None:
    """A half second that arrives after a later one is not put in its place: the later one counted first."""
    counts = Counts()
    await stepped(opened(counts=counts), filmed(Camera(), [0, 1, 3, 2, 4]))
    assert counts.counted == {(FATES, "used"): 4, (FATES, "late"): 1}


async def test_a_missing_half_second_costs_no_wrong_value() -> None:
    """Where a message is lost the pulse goes on or begins anew; what is told after it is still right."""
    rows = readings(await stepped(opened(), filmed(Camera(), [*range(24), *range(25, 70)])))
    assert len(rows) > 10
    assert all(abs(row["heart_rate"] - 72) < 1.5 for row in rows)


async def test_a_long_gap_begins_a_stream_anew() -> None:
    """After more than 10 s without a frame nothing of before is used, and the face is looked for anew."""
    meter, counts, log = GreyMeter(), Counts(), Log()
    chunks = [0, 1, 2, 24, 25]
    records = [log.append(as_pictures(Camera().record(chunk)), after_ms=CHUNK_MS) for chunk in chunks]
    await stepped(opened(meter, counts), records)
    assert [faces for faces, _ in meter.asked] == [0, 1, 2, 0, 1]
    assert counts.counted == {(FATES, "used"): 4, (FATES, "gap"): 1}


async def test_a_device_that_starts_again_may_put_its_clock_back() -> None:
    """Frames of a new boot count whatever their time, while those of the old boot came too late."""
    log, counts = Log(), Counts()
    old, new = Camera(boot=1), Camera(boot=2)
    records = [log.append(old.record(chunk), after_ms=CHUNK_MS) for chunk in (100, 101)]
    records += [log.append(new.record(chunk), after_ms=CHUNK_MS) for chunk in range(30)]
    rows = readings(await stepped(opened(counts=counts), records))
    assert counts.counted == {(FATES, "used"): 31, (FATES, "gap"): 1}
    assert rows


async def test_a_message_that_overlaps_gives_its_new_frames() -> None:
    """Frames that were seen already are left out, the later ones of the same message are measured."""
    meter, log = GreyMeter(), Log()
    camera = Camera()
    overlapping = camera.record(1, time_ms=NOW_MS + 300)
    records = [log.append(as_pictures(one), after_ms=CHUNK_MS) for one in (camera.record(0), overlapping)]
    await stepped(opened(meter), records)
    assert meter.asked == [(0, 15), (1, 9)]


async def test_a_silent_stream_expires_while_others_go_on() -> None:
    """After 30 s of observed time a stream is forgotten; one that comes back is looked for anew."""
    log, counts, meter = Log(), Counts(), GreyMeter()
    state = opened(meter, counts)
    quiet, busy = Camera(number=1), Camera(number=2)
    await stepped(state, [log.append(as_pictures(quiet.record(0)))])
    chunks = EXPIRES_MS // CHUNK_MS + 2
    await stepped(state, [log.append(as_pictures(busy.record(chunk)), after_ms=CHUNK_MS) for chunk in range(chunks)])
    assert counts.counted["video_streams_expired_total", ""] == 1
    await stepped(state, [log.append(as_pictures(quiet.record(1)))])
    assert meter.asked[0] == meter.asked[-1] == (0, 15)


async def test_an_outage_of_ours_is_no_silence_of_theirs() -> None:
    """An hour in which nothing at all was appended counts as two seconds: nobody expires for it."""
    log, counts = Log(), Counts()
    state = opened(counts=counts)
    await stepped(state, [log.append(Camera(number=1).record(0)), log.append(Camera(number=2).record(0))])
    await stepped(state, [log.append(Camera(number=2).record(1), after_ms=3_600_000)])
    assert ("video_streams_expired_total", "") not in counts.counted


async def test_a_stream_forgotten_within_a_batch_is_measured_as_if_it_were_alone() -> None:
    """What was begun for a stream that then expired is begun anew: a batch gives what its records give singly."""
    log = Log()
    quiet, busy = Camera(number=1), Camera(number=2)
    records = [log.append(as_pictures(quiet.record(0)))]
    records += [log.append(as_pictures(busy.record(chunk)), after_ms=2_000) for chunk in range(17)]
    records += [log.append(as_pictures(quiet.record(chunk))) for chunk in (1, 2)]
    together, singly = opened(), opened()
    await stepped(together, records)
    for record in records:
        await stepped(singly, [record])
    assert together.snapshot() == singly.snapshot()


async def test_streams_do_not_touch_one_another() -> None:
    """Two people in one partition have the pulses that they have alone."""
    log, cameras = Log(), [Camera(number=1, rate_bpm=60), Camera(number=2, rate_bpm=110)]
    records = [log.append(camera.record(chunk), after_ms=250) for chunk in range(40) for camera in cameras]
    rows = readings(await stepped(opened(), records))
    for camera in cameras:
        rates = [row["heart_rate"] for row in rows if row["wearer"] == wearer(camera.number).bytes]
        assert rates
        assert all(abs(rate - camera.rate_bpm) < 1 for rate in rates)


async def test_history_is_marked_and_instructs_nobody() -> None:
    """Video of an hour ago gives readings marked as back-fill; there is nothing to tell the person now."""
    camera = Camera(facts={"received_ms": NOW_MS + 3_600_000})
    steps = await stepped(opened(), filmed(camera, range(40)))
    assert {row["backfill"] for row in readings(steps)} == {True}
    assert told(steps) == []


@pytest.mark.parametrize("value", [b"", b"\x81", b"\xc0", b"no record"])
async def test_what_is_no_record_is_refused_before_anything_changes(value: bytes) -> None:
    """A record that cannot be read raises, says nothing of its bytes, and leaves the state as it was."""
    log, state = Log(), opened()
    await stepped(state, [log.append(Camera().record(0))])
    before = state.snapshot()
    bad = log.append(value, after_ms=CHUNK_MS)
    with pytest.raises(ContractError, match="Not a record of video"):
        await stepped(state, [bad])
    assert state.snapshot() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"offsets_ms": [0.0, 0.0]},
        {"offsets_ms": [float("nan")]},
        {"rgb": [(1.0, 2.0, 3.0)]},
        {"rgb": [(float("nan"), 2.0, 3.0)] * 15},
        {"rgb": None},
        {"kind": "jpeg"},
        {"origin": 9},
        {"motion": [1.0]},
    ],
)
async def test_what_no_gateway_lets_through_is_refused(fields: dict[str, object]) -> None:
    """A record of somebody else's making is checked as the gateway checks messages."""
    with pytest.raises(ContractError, match="record of video"):
        await stepped(opened(), [Log().append(Camera().record(0, **fields))])


def test_a_damaged_snapshot_is_refused() -> None:
    """Bytes that are no state raise, so that the host reads the log instead."""
    with pytest.raises(ContractError):
        VideoFamily(GreyMeter(), Counts()).open(3, b"\x00damaged")


def test_a_saved_state_holds_no_picture_of_a_face() -> None:
    """What follows a face by its picture is left out of what is saved, and begins anew from it."""
    stream = PulseStream(Standing(boot=bytes(16), newest_ms=0.0), origin_ms=0)
    stream.face = FaceState(time_s=3.0, width=640, height=480, box=(1.0, 2.0, 3.0, 4.0), template=b"picture" * 100)
    assert b"picture" not in stream.dump()
    assert PulseStream.load(stream.dump()).face == FaceState(time_s=3.0, width=640, height=480)
