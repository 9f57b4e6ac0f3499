"""`pulsera bench live`: many carers on live sockets of a temporary system, while their wearers' devices send."""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from infra.bench import machine
from infra.bench.path import PEOPLE_AT_ONCE, Plan, expect, make_devices, running_system, say
from infra.bench.processes import Usage, watch
from infra.bench.scrape import read_counters

VIEWERS_OF_A_USER: Final = 10
"""Sockets of one user, who follows wearers of their own: so many sockets are told the same."""
SETTLED_S: Final = 2.0
_COUNTED: Final = ("delivered_total", "delivered_bytes_total", "coalesced_total", "dropped_total")


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePlan:
    """So many sockets that follow so many wearers each, whose devices send `rate` messages a second in all."""

    clients: int
    wearers: int
    rate: int
    seconds: int

    @property
    def users(self) -> int:
        """People behind the sockets."""
        return -(-self.clients // VIEWERS_OF_A_USER)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOutcome:
    """What the viewers saw, what the API counted, and what each process took."""

    plan: LivePlan
    seen: dict[str, Any]
    counted: dict[str, float]
    usage: dict[str, Usage]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `--json` writes; rates are a second, `api_us` CPU of the API for one update."""
        a_second = self.seen["updates"] / self.seen["seconds"]
        return {
            "clients": self.plan.clients,
            "wearers": self.plan.wearers,
            "rate": self.plan.rate,
            "seconds": round(self.seen["seconds"], 1),
            "snapshots_s": round(self.seen["told_s"], 2),
            "updates_a_second": round(a_second, 1),
            "bytes_a_second": round(self.seen["bytes"] / self.seen["seconds"]),
            "live_ms": self.seen["live_ms"],
            "api_us": round(1e6 * self.usage["api"].cores / a_second, 2) if a_second else None,
            "counted": self.counted,
            "cpu": {name: round(usage.cores, 3) for name, usage in self.usage.items()},
            "rss_mib": {name: round(usage.rss_mib, 1) for name, usage in self.usage.items()},
            "problems": self.seen["problems"],
            "machine": machine.facts(),
        }


async def bench_live(plan: LivePlan) -> LiveOutcome:
    """Run the whole measurement and return what it found."""
    with tempfile.TemporaryDirectory(prefix="pulsera-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        async with running_system(Path(folder) / "data") as ready:
            return await _measure(plan, ready, Path(folder))


async def _measure(plan: LivePlan, ready: dict[str, Any], folder: Path) -> LiveOutcome:
    devices = plan.users * plan.wearers
    load_plan = Plan(rate=plan.rate, connections=devices, seconds=plan.seconds + int(2 * SETTLED_S) + 1, batch=1)
    load_plan.check()
    say(f"system is up; making {devices} wearers and {plan.users} users")
    people = await make_devices(ready["api"], ready["admin_token"], devices)
    ids = [wearer for wearer, _ in people]
    users = await _make_users(ready, [ids[at : at + plan.wearers] for at in range(0, devices, plan.wearers)])
    viewers = [_viewer(users[number // VIEWERS_OF_A_USER], number) for number in range(plan.clients)]
    host, port = ready["gateway"].split("//")[1].split("/")[0].rsplit(":", 1)
    tokens = [token for _, token in people]
    sending = load_plan.as_load(host, int(port), tokens)
    api_host, api_port = ready["api"].split("//")[1].split("/")[0].rsplit(":", 1)
    watching = {"host": api_host, "port": int(api_port), "viewers": viewers}
    load = await _begin("load", sending, folder, "rows.npz")
    seeing = await _begin("viewers", watching, folder, "seen.json")
    try:
        for process in (load, seeing):
            await expect(process, "connected")
        say(f"{plan.clients} sockets told; sending {plan.rate} messages/s")
        pids = {**ready["pids"], "load": load.pid, "viewers": seeing.pid, "bench": os.getpid()}
        _tell(load)
        await asyncio.sleep(SETTLED_S)
        before = await _counters(ready)
        _tell(seeing)
        usage = await watch(pids, plan.seconds)
        _tell(seeing)
        await seeing.wait()
        counted = {name: value - before[name] for name, value in (await _counters(ready)).items()}
        seen = json.loads((folder / "seen.json").read_text())
        await expect(load, "sent")
        await load.wait()
        return LiveOutcome(plan=plan, seen=seen, counted=counted, usage=usage)
    finally:
        for process in (load, seeing):
            if process.returncode is None:
                process.kill()
                await process.wait()


def _viewer(user: tuple[str, list[str]], number: int) -> dict[str, Any]:
    """Return one socket: the even ones follow everybody at once, the odd ones each wearer by itself."""
    token, wearers = user
    return {"token": token, "wearers": wearers if number % 2 else []}


async def _begin(name: str, plan: dict[str, Any], folder: Path, result: str) -> Process:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(plan))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"infra.bench.{name}", str(file), str(folder / result), stdin=PIPE, stdout=PIPE
    )


def _tell(process: Process) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe
    process.stdin.write(b"go\n")


async def _make_users(ready: dict[str, Any], followed: Sequence[list[str]]) -> list[tuple[str, list[str]]]:
    """Make a user for each list of wearers, who may read them; return (token, wearers)."""
    headers = {"Authorization": f"Bearer {ready['admin_token']}"}
    gate = asyncio.Semaphore(PEOPLE_AT_ONCE)
    async with httpx.AsyncClient(base_url=ready["api"], headers=headers, timeout=60) as client:

        async def grant(user: str, wearer: str) -> None:
            async with gate:
                answer = await client.put(f"/wearers/{wearer}/carers/{user}", json={"scopes": ["readings"]})
                answer.raise_for_status()

        made = []
        for number, wearers in enumerate(followed):
            answer = await client.post("/users", json={"name": f"viewer {number}"})
            answer.raise_for_status()
            user = answer.json()
            await asyncio.gather(*(grant(user["user_id"], wearer) for wearer in wearers))
            made.append((user["token"], wearers))
        return made


async def _counters(ready: dict[str, Any]) -> dict[str, float]:
    async with httpx.AsyncClient(timeout=10) as client:
        return await read_counters(client, ready["metrics"]["api"], _COUNTED)


def show(outcome: LiveOutcome) -> None:
    """Print the table."""
    console = Console()
    facts = outcome.as_json()
    live = facts["live_ms"]
    console.print(
        f"{facts['clients']} sockets, each of {facts['wearers']} wearers, half of them with one subscription a wearer; "
        f"snapshots of all after {facts['snapshots_s']} s"
    )
    console.print(
        f"{facts['updates_a_second']:.0f} updates/s delivered ({facts['bytes_a_second'] / 1e6:.1f} MB/s), "
        f"live p50 {live['p50']:.0f} ms, p99 {live['p99']:.0f} ms, max {live['max']:.0f} ms; "
        f"API {facts['api_us']} us of CPU an update"
        if live["count"]
        else "no update arrived"
    )
    console.print("counted by the API: " + ", ".join(f"{name} {value:.0f}" for name, value in outcome.counted.items()))
    table = Table("process", "cores", "memory MiB")
    for name, usage in outcome.usage.items():
        table.add_row(name, f"{usage.cores:.2f}", f"{usage.rss_mib:.0f}")
    console.print(table)
    for problem in facts["problems"]:
        console.print(f"problem: {problem}", markup=False)
    console.print(machine.line())
