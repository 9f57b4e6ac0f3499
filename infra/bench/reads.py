"""`pulsera bench reads`: a month of stored readings, a load through the path beside it, and how fast answers come."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import msgspec
import numpy as np

from infra.bench import asking
from infra.bench.path import make_devices, running_system
from infra.bench.processes import Usage, watch
from infra.bench.reads_rows import EVERY_US, PER_WEARER, frame_of, made_alerts
from infra.bench.reads_zones import make_zones, tell_zones, zone_questions
from infra.bench.scrape import of_values
from infra.embedded.postgres import client_program
from infra.timescale.filling import Filling, Size
from schemas.errors import SetupError
from schemas.frame import Frame

KEPT_NAME: Final = "bench.json"
_INSTANTS: Final = 1_000
"""Times in one piece of the fill."""
_SENDING: Final = 400
"""Devices that send while answers are timed."""
_ALERTS: Final = 2_000
_WARM_S: Final = 3.0
_MERGE_ROWS: Final = 3_200
"""Rows of one transaction of storage under load: 64 frames of 50 readings."""
_MERGES: Final = 50
_MERGE_WEARERS: Final = 320
_PATHS: Final = 1_000
"""Paths that a question is asked with in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many rows to store, and what to send while answers are timed, for how long."""

    rows: int
    rate: int
    seconds: int
    server: str = ""
    """Address of a database server to measure on; empty: the embedded PostgreSQL."""
    data_dir: Path | None = None
    """Where everything is kept for the next run; None: nowhere."""
    only: Sequence[str] = ()
    """Questions are asked whose names begin with one of these; empty: all."""

    @property
    def wearers(self) -> int:
        """Wearers whose month is stored."""
        return max(1, round(self.rows / PER_WEARER))


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a run stored and measured meanwhile; a later run in the same folder goes on from it."""

    database: str
    rows: int
    people: list[tuple[str, str]]
    copy_rows_s: float
    merge_rows_s: dict[str, float]
    settled_s: dict[str, float]
    fresh: Size
    settled: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that was measured."""

    plan: Plan
    stored: Stored
    answers: Mapping[str, asking.Answers]
    usage: Mapping[str, Usage]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `--json` writes."""
        stored, size = self.stored, self.stored.settled
        return {
            "database": stored.database,
            "rows": stored.rows,
            "rate": self.plan.rate,
            "copy_rows_s": round(stored.copy_rows_s),
            "merge_rows_s": {name: round(value) for name, value in stored.merge_rows_s.items()},
            "settled_s": stored.settled_s,
            "mib_per_million_rows": {
                "fresh": _mib_per_million(stored.fresh, stored.rows),
                "settled": _mib_per_million(size, stored.rows),
            },
            "compression": round(size.compressed_before / size.compressed_after, 1) if size.compressed_after else None,
            "answers_ms": {name: _as_json(one) for name, one in self.answers.items()},
            "cpu": {name: round(usage.cores, 3) for name, usage in self.usage.items()},
        }


def _as_json(found: asking.Answers) -> dict[str, Any]:
    spans = of_values(np.array(found.took_ms)).as_json()
    parts = {"usual": found.usual, "slowest": found.slowest}
    spent = {
        name: {part: _rounded(value) for part, value in {**msgspec.to_builtins(one), "rest": one.rest}.items()}
        for name, one in parts.items()
    }
    return {"asked": len(found.took_ms), **spans, "spent": spent}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _mib_per_million(size: Size, rows: int) -> dict[str, float]:
    parts = {"rows": size.rows, "indexes": size.indexes, "sums": size.sums}
    return {name: round(value / 2**20 / rows * 1e6, 1) for name, value in parts.items()}


async def bench_reads(plan: Plan) -> Outcome:
    """Run the whole measurement and return what it found."""
    with _folder(plan) as folder, _database(plan) as database_url:
        environment = {"PULSERA_DATABASE_URL": database_url} if database_url else {}
        async with running_system(folder / "data", environment) as ready, _filling(ready["database_url"]) as filling:
            kept = folder / KEPT_NAME
            if kept.exists():
                stored = msgspec.json.decode(kept.read_bytes(), type=Stored)
                _say(f"{stored.rows} readings are stored here already")
            else:
                stored = await _store(plan, ready, filling)
                await make_zones(ready["api"], ready["admin_token"], filling)
                kept.write_bytes(msgspec.json.encode(stored))
            await tell_zones(ready["kafka"])
            _say(f"sending {plan.rate} messages/s for {plan.seconds} s and asking")
            answers, usage = await _ask_under_load(plan, ready, folder, stored.people)
            return Outcome(plan=plan, stored=stored, answers=answers, usage=usage)


@asynccontextmanager
async def _filling(dsn: str) -> AsyncIterator[Filling]:
    filling = await Filling.open(dsn)
    try:
        yield filling
    finally:
        await filling.close()


@contextmanager
def _folder(plan: Plan) -> Iterator[Path]:
    if plan.data_dir is not None:
        plan.data_dir.mkdir(parents=True, exist_ok=True)
        yield plan.data_dir
        return
    with tempfile.TemporaryDirectory(prefix="pulsera-bench-") as name:
        os.chmod(name, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        yield Path(name)


@contextmanager
def _database(plan: Plan) -> Iterator[str]:
    """Give the address of a database of the bench's own on the plan's server; an empty one where none is named.

    It is dropped at the end, unless the run is kept: then it bears the folder's name.
    """
    if not plan.server:
        yield ""
        return
    name = f"bench_{uuid.uuid5(uuid.NAMESPACE_URL, str(plan.data_dir.resolve())) if plan.data_dir else uuid.uuid4()}"
    if plan.data_dir is None or not (plan.data_dir / KEPT_NAME).exists():
        _run("createdb", f"--maintenance-db={plan.server}", name)
    try:
        yield urlsplit(plan.server)._replace(path=f"/{name}").geturl()
    finally:
        if plan.data_dir is None:
            _run("dropdb", "--force", f"--maintenance-db={plan.server}", name)


def _run(program: str, *arguments: str) -> None:
    command = [str(client_program(program)), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    if done.returncode:
        raise SetupError(
            f"{program} fails on the server: {done.stderr.strip().splitlines()[-1]}.",
            next_step="Give the address of a user who may make databases.",
        )


async def _store(plan: Plan, ready: dict[str, Any], filling: Filling) -> Stored:
    _say(f"system is up; making {plan.wearers + _SENDING} wearers and devices")
    people = await make_devices(ready["api"], ready["admin_token"], plan.wearers + _SENDING)
    filled = await filling.device_numbers([UUID(one) for one, _ in people[: plan.wearers]])
    end_us = int(time.time() * 1e6) // EVERY_US * EVERY_US
    times = end_us - np.arange(plan.rows // plan.wearers, 0, -1, dtype=np.int64) * EVERY_US
    rows = len(times) * plan.wearers
    _say(f"storing {rows} readings of {plan.wearers} wearers, {len(times) * EVERY_US / 86_400e6:.1f} days")
    copied_s = await filling.copy(_pieces(filled, times), _progress(rows))
    fresh = await filling.size()
    _say(f"stored in {copied_s:.0f} s; letting the database settle")
    settled_s = await filling.settle()
    settled = await filling.size()
    merged = await _merges(filling, end_us)
    await filling.add_alerts(made_alerts([wearer for wearer, _ in filled], _ALERTS, end_us // 1_000))
    return Stored(
        database=await filling.version(),
        rows=rows,
        people=people,
        copy_rows_s=rows / copied_s,
        merge_rows_s=merged,
        settled_s=settled_s,
        fresh=fresh,
        settled=settled,
    )


def _pieces(wearers: Sequence[tuple[UUID, int]], times: Any) -> Iterator[Frame]:
    for start in range(0, len(times), _INSTANTS):
        yield frame_of(wearers, times[start : start + _INSTANTS], start)


async def _merges(filling: Filling, end_us: int) -> dict[str, float]:
    """Return rows a second of storage's own transactions: new rows, the same again, and new ones ten days late."""
    wearers = [(uuid.uuid4(), 1) for _ in range(_MERGE_WEARERS)]
    each = _MERGE_ROWS // _MERGE_WEARERS
    nothing = frame_of(wearers[:1], np.zeros(0, dtype=np.int64), 0)

    def frames(from_us: int) -> list[Frame]:
        starts = [from_us + number * each * EVERY_US for number in range(_MERGES)]
        steps = np.arange(each, dtype=np.int64) * EVERY_US
        return [frame_of(wearers, start + steps, start // EVERY_US, by_wearer=True) for start in starts]

    rows = _MERGE_ROWS * _MERGES
    new = frames(end_us - _MERGES * each * EVERY_US)
    late = frames(end_us - 10 * 86_400_000_000)
    return {
        "new": rows / await filling.merge(new, nothing),
        "repeated": rows / await filling.merge(new, nothing),
        "ten days late": rows / await filling.merge(late, nothing),
    }


async def _ask_under_load(
    plan: Plan, ready: dict[str, Any], folder: Path, people: Sequence[tuple[str, str]]
) -> tuple[dict[str, asking.Answers], dict[str, Usage]]:
    sending = people[plan.wearers :]
    host, port = ready["gateway"].split("//")[1].split("/")[0].rsplit(":", 1)
    load_plan = {
        "host": host, "port": int(port), "tokens": [token for _, token in sending], "rate": plan.rate, "batch": 1,
        "messages": max(1, plan.rate * (plan.seconds + int(2 * _WARM_S)) // _SENDING),
        "spacing_ms": 1_000 * _SENDING // plan.rate,
    }  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(load_plan))
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.bench.load", str(folder / "plan.json"), str(folder / "rows.npz"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert load.stdin is not None and load.stdout is not None  # noqa: S101, PT018 - pipes
    try:
        if (await load.stdout.readline()).strip() != b"connected":
            raise SetupError("The load client ended before it was connected.", next_step="Its reason stands above.")
        load.stdin.write(b"go\n")
        await load.stdin.drain()
        await asyncio.sleep(_WARM_S)
        questions = _questions([one for one, _ in people[: plan.wearers]], [one for one, _ in sending])
        if plan.only:
            questions = {name: path for name, path in questions.items() if name.startswith(tuple(plan.only))}
        if not questions:
            raise SetupError("No question begins so.", next_step="Without --only all of them are asked.")
        asked = asking.Plan(
            api=ready["api"], token=ready["admin_token"], pid=ready["pids"]["api"], seconds=plan.seconds,
            questions={name: [path(number) for number in range(_PATHS)] for name, path in questions.items()},
        )  # fmt: skip
        answers, usage = await asyncio.gather(_ask(asked), watch({**ready["pids"], "load": load.pid}, plan.seconds))
        await load.wait()
    finally:
        if load.returncode is None:
            load.kill()
            await load.wait()
    return answers, usage


def _questions(filled: Sequence[str], sending: Sequence[str]) -> dict[str, Callable[[int], str]]:
    """Return what is asked: a path for the n-th time that it is asked."""
    now = datetime.now(UTC)

    def past(days: float, step: str) -> Callable[[int], str]:
        query = urlencode({"from": (now - timedelta(days=days)).isoformat(), **({"step": step} if step else {})})
        return lambda number: f"/wearers/{filled[number * 7 % len(filled)]}/readings?{query}"

    return {
        "latest, of a stored month": lambda number: f"/wearers/{filled[number * 7 % len(filled)]}/latest",
        "latest, of who sends now": lambda number: f"/wearers/{sending[number * 7 % len(sending)]}/latest",
        "readings of an hour": past(1 / 24, ""),
        "a day in steps of 1m": past(1, "1m"),
        "a day in steps of 90s": past(1, "90s"),
        "a month in steps of 1h": past(28, "1h"),
        "a month in steps of 1d": past(28, "1d"),
        "alerts, newest 100": lambda _: "/alerts?limit=100",
        **zone_questions(),
    }


async def _ask(plan: asking.Plan) -> dict[str, asking.Answers]:
    """Let a process of its own ask: what this one does meanwhile, or its loop, must not be in the times."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.bench.asking", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        told, _ = await process.communicate(msgspec.json.encode(plan))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise SetupError("Who asks has ended.", next_step="Its reason stands above.")
    return msgspec.json.decode(told, type=dict[str, asking.Answers])


def _progress(rows: int) -> Callable[[int], None]:
    done, told = 0, 0

    def add(more: int) -> None:
        nonlocal done, told
        done += more
        if done * 10 // rows > told:
            told = done * 10 // rows
            _say(f"{done} of {rows} readings stored")

    return add


def _say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)
