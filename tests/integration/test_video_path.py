"""A filmed face on its whole way: a video file as a device sends it, and what the video family makes of it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.rppg.analysis import analyze
from inference.rppg.estimates import Analysis
from inference.rppg.samples import UNREADABLE
from inference.rppg.video import pictures
from inference.rppg.video.files import measure_file
from inference.rppg.video.state import FaceState
from infra.frame_chain import FrameChain
from infra.rppg.frame_workers import FrameWorkers
from ingest.client.camera import Part, pictured, traced
from ingest.client.connection import DeviceClient
from ingest.client.messages import Event, Told
from schemas import frame
from schemas.instructions import decode
from schemas.topics import INSTRUCTIONS, PARTITIONS, READINGS, VIDEO
from stream_processors.families.video import VideoFamily
from stream_processors.hosts.memory_host import MemoryGroup, MemoryHost
from stream_processors.hosts.memory_log import MemoryLog, MemoryStateStore
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Emission
from tests.conformance.worlds import until
from tests.integration.test_video import Tokens, served
from tests.portrait.renderer import Scene, waveform, write_video
from tests.video_records import Counts

SCENE = Scene(seconds=20.0, size=(320, 240), waveform="sample_video_2", noise=1.0)


class VideoTopic:
    """`video.v1` in a memory log, as the gateway sees it."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.partition = -1
        self.count = 0

    async def append(self, partition: int, record: bytes) -> None:
        """Append a record."""
        self.partition, self.count = partition, self.count + 1
        self.log.append(Emission(topic=VIDEO.name, partition=partition, key=None, value=record))

    def rows(self) -> list[dict[str, Any]]:
        """Return all readings that were made of it."""
        records = self.log.slice(Place(READINGS.name, self.partition), 0)
        return [row for record in records for row in frame.decode(record.value).batch.to_pylist()]


@asynccontextmanager
async def worker(log: MemoryLog, chain: FrameChain) -> AsyncIterator[MemoryGroup]:
    """Run the video family over a log."""
    world = Surroundings(
        publisher=log, reader=log, store=MemoryStateStore(), meter=Counts(), now_ms=lambda: time.time() * 1000
    )
    group, stopping = MemoryGroup(log, partitions=PARTITIONS), asyncio.Event()
    runner = StatefulRunner(VideoFamily(chain, Counts()), world)
    task = asyncio.create_task(MemoryHost(runner, group).run(stopping))
    try:
        yield group
    finally:
        stopping.set()
        await task


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face with a pulse of 60.5 beats a minute, 20 s, 320 x 240, 30 frames a second."""
    return write_video(tmp_path_factory.mktemp("clip") / "face.avi", SCENE)


@pytest.fixture(scope="module")
def of_file(clip: Path) -> Analysis:
    """What the analysis of the whole file tells."""
    return analyze(measure_file(clip).samples)


def parts_of(clip: Path, kind: str) -> Iterator[Part]:
    """Return a file as a device sends it."""
    return pictured(pictures.pictured(clip)) if kind == "pictures" else traced(pictures.measured(clip))


@pytest.mark.parametrize("kind", ["pictures", "traces"])
async def test_streamed_it_is_the_pulse_of_the_file(clip: Path, of_file: Analysis, kind: str) -> None:
    """As pictures or as traces: a first value within 12 s of video, and no more than 0.5 bpm off that of the file."""
    tokens, log = Tokens("a"), MemoryLog(lambda: time.time() * 1000)
    topic, chain, events = VideoTopic(log), FrameChain(FrameWorkers(processes=1), meter=Counts()), list[Event]()
    start_ms = int(time.time() * 1000) - 20_000
    async with worker(log, chain) as group, served(tokens, topic) as gateway:
        url = f"ws://127.0.0.1:{gateway.port}/devices/stream"
        async with DeviceClient(url, "a", model="camera", origin="replay", on_event=events.append) as device:
            for part in await asyncio.to_thread(list, parts_of(clip, kind)):
                await device.stream(part.chunk(start_ms))
            await device.drained()
            await until(lambda: group.committed[Place(VIDEO.name, topic.partition)] == topic.count)
            told = [decode(one.value) for one in log.slice(Place(INSTRUCTIONS.name, topic.partition), 0)]
            for one in told:
                gateway.gateway.instruct(one)
            await until(lambda: len([event for event in events if isinstance(event, Told)]) == len(told))
    await chain.close()
    rows = topic.rows()
    assert of_file.heart_rate_bpm is not None
    assert abs(of_file.heart_rate_bpm - waveform(SCENE.waveform)[2]) < 1.5
    assert rows[0]["time"].timestamp() * 1000 <= start_ms + 12_000
    assert len(rows) >= 6
    assert abs(float(np.median([row["heart_rate"] for row in rows])) - of_file.heart_rate_bpm) <= 0.5
    assert {(row["origin"], row["stream_id"]) for row in rows} == {(1, 1 * 256 + 3)}
    last = [event for event in events if isinstance(event, Told)][-1].fields
    assert abs(last["heart_rate"] - of_file.heart_rate_bpm) <= 1.0


async def test_pictures_that_are_none_cost_their_frames_alone() -> None:
    """Pictures that begin as JPEGs and are none are told as unreadable, counted, and nobody's process ends."""
    meter = Counts()
    chain = FrameChain(FrameWorkers(processes=1), meter=meter)
    begun = chain.begin([b"\xff\xd8\xff no picture"] * 3, np.array([0.0, 0.1, 0.2]), FaceState())
    samples, state = await chain.begin([b"\xff\xd8\xff nor this"], np.array([0.3]), begun).done()
    await chain.close()
    assert np.isnan(samples.rgb).all()
    assert state == FaceState()
    assert (samples.faces == UNREADABLE).all()
    assert meter.counted == {("unreadable_frames_total", "undecodable"): 4}


def test_nobody_but_the_measuring_processes_loads_opencv() -> None:
    """Neither the video worker's own process nor a gateway has OpenCV in memory."""
    code = (
        "import sys, infra.frame_chain, infra.rppg.frame_workers, stream_processors.families.video,"
        " infra.worker_process, ingest.gateway, infra.wiring, infra.kafka.instructions; sys.exit('cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0
