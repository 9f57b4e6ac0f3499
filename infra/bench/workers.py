"""A worker process under measurement: how it is started, asked and killed."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Self

import httpx

from infra.embedded.ports import free_ports


@dataclass(slots=True)
class Worker:
    """A worker process and where it answers."""

    process: asyncio.subprocess.Process
    port: int

    @classmethod
    async def start(cls, family: str, environment: Mapping[str, str], output: IO[Any]) -> Self:
        """Start a worker of a family, its environment added to; what it says goes to `output`."""
        (port,) = free_ports(1)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.cli", "worker", family,
            env={**os.environ, **environment, "PULSERA_METRICS_PORT": str(port)}, stdout=output, stderr=output,
        )  # fmt: skip
        return cls(process, port)

    @property
    def metrics(self) -> str:
        """Where its figures are."""
        return f"http://127.0.0.1:{self.port}/metrics"

    async def health(self, client: httpx.AsyncClient) -> dict[str, Any]:
        """Return what it says of itself, nothing while it does not answer."""
        try:
            answer = await client.get(f"http://127.0.0.1:{self.port}/health")
        except httpx.TransportError:
            return {}
        found: dict[str, Any] = answer.json()
        return found

    async def kill(self) -> None:
        """End it as a crash does, where it runs."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
