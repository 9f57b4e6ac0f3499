"""Records that nobody can use lie on every topic: partitions go on, and what is set aside is named."""

import functools
import json
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pytest
import websockets
from aiokafka import AIOKafkaProducer

from schemas.frame import FRAME_SCHEMA, MAX_READINGS_PER_MESSAGE, encode, write_stream
from schemas.topics import ALERTS, COMMANDS, EPISODES, INSTRUCTIONS, READINGS, SCORES, Topic, partition_of
from tests.api_server import frame, subscribe, told
from tests.running_system import RunningSystem, TestDevice, eventually, now_ms, reading
from tests.world import World, figure, ready_parts, stored, world

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(240)]

EVENTS = {
    "garbage": b"\x00\xffpoison",
    "text that is no UTF-8": b'{"specversion":"1.0","id":"\xff","data":{}}',
    "nested without end": b'{"data":' * 20_000,
    "another event": json.dumps({"specversion": "1.0", "type": "x", "data": {"alert_id": 7}}).encode(),
}


@pytest.fixture(scope="module")
def poisoned() -> Iterator[World]:
    """A system of its own, since one of the records stops its workers for good."""
    with world() as made:
        yield made


@asynccontextmanager
async def producer_of(system: RunningSystem) -> AsyncIterator[AIOKafkaProducer]:
    """Give a producer that anybody on the network could be."""
    async with AIOKafkaProducer(bootstrap_servers=system.ready["kafka"], max_request_size=4 * 2**20) as producer:
        yield producer


def row(at_ms: int, **values: Any) -> dict[str, Any]:
    """Return a row of a frame as the gateway would write it now."""
    return {"time": at_ms * 1000, "received": at_ms * 1000 + 50_000, **values}


def of_wearer(wearer: UUID, *rows: dict[str, Any]) -> bytes:
    """Return a frame of a wearer's readings, each with its own times."""
    made = frame(wearer, *({**one, "at": 0} for one in rows))
    columns = [made.batch.column(index) for index in range(made.batch.num_columns)]
    for name in ("time", "received"):
        index = FRAME_SCHEMA.get_field_index(name)
        columns[index] = pa.array([one[name] for one in rows], FRAME_SCHEMA.field(index).type)
    return encode(pa.RecordBatch.from_arrays(columns, schema=FRAME_SCHEMA))


def spoilt(good: bytes) -> dict[str, bytes]:
    """Return frames that are wrong in a way each, by name."""
    batch = pa.ipc.open_stream(pa.py_buffer(good)).read_next_batch()
    as_text = batch.set_column(batch.schema.get_field_index("stream_id"), "stream_id", pa.array(["x"] * batch.num_rows))
    numbered = batch.replace_schema_metadata({**batch.schema.metadata, b"registry_version": b"9" * 6000})
    return {
        "garbage": b"\x00\xffpoison",
        "nothing": b"",
        "truncated": good[: len(good) * 2 // 3],
        "another schema": write_stream(as_text),
        "another kind": write_stream(batch.replace_schema_metadata({b"kind": b"x", b"registry_version": b"1"})),
        "a version without end": write_stream(numbered),
        "a column missing": write_stream(batch.select(batch.schema.names[2:])),
        "nothing but columns": write_stream(pa.record_batch({"a": [1]})),
    }


async def test_poison_of_every_kind_stops_nobody(poisoned: World) -> None:
    """Each unusable record of each topic is set aside once a reader and counted; wearers, scores and live views go on.

    At the end a frame of a newer registry stops the workers with a sentence: going on would lose what it tells.
    """
    system = poisoned.system
    wearer, _, token = system.new_wearer("Poisoned")
    partition = partition_of(UUID(wearer))
    good = of_wearer(UUID(wearer), row(now_ms() - 5_000, heart_rate=61.0), row(now_ms() - 4_000, heart_rate=62.0))
    headers = {"Authorization": f"Bearer {system.ready['admin_token']}"}
    live = websockets.connect(
        system.live_url, subprotocols=[websockets.Subprotocol("pulsera.live.v1+json")], additional_headers=headers
    )
    async with live as socket, producer_of(system) as producer:
        for number, topic in enumerate(("readings", "scores", "episodes", "alerts"), start=1):
            assert (await subscribe(socket, number, topic, wearer=wearer))["type"] == "snapshot"
        expected = await poison(producer, partition, good)
        device = await TestDevice.connect(system.devices_url, token)
        sent_ms = now_ms()
        await device.acked(await device.send([reading(sent_ms, heart_rate=77)]))
        await told(socket, lambda message: message["type"] == "update" and message["data"].get("heart_rate") == 77)

        async def served() -> bool:
            return (await stored(system, wearer)).get(sent_ms) == 77

        await eventually(served, within_s=60)
        await eventually(lambda: expected <= listed(poisoned), within_s=60)
        counted = sum(figure(metrics(poisoned, name), "pulsera_dead_letters_total") for name in ("storage", "vitals"))
        assert counted >= len([name for name in expected if not name.startswith("care")])
        await bad_row_among_hundreds(poisoned, producer)
        await device.close()
        await newer_registry(poisoned, producer, partition, good)


async def poison(producer: AIOKafkaProducer, partition: int, good: bytes) -> set[str]:
    """Append everything that is wrong; return the names of the dead letters that must follow."""
    expected: set[str] = set()
    chance = random.Random(7)  # noqa: S311 - the same bits every time
    frames: tuple[tuple[Topic, tuple[str, ...]], ...] = ((READINGS, ("storage", "vitals")), (SCORES, ("storage",)))
    for value in spoilt(good).values():
        for topic, families in frames:
            place = await producer.send_and_wait(topic.name, value, partition=partition)
            expected |= {f"{family}:{topic.name}:{partition}:{place.offset}" for family in families}
    for _ in range(40):  # one bit each; some change nothing that matters, and none may stop anybody
        flipped = bytearray(good)
        bit = chance.randrange(len(flipped) * 8)
        flipped[bit // 8] ^= 1 << bit % 8
        if not names_another_registry(bytes(flipped)):
            await producer.send_and_wait(READINGS.name, bytes(flipped), partition=partition)
    events: tuple[tuple[Topic, tuple[str, ...]], ...] = (
        (EPISODES, ("storage", "care")),
        (COMMANDS, ("care",)),
        (ALERTS, ()),
        (INSTRUCTIONS, ()),
    )
    for value in EVENTS.values():
        for topic, families in events:
            place = await producer.send_and_wait(topic.name, value, key=b"\xff", partition=partition)
            expected |= {f"{family}:{topic.name}:{partition}:{place.offset}" for family in families}
    return expected


async def bad_row_among_hundreds(of: World, producer: AIOKafkaProducer) -> None:
    """One row of a frame that the database refuses is set aside alone: its neighbours are stored and scored once."""
    wearer, _, _ = of.system.new_wearer("Neighbours")
    partition = partition_of(UUID(wearer))
    begin_ms = (now_ms() - 300_000) // 5_000 * 5_000
    times = [begin_ms + number * 500 for number in range(MAX_READINGS_PER_MESSAGE)]
    rows = [row(at_ms, heart_rate=60.0 + number % 30) for number, at_ms in enumerate(times)]
    rows[250] = {**rows[250], "firmware": "a\x00b"}
    place = await producer.send_and_wait(READINGS.name, of_wearer(UUID(wearer), *rows), partition=partition)
    name = f"storage:{READINGS.name}:{partition}:{place.offset}"
    await eventually(lambda: name in listed(of), within_s=60)
    kept = {at_ms: 60.0 + number % 30 for number, at_ms in enumerate(times) if number != 250}

    async def neighbours() -> bool:
        return await stored(of.system, wearer) == kept

    await eventually(neighbours, within_s=30)
    shown = of.pulsera("dead-letters", "show", name, "--out", str(of.folder / "row"))
    assert shown.returncode == 0, shown.stderr
    letter = pa.ipc.open_stream((of.folder / "row").read_bytes()).read_all()
    assert letter.num_rows == 1
    with of.system.client() as client:
        bins = client.get(f"/wearers/{wearer}/scores", params={"limit": 1000}).raise_for_status().json()["items"]
    assert all(one["readings"] <= 10 for one in bins)


async def newer_registry(of: World, producer: AIOKafkaProducer, partition: int, good: bytes) -> None:
    """A frame of a newer release stops storage and vitals in words; nothing is set aside, /ready names them."""
    batch = pa.ipc.open_stream(pa.py_buffer(good)).read_next_batch()
    newer = write_stream(batch.replace_schema_metadata({**batch.schema.metadata, b"registry_version": b"99"}))
    place = await producer.send_and_wait(READINGS.name, newer, partition=partition)
    for family in ("storage", "vitals"):
        child = of.children[family][0]
        await eventually(functools.partial(ended, child), within_s=30)
        last = of.log(family).strip().splitlines()[-1]
        assert "upgrade readers before writers" in last, last
    _, parts = await ready_parts(of.system)
    assert [parts[family]["state"] for family in ("storage", "vitals", "care")] == ["down", "down", "up"]
    assert f"storage:{READINGS.name}:{partition}:{place.offset}" not in listed(of)


def ended(child: "subprocess.Popen[bytes]") -> bool:
    """Return whether a process has ended."""
    return child.poll() is not None


def names_another_registry(value: bytes) -> bool:
    """Return whether a flipped bit made a frame of a newer release, which is no poison: it stops its readers."""
    try:
        metadata = pa.ipc.open_stream(pa.py_buffer(value)).schema.metadata or {}
    except (pa.ArrowException, OSError, ValueError, IndexError):
        return False
    return bool(metadata.get(b"registry_version") != b"1")


def listed(of: World) -> set[str]:
    """Return the names that `pulsera dead-letters list` prints."""
    return {line.split()[1] for line in of.pulsera("dead-letters", "list").stdout.splitlines()}


def metrics(of: World, name: str) -> str:
    """Return what a part tells Prometheus."""
    return httpx.get(f"http://127.0.0.1:{of.ports[name]}/metrics", timeout=10).text
