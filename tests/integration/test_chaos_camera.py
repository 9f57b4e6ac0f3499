"""The camera of `pulsera chaos` before a real gateway and the real video family: what it must come to is what comes."""

import asyncio
import time

import pyarrow as pa

from infra.chaos.camera import Camera, compare_pulse
from infra.frame_chain import FrameChain
from infra.rppg.frame_workers import FrameWorkers
from schemas.topics import VIDEO
from stream_processors.hosts.memory_log import MemoryLog
from stream_processors.hosts.runner import Place
from tests.conformance.worlds import until
from tests.integration.test_video import Tokens, served
from tests.integration.test_video_path import VideoTopic, worker
from tests.video_records import Counts

LEAST_CHUNKS = 32


async def test_what_is_expected_of_a_camera_is_what_is_read_of_it() -> None:
    """Sixteen seconds of it: each second that must have a heart rate has that one, once, and no other has any."""
    log = MemoryLog(lambda: time.time() * 1000)
    topic, chain = VideoTopic(log), FrameChain(FrameWorkers(processes=1), meter=Counts())
    async with worker(log, chain) as group, served(Tokens("a"), topic) as gateway:
        camera = Camera(f"ws://127.0.0.1:{gateway.port}/devices/stream", "a", "")
        filming = asyncio.create_task(camera.run())
        await until(lambda: camera.filmed >= LEAST_CHUNKS)
        camera.end()
        await filming
        await until(lambda: group.committed[Place(VIDEO.name, topic.partition)] == topic.count)
    await chain.close()
    rows = topic.rows()
    stored = pa.table({
        "time_ms": [round(row["time"].timestamp() * 1000) for row in rows],
        "heart_rate": [row["heart_rate"] for row in rows],
    })  # fmt: skip
    found = compare_pulse(camera.expected(), stored)
    assert camera.waiting == 0
    assert found.expected >= 4
    assert (found.lost, found.doubled, found.wrong) == (0, 0, 0), found.shown
