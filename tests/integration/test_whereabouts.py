"""A device's place on a real socket: its cell is in the records, its coordinates are nowhere."""

import asyncio
import logging
import struct
from dataclasses import dataclass, field
from itertools import product

import h3.api.basic_int as h3
import pytest
import structlog
from prometheus_client import generate_latest

from infra.clocks import SystemClock
from infra.metrics.meter import PrometheusMeter
from ingest.client.chunks import trace
from ingest.client.connection import DeviceClient, wall_clock_ms
from ingest.gateway import Gateway, GatewaySettings
from schemas import frame, video
from tests.integration.test_client_gateway import TOKEN, Impatient, OneDevice, url

LATITUDE, LONGITUDE = 46.948123, 7.447321
CELL = h3.latlng_to_cell(LATITUDE, LONGITUDE, 8)
DIGITS = ("46.948", "46,948", "7.4473", "7,4473")
DEADLINE_S = 30.0


@dataclass(slots=True)
class Bytes:
    """A log in memory that keeps every byte."""

    values: list[bytes] = field(default_factory=list)

    async def append(self, partition: int, frame: bytes) -> None:
        """Keep a record."""
        assert partition >= 0
        self.values.append(frame)


class World:
    """A gateway that can be stopped and started again on its port, with all that it could tell."""

    def __init__(self) -> None:
        self.readings, self.video, self.meter = Bytes(), Bytes(), PrometheusMeter()
        self.port = 0
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve, on the port of before if there was one."""
        self._stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        served = Gateway(
            GatewaySettings(port=self.port, linger_s=0.01),
            directory=OneDevice(),
            appender=self.readings,
            video=self.video,
            clock=SystemClock(),
            meter=self.meter,
        )
        self._task = asyncio.create_task(served.run(self._stop, ready=ready.set_result))
        self.port = await ready

    async def stop(self) -> None:
        """Drain."""
        assert self._stop is not None
        assert self._task is not None
        self._stop.set()
        await self._task

    def cells(self) -> list[int | None]:
        """Return the cell of every reading, in the order in which they came."""
        batches = [frame.decode(value).batch for value in self.readings.values]
        return [cell for batch in batches for cell in batch.column("cell").to_pylist()]


async def test_coordinates_are_in_no_record_line_or_metric_and_the_place_survives_a_restart(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Readings and video carry the cell, again after a new connection; degrees are in nothing that leaves the gateway.

    Also not where the place is refused, comes twice, or is taken back.
    """
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # the device's own library, as `pulsera` sets it
    world, told = World(), []
    await world.start()
    with structlog.testing.capture_logs() as lines:
        async with (
            asyncio.timeout(DEADLINE_S),
            DeviceClient(
                url(world.port), TOKEN, model="m", random=Impatient(), on_event=lambda event: told.append(repr(event))
            ) as device,
        ):
            await device.send([{"time": wall_clock_ms(), "heart_rate": 61}])
            await device.locate(LATITUDE, LONGITUDE)
            await device.send([{"time": wall_clock_ms(), "heart_rate": 62}])
            now_ms = wall_clock_ms()
            await device.stream(trace({"time": now_ms - 100, "times": [0, 40], "rgb": [[150, 110, 90]] * 2}))
            await device.drained()
            await world.stop()
            await world.start()
            await device.send([{"time": wall_clock_ms(), "heart_rate": 63}])
            await device.drained()
            await device.locate(LATITUDE, LONGITUDE + 360)
            await device.locate(None, None)
            await device.send([{"time": wall_clock_ms(), "heart_rate": 64}])
            await device.drained()
        await world.stop()
    assert world.cells() == [None, CELL, CELL, None]
    assert [video.decode(value).cell for value in world.video.values] == [CELL]
    metrics = generate_latest(world.meter.registry).decode()
    assert 'pulsera_rejected_total{code="out_of_range"} 1.0' in metrics
    written = capfd.readouterr()
    texts = [metrics, repr(lines), caplog.text, written.out, written.err, *told]
    assert not [text for text in texts if any(digits in text for digits in DIGITS)]
    packed = [struct.pack(how, value) for how, value in product(("<d", ">d", "<f", ">f"), (LATITUDE, LONGITUDE))]
    secrets = [*packed, *(digits.encode() for digits in DIGITS)]
    assert not [
        value for value in (*world.readings.values, *world.video.values) if any(one in value for one in secrets)
    ]
