"""Pictures that are measured elsewhere: what fails for a while is tried again, what never works is told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.rppg.samples import UNREADABLE, Samples, trace, unreadable
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from infra.frame_chain import TRIES, FrameChain
from schemas.errors import DecoderAwayError, UnreadableVideoError
from stream_processors.hosts.retry import Backoff
from tests.video_records import Counts

TIMES = np.arange(3) / 30
AFTER = FaceState(faces=1)
LOST = DecoderAwayError("process_ended", "The process that decoded these pictures ended.")
NONE = DecoderAwayError("not_started", "No process that decodes pictures could be started.")


@dataclass
class Failing:
    """Processes that fail in these ways, then measure."""

    failures: list[Exception]
    seen: Samples | None = None
    asked: int = 0

    async def measure(self, frames: Sequence[bytes], times_s: Floats, state: FaceState) -> tuple[Samples, FaceState]:
        """Fail, or see a grey face."""
        assert len(frames) == len(times_s)
        assert state == FaceState()
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.seen or trace(times_s, np.full((len(times_s), 3), 100.0)), AFTER

    async def close(self) -> None:
        """Own nothing."""


async def measured(workers: Failing) -> tuple[Samples, FaceState, dict[tuple[str, str], int]]:
    """Return what a chain tells of three pictures, and what it counted."""
    meter = Counts()
    chain = FrameChain(workers, meter=meter, backoff=Backoff(first_s=0.0, most_s=0.0))
    samples, state = await chain.begin([b"picture"] * 3, TIMES, FaceState()).done()
    await chain.close()
    return samples, state, meter.counted


async def test_a_process_that_is_lost_costs_no_picture() -> None:
    """What fails fewer times than blames the pictures is measured by the next process."""
    samples, state, counted = await measured(Failing([LOST] * (TRIES - 1)))
    assert np.isfinite(samples.rgb).all()
    assert state == AFTER
    assert counted == {("retries_total", "decoder"): TRIES - 1, ("measured_frames_total", ""): 3}


async def test_where_no_process_starts_the_pictures_wait() -> None:
    """A system that gives no process for long is no reason to give pictures up."""
    samples, _, counted = await measured(Failing([NONE] * 20))
    assert np.isfinite(samples.rgb).all()
    assert counted == {("retries_total", "decoder"): 20, ("measured_frames_total", ""): 3}


async def test_pictures_that_every_process_fails_with_are_told_as_unreadable() -> None:
    """They are never frames without a face, the face is looked for from where it was, and they are counted by why."""
    workers = Failing([LOST] * TRIES)
    samples, state, counted = await measured(workers)
    assert workers.asked == TRIES
    assert samples.faces.tolist() == [UNREADABLE] * 3
    assert state == FaceState()
    assert counted == {("retries_total", "decoder"): TRIES - 1, ("unreadable_frames_total", "process_ended"): 3}


async def test_what_is_no_picture_is_not_tried_again() -> None:
    """A sender's rubbish is rubbish to every process."""
    workers = Failing([UnreadableVideoError("undecodable", "None of the pictures is a JPEG.")])
    samples, _, counted = await measured(workers)
    assert workers.asked == 1
    assert samples.faces.tolist() == [UNREADABLE] * 3
    assert counted == {("unreadable_frames_total", "undecodable"): 3}


async def test_a_damaged_picture_among_others_is_counted() -> None:
    """One of three that could not be decoded is one unreadable frame and two measured ones."""
    seen = trace(TIMES, np.full((3, 3), 100.0))
    seen.faces[1] = unreadable(TIMES).faces[1]
    _, _, counted = await measured(Failing([], seen))
    assert counted == {("unreadable_frames_total", "undecodable"): 1, ("measured_frames_total", ""): 2}


async def test_what_the_pictures_wait_for_is_told_until_it_is_there() -> None:
    """While no process can be started the health answer says so, and why; afterwards it says nothing."""
    told = []

    class Watched(Failing):
        """Notes at each try what the health answer says."""

        async def measure(
            self, frames: Sequence[bytes], times_s: Floats, state: FaceState
        ) -> tuple[Samples, FaceState]:
            """Note it, then fail or measure."""
            told.append(chain.status())
            return await super().measure(frames, times_s, state)

    chain = FrameChain(Watched([NONE]), meter=Counts(), backoff=Backoff(first_s=0.0, most_s=0.0))
    await chain.begin([b"picture"] * 3, TIMES, FaceState()).done()
    assert told == [{"waiting": {}}, {"waiting": {"decoder": str(NONE)}}]
    assert chain.status() == {"waiting": {}}
    await chain.close()
