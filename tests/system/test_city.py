"""A made city on a running system: its people say where they are, its zones can be listed, and all of it is marked."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.running_system import RunningSystem, eventually

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

PEOPLE = 12
COMMAND = (
    *(sys.executable, "-m", "infra.cli", "simulate", "--city", "--devices", str(PEOPLE), "--rings", "2"),
    *("--seed", "6", "--hour", "10", "--rate", "0.5", "--seconds", "14", "--event", "crush@0,share=1"),
)


def newest(system: RunningSystem) -> list[dict[str, Any]]:
    """Return the newest reading of every citizen, once each has one."""
    with system.client() as client:
        wearers = client.get("/wearers", params={"limit": 500}).raise_for_status().json()["items"]
        ids = [one["wearer_id"] for one in wearers if one["name"].startswith("Citizen ")]
        rows = [client.get(f"/wearers/{one}/readings").raise_for_status().json()["items"] for one in ids]
    return [max(found, key=lambda row: str(row["time"])) for found in rows] if len(rows) == PEOPLE and all(rows) else []


async def test_a_city_lives_in_a_running_system(system: RunningSystem) -> None:
    """Zones and wearers are made once; every citizen's readings are stored, marked simulated, injected in the crush."""
    environment = {**os.environ, "PULSERA_DATA_DIR": str(system.data_dir)}
    for _ in range(2):
        done = await asyncio.to_thread(
            subprocess.run, COMMAND, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "seed 6" in done.stderr
        assert "84 readings sent, 84 acknowledged." in done.stderr
    rows = await eventually(lambda: newest(system))
    assert {(row["origin"], row["injected"]) for row in rows} == {("simulated", True)}
    with system.client() as client:
        listed = client.get("/community/zones").raise_for_status().json()["items"]
    zones = {one["zone_id"]: one["version"] for one in listed}
    assert zones["simulated-centre"] == 1
