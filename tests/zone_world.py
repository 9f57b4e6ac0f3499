"""A made city through the operator of zones, and all that people with a grant for its zones are told meanwhile.

`python -m tests.zone_world --days 14` follows a longer run than the tests do, and prints what `docs/models/zones.md`
records of it.
"""

import argparse
import asyncio
import copy
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid5

import h3.api.basic_int as h3
import httpx
import numpy as np
import pyarrow as pa

from api.app import create_app
from api.callers import Ports
from api.live.entries import Decoding
from api.live.hub import Client, Hub
from api.live.outbox import Outbox
from api.ports import Reads
from api.records import AccessChange, AlertQuery, Caller, Span, Zone, ZoneNow
from api.zone_board import Board, Known
from api.zone_ports import Zones as ZonesPort
from inference.slots import Bools, Floats, Ints
from inference.zones.bins import ClosedBin
from inference.zones.city import City, CityPlan
from infra.fuzz.live_world import live_ports
from schemas import episodes, zones
from schemas.alerts import Alert, encode_change
from schemas.frame import Frame
from schemas.live_protocol import Subscribe
from schemas.scores import BIN_MS as SCORE_BIN_MS
from schemas.scores import SCORE_SCHEMA, ScoreFrame, dictionary_ids
from schemas.topics import ALERTS, EPISODES, PARTITIONS, ZONES, partition_of
from schemas.zones import AREA, AREA_NAME, BIN_MS, ZoneStatus
from stream_processors.operators.care import Moment, Tracked, follow_episode
from stream_processors.operators.zone_bins import GRACE_MS
from stream_processors.operators.zone_told import Definition, Told
from stream_processors.operators.zones import Zones
from stream_processors.ports import Record
from tests.described_app import described_once

BEGIN_MS: Final = 1_767_225_600_000
"""Midnight, UTC."""
BINS_A_DAY: Final = 288
WATCHER: Final = Caller(user_id=UUID(int=7), name="Ben", role="carer", token_sha256=b"hash")
_SPACE: Final = UUID("1c0bb1c6-4a0e-4c3f-8a8e-0e9b1d6f2a11")
_LETTERS: Final = str.maketrans("0123456789", "klmnopqrst")
"""Names without a digit: the inspection takes every number in a sentence for one that tells of wearers."""
_TOKEN: Final = {"Authorization": "Bearer good"}


class Watching:
    """Grants that let one user see every zone, and no wearer."""

    def __init__(self, zone_ids: Collection[str]) -> None:
        self._zones = frozenset(zone_ids)

    async def identify(self, token: str) -> Caller:
        """Return the one caller."""
        del token
        return WATCHER

    def holds(self, token_sha256: bytes) -> bool:
        """Return that the token is good."""
        return token_sha256 == WATCHER.token_sha256

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return nothing."""
        del user_id, wearer
        return frozenset()

    def wearers(self, user_id: UUID, scope: str) -> frozenset[UUID]:
        """Return nobody."""
        del user_id, scope
        return frozenset()

    def zone_scopes(self, user_id: UUID, zone: str) -> frozenset[str]:
        """Return every scope."""
        del user_id
        return frozenset({"status", "alerts", "act"} if zone in self._zones else ())

    def zones(self, user_id: UUID, scope: str) -> frozenset[str]:
        """Return every zone."""
        del user_id, scope
        return self._zones

    def device(self, number: int) -> UUID | None:
        """Return that no device is known."""
        del number
        return None

    async def refresh(self) -> None:
        """Return: nothing changes."""

    def learn(self, change: AccessChange) -> None:
        """Return: nothing changes."""
        del change


@dataclass(slots=True)
class Kept:
    """What storage and care keep of it, for the routes; an API's `Zones`, and of its `Reads` what is about alerts."""

    definitions_: dict[str, Definition]
    statuses: dict[str, list[ZoneStatus]] = field(default_factory=dict)
    tracked: dict[UUID, Tracked] = field(default_factory=dict)

    async def definitions(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return the zones."""
        found = (one for one in self.definitions_.values() if only is None or one.zone_id in only)
        return [Zone(zone_id=one.zone_id, name=one.name, version=one.version, cells=one.cells) for one in found]

    async def listed(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return the zones without their cells."""
        return [replace(one, cells=()) for one in await self.definitions(only)]

    async def now(self, only: Collection[str]) -> Sequence[ZoneNow]:
        """Return how they stood last."""
        names = {zone_id: one.name for zone_id, one in self.definitions_.items()} | {AREA: AREA_NAME}
        return [
            ZoneNow(zone=Zone(zone_id=one, name=names[one], version=1), status=self.statuses.get(one, [None])[-1])
            for one in sorted(only)
        ]

    async def history(self, zone: str, span: Span) -> Sequence[ZoneStatus]:
        """Return the newest statuses, newest first."""
        return self.statuses.get(zone, [])[: -span.limit - 1 : -1]

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """Return the newest alerts."""
        return [one.alert for one in self.tracked.values() if one.alert.subject.zone in query.zones][-query.limit :]

    async def alert(self, alert: UUID) -> Alert | None:
        """Return one alert."""
        return self.tracked[alert].alert if alert in self.tracked else None


class Heard:
    """A feed that is never behind."""

    def is_current(self, topic: str, partition: int) -> bool:
        """Return that nothing is missing."""
        del topic, partition
        return True


class ZoneWorld:
    """Wearers of a made city, the zones that are followed, and one user who is told all of it."""

    def __init__(self, plan: CityPlan, cells: Mapping[str, Sequence[int]], *, begin_ms: int = BEGIN_MS) -> None:
        self.city = City(plan)
        self.zones = {name: np.array(sorted(found), dtype=np.int64) for name, found in cells.items()}
        pairs = [[f"{part}{pair}" for part in ("all", "one", "two")] for pair in range(len(cells))]
        self.families = [names for names in pairs if set(names) <= set(cells)]
        self.wearers = [uuid5(_SPACE, f"wearer {number}") for number in range(plan.wearers)]
        self.operator = Zones(1)
        self.begin_ms = begin_ms
        self.clock_ms = begin_ms
        self.kept = Kept(
            {
                name: Definition(zone_id=name, version=1, name=name.translate(_LETTERS), cells=tuple(found.tolist()))
                for name, found in self.zones.items()
            }
        )
        self.operator.define(self.kept.definitions_.values())
        access = Watching({*cells, AREA})
        base = live_ports()
        decoding = Decoding(lambda _: None)
        self.hub = Hub(grants=access, decoding=decoding, meter=base.meter)
        self.board = Board()
        self.board.join(Known(feed=Heard(), zone=self._zone))
        self._offsets: dict[tuple[str, int], int] = {}
        self.ports: Ports = replace(
            base,
            access=access,
            zones=cast(ZonesPort, self.kept),
            reads=cast(Reads, self.kept),
            hub=self.hub,
            board=self.board,
            decoding=decoding,
            clock=lambda: datetime.fromtimestamp(self.clock_ms / 1000, UTC),
        )
        with described_once():
            self.app = create_app(self.ports)
        self.client = Client(caller=WATCHER, outbox=Outbox(lambda _: None), again=lambda _: None)
        self._follow()
        self.operator.take(0, self._frame(None, self._nobody(), at_ms=begin_ms))

    def bins(self, count: int, *, ill: int = -1) -> Iterator[tuple[ClosedBin, Bools, ScoreFrame]]:
        """Yield the next bins: what is true of each, who is in it, and the record that closes it.

        Each is taken in, with all that follows from it, after it was yielded. The flag of wearer `ill` is always up.
        """
        for _ in range(count):
            closed, on = self.city.next(shift=self._events())
            at_ms = self.begin_ms + closed.start_ms
            closed = replace(closed, start_ms=at_ms, flag=closed.flag | (closed.wearer == ill))
            scores = self._frame(closed, on, at_ms=at_ms)
            yield closed, on, scores
            self._keep(self.operator.take(0, scores))
            self.clock_ms = scores.clock_ms

    def otherwise(self, closed: ClosedBin, on: Bools) -> Told:
        """Return what would be told had the next bin been this; nothing comes of it."""
        return copy.deepcopy(self.operator).take(0, self._frame(closed, on, at_ms=closed.start_ms))

    def live(self) -> list[dict[str, Any]]:
        """Return the messages on the live socket since the last call."""
        return [json.loads(one.message) for one in self.client.outbox.take(1 << 30)]

    async def answers(self, *, all_routes: bool) -> list[Any]:
        """Return what the routes answer now."""
        asked = ["/community/summary"]
        if all_routes:
            paths = ("", "/status", "/history?limit=5")
            asked += [f"/community/zones/{zone}{path}" for zone in (*self.zones, AREA) for path in paths]
            asked += ["/community/zones", "/alerts", "/alerts?zone=area"]
            asked += [f"/alerts/{number}" for number in list(self.kept.tracked)[-2:]]
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=_TOKEN) as client:
            found = [await client.get(path) for path in asked]
        for answer in found:
            if answer.status_code != 200:
                raise RuntimeError(answer.text)
        return [answer.json() for answer in found]

    def _events(self) -> Floats | None:
        """Return a common event of an hour in the middle of the city at noon of every second day: zones alarm."""
        day, of_day = divmod(self.city.bin, BINS_A_DAY)
        if day % 2 == 0 and 138 <= of_day < 150:
            near = self.city.where(of_day / 12.0) < len(self.city.cells) // 4
            return np.where(near, 1.5, 0.0)
        return None

    def _follow(self) -> None:
        for topic in (ZONES.name, ALERTS.name, EPISODES.name):
            for partition in range(PARTITIONS):
                self.hub.begin(topic, partition, 0)
        self.hub.join(self.client)
        for number, topic in enumerate(("zones", "alerts", "episodes")):
            request = Subscribe(id=number, topic=topic)  # type: ignore[arg-type]
            subscription = self.hub.open(self.client, request)
            at = self.hub.recent.positions(subscription.topic)
            self.hub.snapshot(subscription, [], at=at)
            self.hub.start(subscription, at)

    def _keep(self, told: Told) -> None:
        """Do what storage, care and the log do with what was told."""
        for status in told.statuses:
            self.kept.statuses.setdefault(status.zone_id, []).append(status)
            self._append(ZONES.name, status.zone_id, zones.encode(status))
        time = datetime.fromtimestamp(self.clock_ms / 1000, UTC).isoformat(timespec="milliseconds")
        for episode in told.episodes:
            zone = episode.subject.zone or ""
            self._append(EPISODES.name, zone, episodes.encode(episode, time=time))
            mine = {number: one for number, one in self.kept.tracked.items() if one.alert.subject == episode.subject}
            for change in follow_episode(mine, episode, Moment(now_ms=self.clock_ms, generation=1)):
                self.kept.tracked[change.after.alert.alert_id] = change.after
                self._append(ALERTS.name, zone, encode_change(change.after.alert, time=time))

    def _append(self, topic: str, zone: str, value: bytes) -> None:
        partition = partition_of(zone.encode())
        offset = self._offsets.get((topic, partition), 0)
        self._offsets[topic, partition] = offset + 1
        record = Record(topic=topic, partition=partition, offset=offset, append_ms=self.clock_ms, key=None, value=value)
        self.board.take(record)
        self.hub.take(record)

    def _zone(self, zone_id: str) -> Zone | None:
        """Return a zone under the name that it has."""
        if zone_id == AREA:
            return Zone(zone_id=AREA, name=AREA_NAME, version=0)
        known = self.kept.definitions_.get(zone_id)
        return None if known is None else Zone(zone_id=zone_id, name=known.name, version=known.version)

    def _nobody(self) -> Bools:
        return np.zeros(len(self.wearers), dtype=np.bool_)

    def _frame(self, closed: ClosedBin | None, on: Bools, *, at_ms: int) -> ScoreFrame:
        """Return a record of one row for each wearer of a bin, and the clock that closes it."""
        rows = np.flatnonzero(on)
        index, count = np.arange(len(rows), dtype=np.int32), len(rows)
        clock_ms = at_ms + BIN_MS + GRACE_MS if closed is not None else at_ms
        told: dict[str, Any] = {
            "wearer": dictionary_ids([self.wearers[row].bytes for row in rows.tolist()], index),
            "bin": pa.array(np.full(count, at_ms * 1000)).cast(pa.timestamp("us", tz="UTC")),
            "bin_ms": pa.array(np.full(count, SCORE_BIN_MS), pa.int32()),
            "tier": pa.array(np.full(count, -1), pa.int8()),
            "model": pa.array(["made"] * count, pa.string()).dictionary_encode(),
            "readings": pa.array(np.full(count, 5), pa.int32()),
            "late": pa.array(np.zeros(count), pa.int32()),
            "backfill": pa.array(np.zeros(count), pa.int32()),
            "received": pa.array(np.full(count, at_ms * 1000)).cast(pa.timestamp("us", tz="UTC")),
        }
        if closed is not None:
            told |= {
                "tier0": pa.array(closed.flag),
                "tier0_rate": pa.array(closed.rate, pa.float32()),
                "worn": pa.array(np.ones(count, dtype=np.bool_)),
                "at_rest": pa.array(~closed.moving),
                "cell": pa.array(closed.cell.astype(np.uint64)),
                "z_heart_rate": pa.array(closed.deviate, pa.float32()),
            }
        columns = [
            told[one.name] if one.name in told else pa.nulls(count, one.type).cast(one.type) for one in SCORE_SCHEMA
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA)
        return ScoreFrame(Frame(batch), clock_ms)


def nested(city: City) -> dict[str, list[int]]:
    """Return named zones made for differencing: pairs within what they make, and one that grows cell by cell."""
    found: dict[str, list[int]] = {}
    taken: set[int] = set()
    for number, at in enumerate(range(0, len(city.cells), 9)):
        near = [cell for cell in h3.grid_disk(int(city.cells[at]), 1) if cell not in taken][: 2 + number % 6]
        taken.update(near)
        half = len(near) // 2
        if half:
            found |= {f"all{number}": sorted(near), f"one{number}": near[:half], f"two{number}": near[half:]}
    grown = found["two5"]
    return found | {f"grows{size}": grown[:size] for size in range(1, len(grown))}


def counts(closed: ClosedBin, cells: Ints) -> int:
    """Return how many wearers are truly in these cells."""
    return int(np.isin(closed.cell, cells).sum())


async def _run(days: int, wearers: int, seed: int) -> dict[str, Any]:
    from tests.zone_attacks import Record as Found  # the attacks look at this world

    plan = CityPlan(wearers=wearers, rings=8, seed=seed)
    world = ZoneWorld(plan, nested(City(plan)))
    found = Found(world)
    for number, (closed, on, _) in enumerate(world.bins(days * BINS_A_DAY)):
        if number:
            await found.look(all_routes=number % 12 == 0)
        found.before(closed, on, toggles=number % 12 == 0)
    return found.summary()


def main() -> None:
    """Follow a run and print what was found."""
    parser = argparse.ArgumentParser(description="Look for what zones tell of one person.")
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--wearers", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = asyncio.run(_run(given.days, given.wearers, given.seed))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
