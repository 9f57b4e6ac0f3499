"""The load's process as the run sees it: commands in, how it stands out."""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from schemas.errors import SetupError

FINISH_WITHIN_S: Final = 150.0


@dataclass(slots=True)
class Loading:
    """A running load; `status` is its newest line."""

    process: asyncio.subprocess.Process
    status: dict[str, Any] = field(default_factory=dict)
    reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, plan: dict[str, Any], folder: Path) -> "Loading":
        """Start the load with a plan; its journal lies in `folder`/journal."""
        # A session of its own: Ctrl-C is for the run, and the load ends with it.
        (folder / "plan.json").write_text(json.dumps(plan))
        (folder / "plan.json").chmod(0o600)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.chaos.load", str(folder / "plan.json"), str(folder / "journal"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        load = cls(process)
        load.reader = asyncio.create_task(load._read())
        return load

    async def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        while line := await self.process.stdout.readline():
            self.status = json.loads(line)

    async def tell(self, *words: str) -> None:
        """Give it a command; raises SetupError where it has ended."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        if self.process.returncode is not None:
            raise SetupError("The load ended before it was told to.", next_step="Its reason stands above.")
        self.process.stdin.write(" ".join(words).encode() + b"\n")
        await self.process.stdin.drain()

    async def finish(self) -> None:
        """Let it see its last acks and end; raises SetupError where it does not."""
        await self.tell("finish")
        async with asyncio.timeout(FINISH_WITHIN_S):
            await self.process.wait()
            assert self.reader is not None  # noqa: S101 - made at the start
            await self.reader
        if not self.status.get("finished"):
            raise SetupError("The load ended before it had finished.", next_step="Its reason stands above.")

    async def end(self) -> None:
        """End it, whatever it does."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self.reader is not None:
            self.reader.cancel()
            await asyncio.gather(self.reader, return_exceptions=True)
