"""A temporary system under attack: started like anybody's, its processes struck, its health watched from outside."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from infra.chaos.plan import Fault
from infra.embedded.ports import free_ports
from infra.embedded.process import Program, last_words, spawn
from infra.embedded.up import is_healthy
from schemas.errors import SetupError

READY_WITHIN_S: Final = 180.0
END_WITHIN_S: Final = 60.0
STRUCK_WITHIN_S: Final = 30.0
STOPPED_FOR_S: Final = 10.0
HELD_FOR_S: Final = 1.0
KEEPERS: Final = ("kafka", "postgres")
EVICTED_FOR_S: Final = 40.0
"""Longer than a group waits for a silent member (30 s): another worker takes its partitions, and it comes back."""
PEOPLE_AT_ONCE: Final = 16
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class System:
    """The ready line of the `pulsera up` under attack, and its data folder."""

    ready: dict[str, Any]
    data_dir: Path

    @property
    def api(self) -> str:
        """Where the API is."""
        return str(self.ready["api"])

    @property
    def token(self) -> str:
        """The administrator's."""
        return str(self.ready["admin_token"])

    @property
    def gateway(self) -> tuple[str, int]:
        """Host and port of the device socket."""
        host, port = str(self.ready["gateway"]).split("//")[1].split("/")[0].rsplit(":", 1)
        return host, int(port)

    def pids(self) -> dict[str, int]:
        """Return the processes as they are now, restarts included."""
        found: dict[str, int] = json.loads((self.data_dir / "run.json").read_text())["pids"]
        return found

    async def all_up(self) -> str:
        """Return "" where the API answers and calls every part up, else what is not."""
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = await client.get(f"{self.api}/ready")
        except httpx.HTTPError as error:
            return f"the API does not answer ({type(error).__name__})"
        if answer.json()["status"] == "ok":
            return ""
        parts = answer.json()["components"].items()
        return ", ".join(f"{name} is {part['state']}" for name, part in parts if part["state"] != "up")


@asynccontextmanager
async def running_system(folder: Path) -> AsyncIterator[System]:
    """Run `pulsera up` in a folder, on free ports, until the context ends; it cannot outlive this process."""
    api_port, gateway_port = free_ports(2)
    data_dir, log = folder / "data", folder / "up.log"
    options = ("--data-dir", str(data_dir), "--api-port", str(api_port), "--gateway-port", str(gateway_port))
    program = Program(
        command=(sys.executable, "-m", "infra.cli", "up", "--json", *options), death_signal=signal.SIGTERM
    )
    child = spawn(program, log=log)
    try:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while (ready := _ready_line(log)) is None:
            if child.poll() is not None or time.monotonic() > deadline_s:
                raise SetupError(f"The system did not start: {last_words(log)}", next_step="Run `pulsera doctor`.")
            await asyncio.sleep(_POLL_S)
        yield System(ready, data_dir)
    finally:
        child.send_signal(signal.SIGTERM)
        # Waited for without the loop: a cancelled run must not leave before its system has.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(END_WITHIN_S)
        child.kill()
        child.wait()


@asynccontextmanager
async def second_workers(system: System, folder: Path, families: Sequence[str]) -> AsyncIterator[dict[str, str]]:
    """Run a second worker of each family beside the system's own, ready when entered; give its health address."""
    ports = free_ports(len(families)) if families else []
    health = {family: f"http://127.0.0.1:{port}/health" for family, port in zip(families, ports, strict=True)}
    children = [
        spawn(_second_worker(system, family, port), log=folder / f"second-{family}.log")
        for family, port in zip(families, ports, strict=True)
    ]
    try:
        deadline_s = time.monotonic() + READY_WITHIN_S
        for url in health.values():
            while not await asyncio.to_thread(is_healthy, url):
                if time.monotonic() > deadline_s:
                    raise SetupError("The second workers did not start.", next_step=f"Read the logs in {folder}.")
                await asyncio.sleep(_POLL_S)
        yield health
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(END_WITHIN_S)
            child.kill()
            child.wait()


def _second_worker(system: System, family: str, port: int) -> Program:
    environment = {
        "PULSERA_KAFKA_BOOTSTRAP": str(system.ready["kafka"]),
        "PULSERA_DATABASE_URL": str(system.ready["database_url"]),
        "PULSERA_DATA_DIR": str(system.data_dir),
        "PULSERA_METRICS_PORT": str(port),
        "PULSERA_INSTANCE": "1",
    }
    return Program(command=(sys.executable, "-m", "infra.cli", "worker", family), env=environment)


def _ready_line(log: Path) -> dict[str, Any] | None:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith('{"event": "ready"') and line.endswith("}"):
            found: dict[str, Any] = json.loads(line)
            return found
    return None


async def make_people(system: System, count: int) -> list[tuple[str, str, str]]:
    """Make so many wearers with one device each; return (wearer id, device id, device token)."""
    gate = asyncio.Semaphore(PEOPLE_AT_ONCE)
    headers = {"Authorization": f"Bearer {system.token}"}
    async with httpx.AsyncClient(base_url=system.api, headers=headers, timeout=60) as client:

        async def one(number: int) -> tuple[str, str, str]:
            async with gate:
                made = await client.post("/wearers", json={"name": f"chaos {number}"})
                wearer = made.raise_for_status().json()["wearer_id"]
                made = await client.post(f"/wearers/{wearer}/devices", json={"model": "chaos"})
                device = made.raise_for_status().json()
                return wearer, device["device_id"], device["token"]

        return list(await asyncio.gather(*(one(number) for number in range(count))))


async def strike(system: System, fault: Fault) -> dict[str, int]:
    """Do to the targets what the fault says; return whom it met when it is done (stopped ones run again)."""
    pids = await _there(system, fault.targets)
    victims = [(target, psutil.Process(pid)) for target, pid in pids.items()]
    if fault.kind == "kill":
        await _kill(victims)
    elif fault.kind == "restart":
        for target, process in victims:
            # What PostgreSQL calls the fast shutdown; on SIGTERM it would wait for its clients.
            process.send_signal(signal.SIGINT if target == "postgres" else signal.SIGTERM)
    else:
        with _stopped([process for _, process in victims]):
            await asyncio.sleep(EVICTED_FOR_S if fault.kind == "evict" else STOPPED_FOR_S)
    return pids


async def _there(system: System, targets: Sequence[str]) -> dict[str, int]:
    """Return the targets' processes once all of them run: one that is just being started again cannot be struck."""
    deadline_s = time.monotonic() + STRUCK_WITHIN_S
    while True:
        pids = system.pids()
        found = {target: pids[target] for target in targets if target in pids and psutil.pid_exists(pids[target])}
        if len(found) == len(targets):
            return found
        if time.monotonic() > deadline_s:
            lacking = ", ".join(target for target in targets if target not in found)
            raise SetupError(f"There is no {lacking} to strike.", next_step="Read its log.")
        await asyncio.sleep(_POLL_S)


async def _kill(victims: list[tuple[str, psutil.Process]]) -> None:
    """Kill one, or two of which one was held for a second before: what the other handed it then is lost with both."""
    keepers = [process for target, process in victims if target in KEEPERS]
    held = [] if len(victims) == 1 else (keepers or [victims[-1][1]])[:1]
    with _stopped(held):
        if held:
            await asyncio.sleep(HELD_FOR_S)
        for _, process in victims:
            process.kill()


@contextlib.contextmanager
def _stopped(processes: list[psutil.Process]) -> Iterator[None]:
    """Hold processes and their children (PostgreSQL has one for each client) for the length of the context."""
    held: list[psutil.Process] = []
    try:
        for process in processes:
            process.suspend()
            held.append(process)
            for child in process.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.suspend()
                    held.append(child)
        yield
    finally:
        for process in reversed(held):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def replaced(struck: dict[str, int], now: dict[str, int], fault: Fault) -> bool:
    """Return whether the processes that the fault ended have successors."""
    return fault.kind in {"stop", "evict"} or all(now.get(name, pid) != pid for name, pid in struck.items())
