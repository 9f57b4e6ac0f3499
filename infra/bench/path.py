"""`pulsera bench path`: load on a temporary system of its own, every acknowledged reading audited at the end."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from infra.bench import machine
from infra.bench.auditing import Findings, audit
from infra.bench.processes import Usage, watch
from infra.bench.scrape import Buckets, Percentiles, of_buckets, of_values, read_histogram
from infra.bench.sizes import Sizes, measure
from infra.bench.spans import LiveSpans, follow_live, race
from infra.embedded.ports import free_ports
from schemas.errors import SetupError

READY_DEADLINE_S: Final = 180.0
PEOPLE_AT_ONCE: Final = 16
FOLLOWED: Final = 10
"""Wearers whose live updates the bench follows."""
SETTLED_S: Final = 3.0
"""The probes send two minutes of history at once, which is no part of the load: it is worked off before."""
_PUBLISHED: Final = {
    "append": "gateway", "processed": "vitals", "write": "storage", "stored": "storage", "alert": "api",
}  # fmt: skip
"""Spans that a process measures itself; `append` and `write` are parts of the others: Kafka's and the database's."""
PROBES: Final = 50
"""Further wearers whose heart races, so that alerts can be timed: as many, spread over the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send: `rate` messages a second over `connections` devices for `seconds`, `batch` readings each."""

    rate: int
    connections: int
    seconds: int
    batch: int

    @property
    def messages(self) -> int:
        """Messages of one device."""
        return max(1, self.rate * self.seconds // self.connections)

    @property
    def spacing_ms(self) -> int:
        """Time between a device's readings."""
        return int(1000 * self.connections / (self.rate * self.batch))

    def as_load(self, host: str, port: int, tokens: list[str]) -> dict[str, Any]:
        """Return what the load client is told."""
        return {
            "host": host, "port": port, "tokens": tokens, "messages": self.messages, "rate": self.rate,
            "batch": self.batch, "spacing_ms": self.spacing_ms,
        }  # fmt: skip

    def check(self) -> None:
        """Raise SetupError where the plan cannot be sent."""
        if min(self.rate, self.connections, self.seconds, self.batch) < 1:
            raise SetupError("Rate, connections, seconds and batch must be at least 1.")
        if self.spacing_ms < 1:
            raise SetupError(
                "A device would have to send more than 1,000 readings a second, one for each ms.",
                next_step="Use more --connections.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that was measured; a span that could not be measured carries its reason."""

    plan: Plan
    findings: Findings
    spans: dict[str, Percentiles | str]
    usage: dict[str, Usage]
    sizes: Sizes
    sent_s: float
    refused: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `--json` writes."""
        spans: dict[str, Any] = {}
        for name, span in self.spans.items():
            spans[f"{name}_ms"] = span.as_json() if isinstance(span, Percentiles) else None
        reasons = {f"{name}_ms": span for name, span in self.spans.items() if isinstance(span, str)}
        return {
            "rate": self.plan.rate,
            "connections": self.plan.connections,
            "seconds": self.plan.seconds,
            "batch": self.plan.batch,
            "sent": self.findings.sent,
            "acked": self.findings.acked,
            "stored": self.findings.stored,
            "lost": self.findings.lost,
            "doubled": self.findings.doubled,
            "wrong": self.findings.wrong,
            "sent_rate": round(self.findings.sent_messages / self.sent_s, 1),
            **spans,
            "reasons": reasons,
            "cpu": {name: round(usage.cores, 3) for name, usage in self.usage.items()},
            "rss_mib": {name: round(usage.rss_mib, 1) for name, usage in self.usage.items()},
            "sizes": self.sizes.as_json(self.findings.stored),
            "refused": self.refused,
            "machine": machine.facts(),
        }


async def bench_path(plan: Plan) -> Outcome:
    """Run the whole measurement and return what it found."""
    plan.check()
    with tempfile.TemporaryDirectory(prefix="pulsera-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        async with running_system(Path(folder) / "data") as ready:
            return await _measure(plan, ready, Path(folder))


@asynccontextmanager
async def running_system(data_dir: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[dict[str, Any]]:
    """Start `pulsera up` on free ports, its environment added to, and give its ready line; stop it at the end."""
    ports = free_ports(2)
    arguments = [
        "up",
        "--json",
        "--data-dir",
        str(data_dir),
        "--api-port",
        str(ports[0]),
        "--gateway-port",
        str(ports[1]),
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.cli",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
        env={**os.environ, **(environment or {})},
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        async with asyncio.timeout(READY_DEADLINE_S):
            line = await process.stdout.readline()
        if not line:
            raise SetupError("`pulsera up` ended before it was ready.", next_step="Run `pulsera doctor`.")
        yield json.loads(line)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def make_devices(api: str, token: str, count: int) -> list[tuple[str, str]]:
    """Make `count` wearers with one device each through the API; return (wearer id, device token)."""
    gate = asyncio.Semaphore(PEOPLE_AT_ONCE)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=api, headers=headers, timeout=60) as client:

        async def one(index: int) -> tuple[str, str]:
            async with gate:
                wearer = await client.post("/wearers", json={"name": f"bench {index}"})
                wearer.raise_for_status()
                identity = wearer.json()["wearer_id"]
                device = await client.post(f"/wearers/{identity}/devices", json={"model": "bench"})
                device.raise_for_status()
                return identity, device.json()["token"]

        return list(await asyncio.gather(*(one(index) for index in range(count))))


async def _measure(plan: Plan, ready: dict[str, Any], folder: Path) -> Outcome:
    say(f"system is up; making {plan.connections} wearers and devices")
    people = await make_devices(ready["api"], ready["admin_token"], plan.connections + PROBES)
    people, probes = people[:-PROBES], people[-PROBES:]
    host, port = ready["gateway"].split("//")[1].split("/")[0].rsplit(":", 1)
    (folder / "plan.json").write_text(json.dumps(plan.as_load(host, int(port), [token for _, token in people])))
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.bench.load", str(folder / "plan.json"), str(folder / "rows.npz"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await expect(load, "connected")
        say(f"{plan.connections} devices connected; sending {plan.rate} messages/s for {plan.seconds} s")
        pids = {**ready["pids"], "load": load.pid, "bench": os.getpid()}
        followed = [wearer for wearer, _ in people[:FOLLOWED]]
        async with asyncio.TaskGroup() as beside:
            live = beside.create_task(
                follow_live(ready["api"], ready["admin_token"], followed, [one for one, _ in probes], plan.seconds + 25)
            )
            beside.create_task(race(host, int(port), [token for _, token in probes], plan.seconds))
            await asyncio.sleep(SETTLED_S)
            before = await _histograms(ready)
            sizes = await measure(ready["database_url"], folder / "data" / "kafka")
            usage = beside.create_task(watch(pids, plan.seconds))
            sent_s = await _send(load)
        say("all sent; auditing what is stored")
        findings, refused = await audit(
            ready["database_url"], folder / "rows.npz", people, batch=plan.batch, spacing_ms=plan.spacing_ms
        )
        after = await _histograms(ready)
        spans = _spans(findings, before, after, live.result())
        grown = (await measure(ready["database_url"], folder / "data" / "kafka")).since(sizes)
        return Outcome(
            plan=plan,
            findings=findings,
            spans=spans,
            usage=usage.result(),
            sizes=grown,
            sent_s=sent_s,
            refused=refused,
        )
    finally:
        if load.returncode is None:
            load.kill()
            await load.wait()


async def _send(load: asyncio.subprocess.Process) -> float:
    """Let the load client go; return how many seconds it sent for, once it has seen its acks."""
    assert load.stdin is not None  # noqa: S101 - a pipe
    begun = time.monotonic()
    load.stdin.write(b"go\n")
    await load.stdin.drain()
    await expect(load, "sent")
    sent_s = time.monotonic() - begun
    await load.wait()
    return sent_s


async def expect(process: asyncio.subprocess.Process, word: str) -> None:
    """Return when a client of the bench says the word.

    Raises:
        SetupError: It says another, or has ended.
    """
    assert process.stdout is not None  # noqa: S101 - a pipe
    line = (await process.stdout.readline()).decode().strip()
    if line != word:
        raise SetupError(f"A client of the bench ended before it was {word}.", next_step="Its reason stands above.")


async def _histograms(ready: dict[str, Any]) -> dict[str, Buckets | None]:
    async with httpx.AsyncClient(timeout=10) as client:
        return {
            name: await read_histogram(client, ready["metrics"][family], name) for name, family in _PUBLISHED.items()
        }


def _spans(
    findings: Findings, before: dict[str, Buckets | None], after: dict[str, Buckets | None], live: LiveSpans
) -> dict[str, Percentiles | str]:
    spans: dict[str, Percentiles | str] = {
        "ack": of_values(findings.ack_ms) if len(findings.ack_ms) else "no message was acknowledged"
    }
    for name, buckets in after.items():
        found = of_buckets(buckets.minus(before[name])) if buckets is not None else None
        spans[name] = found or "the worker published no such span"
    spans["live"] = of_values(np.array(live.live_ms)) if live.live_ms else "no live update arrived"
    if live.alerts < live.alerts_due:
        spans["alert"] = f"{live.alerts} of {live.alerts_due} alerts arrived"
    return spans


def say(words: str) -> None:
    """Print how far the bench has come."""
    print(f"bench: {words}", file=sys.stderr, flush=True)
