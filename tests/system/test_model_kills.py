"""A `vitals` worker dies while an episode of the anomaly model is open: nothing of what it tells shows that."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import asyncpg
import httpx
import numpy as np
import pytest

from inference.physiology.faults import inject
from inference.physiology.minutes import simulate_minutes
from inference.pulsenet.series import HEART_RATE
from infra.bench.workers import Worker
from infra.detectors import PULSENET, shipped_detectors
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.metrics.meter import PrometheusMeter
from schemas import episodes, frame, scores
from schemas.episodes import Episode
from schemas.topics import EPISODES, PARTITIONS, READINGS, SCORES, partition_of
from stream_processors.families.vitals import VitalsFamily
from stream_processors.ports import Emission
from tests.running_system import TestDevice, eventually, now_ms
from tests.vitals_frames import batch, reading, wearer_id
from tests.world import World, figure, world

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(300)]

SICK: Final = "heart_rate.high"
MINUTE_MS: Final = 60_000
DAYS: Final = 1.1
PERSON: Final = 1
"""Number of the made person: at rest, with 60 beats a minute, where the rate rises."""
ONSET: Final = 1_400
"""Minute of the recording from which the heart beats 40 a minute faster, after a day in which the model learned."""
TOLD: Final = ONSET + 12
"""By then the model has opened its episode."""
LAST: Final = ONSET + 19
"""The present: what is decided is not older than 15 min, so that somebody is called."""
MESSAGE: Final = 240
NEWEST: Final = 4
WORN: Final = {"source": "watch", "worn": True, "quality": 0.9}


@pytest.fixture
def mortal() -> Iterator[World]:
    """A system of its own, since its worker is killed."""
    with world(parts=("gateway", "storage", "vitals", "care", "api")) as made:
        yield made


@pytest.fixture
def handed_over() -> Iterator[World]:
    """A log, a database and the one worker."""
    with world(parts=("vitals",)) as made:
        yield made


class Day:
    """A made person's recording that ends now, at its own hour of the day; one reading a minute, like a wristband."""

    def __init__(self) -> None:
        recording, _ = inject(
            simulate_minutes(1, DAYS, seed=PERSON)[0], "sustained_tachycardia", onset=ONSET, seed=PERSON
        )
        self._rates, self._steps = recording.values[:, HEART_RATE], recording.steps
        self._present_min = now_ms() // MINUTE_MS - 1
        local_min = recording.first_minute + LAST + recording.utc_offset_min
        self.offset_min = (local_min - self._present_min + 720) % 1440 - 720

    def at_ms(self, minute: int) -> int:
        """Return when a minute of the recording is taken to have been."""
        return (self._present_min - LAST + minute) * MINUTE_MS

    def measured(self, minutes: range) -> list[tuple[int, dict[str, Any]]]:
        """Return the time (ms) and what was measured, of each of these minutes in which anything was."""
        return [
            (self.at_ms(minute), {"heart_rate": float(self._rates[minute]), "steps": float(self._steps[minute])})
            for minute in minutes
            if np.isfinite(self._rates[minute])
        ]


class Patient(Day):
    """The made person with a device."""

    def __init__(self, device: TestDevice, wearer: str) -> None:
        super().__init__()
        self.wearer = wearer
        self._device = device

    @classmethod
    @asynccontextmanager
    async def enrolled(cls, mortal: World, name: str) -> AsyncIterator["Patient"]:
        """Make a wearer, whose device is connected until the context ends."""
        wearer, _, token = mortal.system.new_wearer(name)
        device = await TestDevice.connect(mortal.system.devices_url, token)
        try:
            yield cls(device, wearer)
        finally:
            await device.close()

    async def tell(self, minutes: range) -> None:
        """Send what was measured in these minutes of the recording, and wait until it is acknowledged."""
        zone = timezone(timedelta(minutes=self.offset_min))
        readings = [
            {"time": datetime.fromtimestamp(at_ms / 1000, zone).isoformat(), **WORN, **vitals}
            for at_ms, vitals in self.measured(minutes)
        ]
        seq = 0
        for first in range(0, len(readings), MESSAGE):
            seq = await self._device.send(readings[first : first + MESSAGE])
        await self._device.acked(seq)
        assert not self._device.nacks


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one wearer: rows of scores by bin (ms) without those two columns, and changes of episodes."""

    rows: dict[int, dict[str, Any]]
    changes: list[Episode]


async def unbroken(mortal: World, wearer: str) -> Told:
    """Return what one run over the whole log tells, from its beginning to where it ends now."""
    reader = KafkaReader(mortal.kafka.bootstrap)
    partition = partition_of(uuid.UUID(wearer))
    state = VitalsFamily(models=shipped_detectors(PULSENET, PrometheusMeter())).open(partition, None)
    told = Told({}, [])
    try:
        first, end = await reader.bounds(READINGS.name, partition)
        async for records in reader.read(READINGS.name, partition, first, end):
            for record in records:
                for emission in state.step(record).emissions:
                    _take(told, emission.topic, emission.value, wearer)
    finally:
        await reader.close()
    return told


async def published(mortal: World, wearer: str, newest: int | None = None) -> Told:
    """Return what the workers published, or what their newest records are; what came again must be what it was."""
    reader = KafkaReader(mortal.kafka.bootstrap)
    partition = partition_of(uuid.UUID(wearer))
    told = Told({}, [])
    try:
        for topic in (SCORES.name, EPISODES.name):
            first, end = await reader.bounds(topic, partition)
            begin = first if newest is None else max(first, end - newest)
            async for records in reader.read(topic, partition, begin, end):
                for record in records:
                    _take(told, topic, record.value, wearer)
    finally:
        await reader.close()
    return told


def _take(told: Told, topic: str, value: bytes, wearer: str) -> None:
    if topic == SCORES.name:
        for row in scores.decode(value).frame.batch.to_pylist():
            if row.pop("wearer") == uuid.UUID(wearer).bytes:
                bin_ms = _ms(row.pop("bin"))
                assert told.rows.setdefault(bin_ms, row) == row, "A repeat differs from the first."
    elif topic == EPISODES.name:
        change = episodes.decode(value)
        if change.subject.wearer == uuid.UUID(wearer) and change not in told.changes:
            told.changes.append(change)


async def stored_scores(mortal: World, wearer: str) -> dict[int, dict[str, Any]]:
    """Return the rows of `scores` of a wearer by bin (ms)."""
    connection = await asyncpg.connect(mortal.postgres.url())
    try:
        rows = await connection.fetch("SELECT * FROM scores WHERE wearer_id = $1", uuid.UUID(wearer))
    finally:
        await connection.close()
    return {_ms(row["bin"]): dict(row) for row in rows}


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def alerts(mortal: World, wearer: str) -> list[dict[str, Any]]:
    """Return every alert about a wearer."""
    with mortal.system.client() as client:
        found: list[dict[str, Any]] = (
            client.get("/alerts", params={"wearer": wearer}).raise_for_status().json()["items"]
        )
    return found


async def told_of(mortal: World, patient: Patient, minute: int) -> None:
    """Wait until the database holds a score of a minute of the recording."""

    async def is_there() -> bool:
        return patient.at_ms(minute) in await stored_scores(mortal, patient.wearer)

    await eventually(is_there, within_s=60)


async def one_episode_of_the_model(mortal: World, patient: Patient) -> dict[str, Any]:
    """Wait for the alert; return it, and fail where it is not of the anomaly model."""
    (alert,) = await eventually(lambda: alerts(mortal, patient.wearer), within_s=60)
    assert (alert["kind"], alert["cleared"]) == (SICK, None)
    assert (alert["evidence"]["rule"], alert["evidence"]["model"]) == ("baseline", _model())
    return dict(alert)


def _model() -> str:
    return shipped_detectors(PULSENET, PrometheusMeter()).roles().alerting


async def nothing_shows(mortal: World, patient: Patient, alert: dict[str, Any]) -> None:
    """Assert that episode, alert and scores are those of a run that nothing broke."""
    expected, found = await unbroken(mortal, patient.wearer), await published(mortal, patient.wearer)
    assert found.changes == expected.changes
    opened = [change for change in found.changes if change.phase == "opened"]
    assert [(one.condition, one.evidence.rule) for one in opened] == [(SICK, "baseline")]
    assert {str(change.episode_id) for change in found.changes} == {alert["episode_id"]}
    assert found.rows == expected.rows
    stored = await stored_scores(mortal, patient.wearer)
    columns = next(iter(stored.values())).keys() & next(iter(expected.rows.values())).keys()
    assert {"score", "tier", "z_heart_rate", "expected_heart_rate", "value_heart_rate"} <= columns
    assert {at: {name: row[name] for name in columns} for at, row in stored.items()} == {
        at: {name: row[name] for name in columns} for at, row in expected.rows.items()
    }
    assert len(stored) > ONSET * 0.9
    assert sum(row["score"] is not None and row["score"] >= 1.0 for row in stored.values()) > 0
    assert [one["alert_id"] for one in alerts(mortal, patient.wearer)] == [alert["alert_id"]]


async def restored(mortal: World) -> float:
    """Return how many saved states the worker has opened."""
    async with httpx.AsyncClient(timeout=20) as client:
        answer = await client.get(f"http://127.0.0.1:{mortal.ports['vitals']}/metrics")
    return figure(answer.text, "pulsera_restored_total")


async def test_an_episode_of_the_model_goes_on_through_kills_of_its_worker(mortal: World) -> None:
    """SIGKILL in the episode, a stop that saves, SIGKILL again: the same episode, one alert, the same stored scores."""
    async with Patient.enrolled(mortal, "Killed") as patient:
        await patient.tell(range(TOLD))
        alert = await one_episode_of_the_model(mortal, patient)
        mortal.end("vitals", kill=True)
        await patient.tell(range(TOLD, TOLD + 3))  # the watch does not know that nobody judges
        await mortal.back("vitals")
        await told_of(mortal, patient, TOLD + 1)
        mortal.end("vitals")  # it saves its states
        await mortal.back("vitals")
        await patient.tell(range(TOLD + 3, TOLD + 5))
        await told_of(mortal, patient, TOLD + 3)
        mortal.end("vitals", kill=True)
        await mortal.back("vitals")
        await patient.tell(range(TOLD + 5, LAST + 1))
        await told_of(mortal, patient, LAST)  # all that was sent is judged: nothing more comes
        assert await restored(mortal) > 0
        await nothing_shows(mortal, patient, alert)


async def test_an_episode_of_the_model_goes_on_where_another_worker_takes_over(handed_over: World) -> None:
    """A worker stands still in the episode, a second one has its partitions, the first wakes: nobody sees any of it."""
    day, wearer = Day(), str(wearer_id(PERSON))
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        publisher = KafkaPublisher(handed_over.kafka.bootstrap)
        stack.push_async_callback(publisher.close)

        async def tell(minutes: range) -> None:
            rows = [
                reading(at_ms, wearer=PERSON, utc_offset_min=day.offset_min, worn=True, quality=0.9, **vitals)
                for at_ms, vitals in day.measured(minutes)
            ]
            partition = partition_of(wearer_id(PERSON))
            for first in range(0, len(rows), MESSAGE):
                value = frame.encode(batch(rows[first : first + MESSAGE]))
                emission = Emission(topic=READINGS.name, partition=partition, key=None, value=value)
                await publisher.publish([emission])

        async def scored(minute: int) -> bool:
            return day.at_ms(minute) in (await published(handed_over, wearer, newest=NEWEST)).rows

        async def owns_all() -> bool:
            return bool((await second.health(client)).get("partitions") == PARTITIONS)

        await tell(range(TOLD))
        await eventually(lambda: scored(TOLD - 2), within_s=60)
        handed_over.frozen("vitals", on=True)
        with (handed_over.folder / "logs" / "second.log").open("ab") as log:
            second = await Worker.start("vitals", handed_over.environment | {"PULSERA_INSTANCE": "1"}, log)
        stack.push_async_callback(second.kill)
        await tell(range(TOLD, TOLD + 3))
        await eventually(owns_all, within_s=90)
        await eventually(lambda: scored(TOLD + 1), within_s=60)
        handed_over.frozen("vitals", on=False)
        await tell(range(TOLD + 3, LAST + 1))
        await eventually(lambda: scored(LAST - 1), within_s=60)
        expected, found = await unbroken(handed_over, wearer), await published(handed_over, wearer)
        assert found == expected
        opened = [change for change in found.changes if change.phase == "opened"]
        assert [(one.condition, one.evidence.rule) for one in opened] == [(SICK, "baseline")]
        assert opened[0].changed_ms < day.at_ms(TOLD)
        assert {change.episode_id for change in found.changes} == {opened[0].episode_id}
