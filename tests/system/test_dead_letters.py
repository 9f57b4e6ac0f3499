"""A poison record stops nobody: it is set aside whole, named by the command line, and can be tried again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topics import COMMANDS, EPISODES, READINGS, SCORES, partition_of
from tests.running_system import RunningSystem, TestDevice, eventually, now_ms, reading

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]


def command(system: RunningSystem, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `pulsera dead-letters` against the system's folder."""
    line = [sys.executable, "-m", "infra.cli", "dead-letters", *arguments]
    environment = os.environ | {"PULSERA_DATA_DIR": str(system.data_dir)}
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=60)


async def test_poison_in_every_topic_stops_no_partition(system: RunningSystem, tmp_path: Path) -> None:
    """Bytes that are no record, put on each topic of a wearer's partition, become dead letters; the wearer goes on."""
    wearer, _, token = system.new_wearer("Poisoned")
    partition = partition_of(bytes.fromhex(wearer.replace("-", "")))
    producer = AIOKafkaProducer(bootstrap_servers=system.ready["kafka"])
    await producer.start()
    try:
        places = [
            await producer.send_and_wait(topic.name, b"poison", partition=partition)
            for topic in (READINGS, SCORES, EPISODES, COMMANDS)
        ]
    finally:
        await producer.stop()
    device = await TestDevice.connect(system.devices_url, token)
    await device.acked(await device.send([reading(now_ms(), heart_rate=77)]))
    await device.close()

    def stored() -> bool:
        with system.client() as client:
            return bool(client.get(f"/wearers/{wearer}/latest").json().get("heart_rate") == 77)

    await eventually(stored)
    expected = {f"storage:{place.topic}:{partition}:{place.offset}" for place in places[:3]}
    expected |= {f"care:{place.topic}:{partition}:{place.offset}" for place in places[2:]}
    expected.add(f"vitals:readings.v1:{partition}:{places[0].offset}")

    def listed() -> set[str]:
        return {line.split()[1] for line in command(system, "list").stdout.splitlines()}

    await eventually(lambda: expected <= listed(), within_s=60)
    name = f"storage:readings.v1:{partition}:{places[0].offset}"
    shown = command(system, "show", name, "--out", str(tmp_path / "record"))
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "record").read_bytes() == b"poison"
    assert (tmp_path / "record").stat().st_mode & 0o077 == 0
    assert command(system, "retry", name).returncode == 0
    await eventually(lambda: len([one for one in listed() if one.startswith("storage:readings.v1")]) >= 2, within_s=60)


def test_an_unknown_letter_is_refused_in_words(system: RunningSystem, tmp_path: Path) -> None:
    """A name that is not in the list gets one sentence with the next step, and exit code 1."""
    answer = command(system, "show", "storage:readings.v1:0:99999999", "--out", str(tmp_path / "record"))
    assert answer.returncode == 1
    assert "dead-letters list" in answer.stderr
    assert "Traceback" not in answer.stderr
