"""Processes that decode pictures: right answers, and a death or a hang that costs no chunk."""

import asyncio
import multiprocessing
import os
import resource
import signal
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import psutil
import pytest
import pytest_asyncio

from inference.rppg.video.measure import FrameMeasurer
from inference.rppg.video.state import FaceState
from infra.frame_chain import FrameChain
from infra.rppg.frame_workers import FrameWorkers
from schemas.errors import ContractError, DecoderAwayError, UnreadableVideoError
from stream_processors.hosts.retry import Backoff
from tests.portrait.renderer import Scene, jpegs
from tests.video_records import Counts

SCENE = Scene(seconds=0.5, size=(320, 240))
TIMES = np.arange(15) / 30


@pytest_asyncio.fixture
async def workers() -> AsyncIterator[FrameWorkers]:
    """Yield one process, ended afterwards."""
    made = FrameWorkers(processes=1, limit_s=20.0)
    yield made
    pids = made.pids
    await made.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_a_process_measures_as_the_measurer_does(workers: FrameWorkers) -> None:
    """Rows and state come back bit by bit, through the process and its pipe."""
    pictures = jpegs(SCENE)
    expected, after = FrameMeasurer().measure(pictures, TIMES, FaceState())
    samples, state = await workers.measure(pictures, TIMES, FaceState())
    for name in ("time_s", "rgb", "background", "saturated", "motion", "faces"):
        np.testing.assert_array_equal(getattr(samples, name), getattr(expected, name), err_msg=name)
    assert state == after


async def test_what_cannot_be_decoded_is_told_and_the_process_goes_on(workers: FrameWorkers) -> None:
    """Rubbish and a wrong shape are the sender's faults: the same process takes the next chunk."""
    with pytest.raises(UnreadableVideoError, match="None of the pictures"):
        await workers.measure([b"rubbish"], [0.0], FaceState())
    pids = workers.pids
    with pytest.raises(ContractError, match="at most 64"):
        await workers.measure([b"x"] * 65, [0.0] * 65, FaceState())
    samples, _ = await workers.measure(jpegs(SCENE), TIMES, FaceState())
    assert len(samples) == 15
    assert workers.pids == pids


async def test_a_process_that_ends_costs_no_picture(workers: FrameWorkers) -> None:
    """Killed between two chunks: the second is measured by a new process, to the same bits."""
    pictures, meter = jpegs(SCENE), Counts()
    chain = FrameChain(workers, meter=meter)
    before, _ = await chain.begin(pictures, TIMES, FaceState()).done()
    [pid] = workers.pids
    os.kill(pid, signal.SIGKILL)
    after, _ = await chain.begin(pictures, TIMES, FaceState()).done()
    np.testing.assert_array_equal(after.rgb, before.rgb)
    assert np.isfinite(after.rgb).all()
    assert workers.pids != [pid]
    assert meter.counted == {("measured_frames_total", ""): 30, ("retries_total", "decoder"): 1}


async def test_a_process_that_cannot_be_started_is_not_the_fault_of_the_pictures(
    workers: FrameWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the system gives no process, it is asked again, however often; then the pictures are measured."""
    meter, asked = Counts(), list[str]()
    context = multiprocessing.get_context("spawn")
    spawned = context.Process

    def refused(**given: Any) -> Any:
        asked.append("again")
        if len(asked) <= 5:
            raise BlockingIOError("no process is to be had")
        return spawned(**given)

    monkeypatch.setattr(context, "Process", refused)
    chain = FrameChain(workers, meter=meter, backoff=Backoff(first_s=0.001, most_s=0.01))
    samples, _ = await chain.begin(jpegs(SCENE), TIMES, FaceState()).done()
    assert np.isfinite(samples.rgb).all()
    assert meter.counted == {("measured_frames_total", ""): 15, ("retries_total", "decoder"): 5}


async def test_a_process_that_hangs_is_killed() -> None:
    """A stopped process answers nothing: after the limit another one measures the same chunk."""
    workers = FrameWorkers(processes=1, limit_s=8.0)
    try:
        await workers.measure(jpegs(SCENE), TIMES, FaceState())
        [pid] = workers.pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(DecoderAwayError) as told:
            await workers.measure(jpegs(SCENE), TIMES, FaceState())
        assert told.value.reason == "too_slow"
        assert pid not in workers.pids
        samples, _ = await workers.measure(jpegs(SCENE), TIMES, FaceState())
        assert np.isfinite(samples.rgb).all()
    finally:
        await workers.close()


async def test_processes_are_replaced_after_their_chunks_and_all_chunks_are_answered() -> None:
    """Chunks that come at once wait their turn, also when the process is a new one for each pair."""
    workers = FrameWorkers(processes=1, limit_s=20.0, chunks=2)
    pictures = jpegs(Scene(seconds=0.1, size=(320, 240)))
    try:
        seen = set()
        for _ in range(2):
            both = await asyncio.gather(*(workers.measure(pictures, TIMES[:3], FaceState()) for _ in range(2)))
            assert [len(samples) for samples, _ in both] == [3, 3]
            seen |= set(workers.pids)
        assert not seen
    finally:
        await workers.close()


async def test_a_process_may_take_bounded_memory_only(workers: FrameWorkers) -> None:
    """The system itself refuses it more address space than its libraries and the limit take."""
    await workers.measure(jpegs(SCENE), TIMES, FaceState())
    [pid] = workers.pids
    soft, hard = resource.prlimit(pid, resource.RLIMIT_AS)
    assert 0 < soft == hard < 8 * 2**30
