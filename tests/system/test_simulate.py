"""Made devices that misbehave by choice: what they sent is stored once, and everything says that it was made."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.running_system import RunningSystem, eventually, now_ms

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

DEVICES = 12
FAULTS = "drop=0.1,duplicate=0.1,reorder=0.2,late-burst=0.6,clock-skew=0.5,device-off=0.5"

DONE = {
    "readings dropped", "readings sent twice", "readings reordered", "late bursts", "clocks skewed",
    "devices switched off", "readings not made while off",
}  # fmt: skip


def told(words: str) -> Mapping[str, int]:
    """Return the counts of the summary, `5 readings dropped` as {"readings dropped": 5}."""
    line = next(line for line in words.splitlines() if line.startswith("Faults made: "))
    parts = line.removeprefix("Faults made: ").rstrip(".").split(", ")
    return {name: int(count) for count, name in (part.split(" ", 1) for part in parts)}


def stored(system: RunningSystem) -> list[dict[str, Any]]:
    """Return what is stored of the simulated wearers, skewed times of the future included."""
    with system.client() as client:
        wearers = client.get("/wearers", params={"limit": 500}).raise_for_status().json()["items"]
        rows: list[dict[str, Any]] = []
        window = {"limit": 1000, "from": now_ms() - 600_000, "to": now_ms() + 600_000}
        for wearer in wearers:
            if wearer["name"].startswith("Simulated "):
                path = f"/wearers/{wearer['wearer_id']}/readings"
                rows += client.get(path, params=window).raise_for_status().json()["items"]
    return rows


async def test_faulty_devices_are_stored_as_they_sent(system: RunningSystem) -> None:
    """Every sent reading is one row marked `simulated`, a doubled one too; the summary says what was done."""
    command = [sys.executable, "-m", "infra.cli", "simulate", "--devices", str(DEVICES), "--rate", "10"]
    environment = {**os.environ, "PULSERA_DATA_DIR": str(system.data_dir)}
    done = await asyncio.to_thread(
        subprocess.run, [*command, "--seconds", "6", "--seed", "6", "--faults", FAULTS],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = told(done.stderr)
    assert counts.keys() == DONE
    found = re.search(r"(\d+) readings sent, (\d+) acknowledged\.", done.stderr)
    assert found is not None
    sent, acknowledged = map(int, found.groups())
    assert sent == acknowledged
    rows = await eventually(lambda: _complete(system, sent - counts["readings sent twice"]))
    assert {row["origin"] for row in rows} == {"simulated"}


def _complete(system: RunningSystem, expected: int) -> list[dict[str, Any]]:
    rows = stored(system)
    assert len(rows) <= expected
    return rows if len(rows) == expected else []
