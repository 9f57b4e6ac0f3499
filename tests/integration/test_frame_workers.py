"""Processes that decode pictures: right answers, and a death or a hang that costs one chunk."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator

import numpy as np
import psutil
import pytest
import pytest_asyncio

from inference.rppg.video.measure import FrameMeasurer
from inference.rppg.video.state import FaceState
from infra.rppg.frame_workers import FrameWorkers
from schemas.errors import ContractError, UnreadableVideoError
from tests.portrait.renderer import Scene, jpegs

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


async def test_a_process_that_ends_costs_its_chunk_alone(workers: FrameWorkers) -> None:
    """Killed between two chunks: the first after it is told, the one after that is measured by a new process."""
    await workers.measure(jpegs(SCENE), TIMES, FaceState())
    [pid] = workers.pids
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(UnreadableVideoError) as told:
        await workers.measure(jpegs(SCENE), TIMES, FaceState())
    assert told.value.reason == "process_ended"
    samples, _ = await workers.measure(jpegs(SCENE), TIMES, FaceState())
    assert len(samples) == 15
    assert workers.pids != [pid]


async def test_a_process_that_hangs_is_killed() -> None:
    """A stopped process answers nothing: after the limit its chunk is given up, and the next one is measured."""
    workers = FrameWorkers(processes=1, limit_s=8.0)
    try:
        await workers.measure(jpegs(SCENE), TIMES, FaceState())
        [pid] = workers.pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(UnreadableVideoError) as told:
            await workers.measure(jpegs(SCENE), TIMES, FaceState())
        assert told.value.reason == "too_slow"
        assert pid not in workers.pids
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
