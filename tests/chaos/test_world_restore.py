"""An earlier copy of the database refills itself from the log; an earlier or empty log stops the workers in words."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.embedded.ports import LOOPBACK
from infra.embedded.postgres import DATABASE, USER, client_program
from infra.timescale.care import raise_generation
from schemas.topics import READINGS, partition_of
from tests.running_system import eventually, now_ms
from tests.world import PARTS, PatientDevice, World, beside_the_loop, ready_parts, stored, world

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def copied() -> Iterator[World]:
    """A system of its own, since its database and its Kafka are put back."""
    with world() as made:
        yield made


def sql(of: World, program: str, *arguments: str) -> str:
    """Run one of PostgreSQL's client programs against the system's server."""
    env = {
        **os.environ,
        "PGPASSWORD": of.postgres.password_file.read_text(),
        "PGHOST": LOOPBACK,
        "PGPORT": str(of.postgres.port),
        "PGUSER": USER,
    }
    done = subprocess.run([client_program(program), *arguments], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def worn(of: World, devices: list[PatientDevice], until: Any) -> None:
    """Let devices send until something holds, and everything they sent is acknowledged."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as load:
        for device in devices:
            load.create_task(device.run(stop))
        await eventually(until, within_s=60)
        stop.set()
    del of


def high_rates(of: World, wearer: str) -> list[dict[str, Any]]:
    """Return the alerts about a wearer's high heart rate, none while the API cannot tell."""
    with of.system.client() as client:
        answer = client.get("/alerts", params={"wearer": wearer})
    items = answer.json()["items"] if answer.status_code == 200 else []
    return [one for one in items if one["kind"] == "heart_rate.high"]


async def test_a_database_put_back_refills_itself_and_a_kafka_put_back_stops_the_workers(copied: World) -> None:
    """All acknowledged rows and answers come back, revisions only rise; a lost log is named with the way out of it."""
    system = copied.system
    people = [system.new_wearer(f"R{number}") for number in range(4)]
    racing, _, racing_token = system.new_wearer("Racing")
    devices = [PatientDevice(system.devices_url, token, readings=5) for _, _, token in people]
    sick = PatientDevice(system.devices_url, racing_token, every_s=0.2, slowest_bpm=195, motion=0.0)
    sick.past(130)
    await worn(copied, [*devices, sick], lambda: all(len(device.acked) > 50 for device in devices))
    await asyncio.to_thread(copied.end, "vitals")  # it saves its states
    await copied.back("vitals")
    dump = copied.folder / "old.sql"
    sql(copied, "pg_dump", "--file", str(dump), DATABASE)
    await worn(copied, [*devices, sick], lambda: high_rates(copied, racing))
    (alert,) = high_rates(copied, racing)
    with system.client() as client:
        client.post(f"/alerts/{alert['alert_id']}/acknowledge", json={}).raise_for_status()
    await eventually(lambda: high_rates(copied, racing)[0]["response"] == "acknowledged")
    (before,) = high_rates(copied, racing)

    await asyncio.to_thread(put_back, copied, dump)
    await copied.back(*PARTS)
    await eventually(lambda: high_rates(copied, racing), within_s=60)
    await eventually(lambda: high_rates(copied, racing)[0]["response"] == "acknowledged", within_s=60)
    (after,) = high_rates(copied, racing)
    assert "a saved state is damaged" in copied.log("vitals")
    assert after["alert_id"] == before["alert_id"]
    assert after["revision"] > before["revision"]
    everybody = [(wearer, device) for (wearer, _, _), device in zip(people, devices, strict=True)]
    for wearer, device in (*everybody, (racing, sick)):

        async def complete(wearer: str = wearer, device: PatientDevice = device) -> bool:
            return await stored(system, wearer) == device.acked

        await eventually(complete, within_s=60)
    await worn(copied, devices, lambda: all(max(device.acked) > now_ms() - 1_000 for device in devices))
    await kafka_put_back(copied, people[0][0])
    await kafka_emptied(copied, everybody[0])


def put_back(of: World, dump: Path) -> None:
    """Put an old copy of the database in the place of the new one, as a person would; its saved states are damaged."""
    of.end(*PARTS)
    sql(of, "dropdb", "--force", DATABASE)
    sql(of, "createdb", DATABASE)
    sql(of, "psql", "--quiet", "--file", str(dump), DATABASE)
    spoil = "UPDATE processor_state SET blob = overlay(blob PLACING '\\xffff' FROM 40) WHERE family = 'vitals'"
    sql(of, "psql", "--quiet", "--command", spoil, DATABASE)
    beside_the_loop(raised(of.postgres.url()))


async def raised(url: str) -> None:
    """Raise the generation of alerts' revisions, as `pulsera restore` does."""
    connection = await asyncpg.connect(url)
    await raise_generation(connection)
    await connection.close()


async def kafka_put_back(of: World, wearer: str) -> None:
    """A partition that lost its end stops who has read further, with both offsets and the way out."""
    partition = partition_of(bytes.fromhex(wearer.replace("-", "")))
    await asyncio.to_thread(of.end, "storage", "vitals")
    await asyncio.to_thread(of.end, "kafka")
    for segment in (of.kafka.data_dir / "log" / f"{READINGS.name}-{partition}").glob("*.*"):
        if segment.suffix in {".log", ".index", ".timeindex"}:
            segment.unlink()
    await of.back("kafka")
    await refused(of, ("storage", "vitals"), "the log ends at")
    _, parts = await ready_parts(of.system)
    assert (parts["storage"]["state"], parts["care"]["state"]) == ("down", "up")


async def kafka_emptied(of: World, somebody: tuple[str, PatientDevice]) -> None:
    """Another cluster is refused by migrate and by workers; `migrate --new-log` goes on with it, rows are kept."""
    wearer, device = somebody
    kept = await stored(of.system, wearer)
    await asyncio.to_thread(of.end, *PARTS)
    await asyncio.to_thread(of.end, "kafka")
    shutil.rmtree(of.kafka.data_dir / "log")
    await of.back("kafka")
    refusal = await asyncio.to_thread(of.pulsera, "migrate")
    assert refusal.returncode == 1
    assert "belongs to the Kafka cluster" in refusal.stderr
    assert "--new-log" in refusal.stderr
    assert "Traceback" not in refusal.stderr
    await refused(of, ("storage",), "belongs to the Kafka cluster")
    agreed = await asyncio.to_thread(of.pulsera, "migrate", "--new-log")
    assert agreed.returncode == 0, agreed.stderr
    await of.back(*PARTS)
    assert await stored(of.system, wearer) == kept
    device.acked.clear()
    await worn(of, [device], lambda: device.acked)

    async def complete() -> bool:
        return await stored(of.system, wearer) == kept | device.acked

    await eventually(complete, within_s=60)


async def refused(of: World, families: tuple[str, ...], words: str) -> None:
    """Start workers and wait until each has ended with a sentence that names the way out."""
    for family in families:
        of.begin(family)
    for family in families:
        child = of.children[family][0]
        await eventually(lambda child=child: child.poll() is not None, within_s=40)  # type: ignore[misc]
        last = of.log(family).strip().splitlines()[-1]
        assert words in last, last
        assert "--new-log" in last, last
