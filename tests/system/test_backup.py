"""The database is lost and comes back: from a backup taken under load, and from the topics for what came since."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running_system import RunningSystem, TestDevice, eventually, now_ms, reading, started

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's own user can reach."""
    with tempfile.TemporaryDirectory(prefix="pulsera-backup-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def pulsera(*arguments: str, code: int = 0) -> str:
    """Run a command of ours, which ends with this code; return what it said."""
    done = subprocess.run([sys.executable, "-m", "infra.cli", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def lose_the_database(data_dir: Path) -> None:
    """Remove the database's files, and the link to them where there is one."""
    shown = data_dir / "postgres"
    shutil.rmtree(shown.resolve())
    if shown.is_symlink():
        shown.unlink()


@contextlib.asynccontextmanager
async def steady_load(device: TestDevice) -> AsyncIterator[list[int]]:
    """Send five readings twenty times a second; give the times of those that were acknowledged."""
    acknowledged: list[int] = []

    stopping = asyncio.Event()

    async def send() -> None:
        while not stopping.is_set():
            at = now_ms()
            times = [at - 40 + 10 * number for number in range(5)]
            await device.acked(await device.send([reading(one, heart_rate=70) for one in times]))
            acknowledged.extend(times)
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(send())
    try:
        yield acknowledged
    finally:
        stopping.set()
        await sending


async def _racing(system: RunningSystem) -> str:
    wearer, _, token = system.new_wearer("Racing")
    device = await TestDevice.connect(system.devices_url, token)
    begun = now_ms() - 150_000
    beats = [reading(begun + n * 1000, heart_rate=198 + n % 5, motion=0.01) for n in range(140)]
    await device.acked(await device.send(beats))
    await device.close()
    return wearer


def _alert(system: RunningSystem, wearer: str) -> dict[str, Any]:
    with system.client() as client:
        items: list[dict[str, Any]] = (
            client.get("/alerts", params={"wearer": wearer}).raise_for_status().json()["items"]
        )
    return next((one for one in items if one["type"] == "physiological"), {})


def _stored(system: RunningSystem, wearer: str) -> int:
    count, cursor = 0, ""
    with system.client() as client:
        while True:
            params = {"limit": 1000} | ({"cursor": cursor} if cursor else {})
            page = client.get(f"/wearers/{wearer}/readings", params=params).raise_for_status().json()
            count += len(page["items"])
            cursor = page["cursor"]
            if not cursor:
                return count


async def test_a_lost_database_comes_back(folder: Path) -> None:
    """What was acknowledged before, during and after the backup is stored once; the answered alert stays answered."""
    data_dir, target = folder / "data", folder / "backup.tar"
    with started(data_dir=data_dir) as system:
        racing = await _racing(system)
        alert = await eventually(lambda: _alert(system, racing))
        wearer, _, token = system.new_wearer("Loaded")
        device = await TestDevice.connect(system.devices_url, token)
        async with steady_load(device) as sent:
            await asyncio.to_thread(pulsera, "backup", str(target), "--data-dir", str(data_dir))
            taken_at = len(sent)
            await eventually(lambda: len(sent) >= taken_at + 50)
            with system.client() as client:
                answer = client.post(f"/alerts/{alert['alert_id']}/acknowledge", json={"note": "on my way"})
            answered = answer.raise_for_status().json()
        await device.close()
        assert taken_at > 0
    lose_the_database(data_dir)
    pulsera("restore", str(target), "--data-dir", str(data_dir))
    with started(data_dir=data_dir) as system:
        await eventually(lambda: _stored(system, wearer) >= len(sent), within_s=60)
        found = await eventually(lambda: (one := _alert(system, racing))["response"] == "acknowledged" and one, 60)
        assert found["alert_id"] == alert["alert_id"]
        assert found["revision"] > answered["revision"]
        assert _stored(system, wearer) == len(sent)
        device = await TestDevice.connect(system.devices_url, token)
        await device.acked(await device.send([reading(now_ms(), heart_rate=71)]))
        await device.close()
        assert "already runs" in pulsera("restore", str(target), "--data-dir", str(data_dir), "--replace", code=1)
    assert "not empty" in pulsera("restore", str(target), "--data-dir", str(data_dir), code=1)
