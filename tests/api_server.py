"""An API on a real database and Kafka for one test: uvicorn on a free port of the test's own loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pyarrow as pa
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from infra.api_process import ApiProcess, api_process, bind, serve, utc_now
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.kafka.topics import Durability, create_topics
from infra.timescale.api_store import open_api_store
from infra.timescale.care import TimescaleCareStore
from infra.timescale.migrate import apply_migrations
from infra.timescale.people import ensure_admin
from infra.timescale.series import TimescaleSeries
from schemas.episodes import Episode, Evidence, Subject, episode_id
from schemas.episodes import encode as encode_episode
from schemas.frame import FRAME_SCHEMA, Frame, encode
from schemas.topics import COMMANDS, EPISODES, READINGS, partition_of
from stream_processors.families.care import CareFamily
from stream_processors.families.storage import SeriesBatch
from stream_processors.operators.merge import merge_readings, merge_scores
from stream_processors.ports import Emission, OffsetMove, Record
from tests import made_frames
from tests.described_app import described_once
from tests.made_frames import NOW_MS

LIVE = "pulsera.live.v1+json"
DEADLINE_S = 20.0


@dataclass(slots=True, kw_only=True)
class RunningApi:
    """A served API, the database and the log behind it, and an admin."""

    process: ApiProcess
    pool: asyncpg.Pool
    publisher: KafkaPublisher
    reader: KafkaReader
    host: str
    admin: str
    stop: asyncio.Event
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    def client(self, token: str | None) -> httpx.AsyncClient:
        """Return an HTTP client that sends this token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=f"http://{self.host}", headers=headers, timeout=10.0)

    def live(self, token: str | None, *, origin: str | None = None, protocols: Sequence[str] = (LIVE,)) -> Any:
        """Return a live connection to be entered."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if origin is not None:
            headers["Origin"] = origin
        return websockets.connect(
            f"ws://{self.host}/live",
            additional_headers=headers,
            subprotocols=[Subprotocol(one) for one in protocols],
            proxy=None,
        )

    async def wearer(self, name: str = "Ada") -> UUID:
        """Add a wearer, whose every scope the admin then holds."""
        async with self.client(self.admin) as admin:
            answer = await admin.post("/wearers", json={"name": name})
            assert answer.status_code == 201, answer.text
            return UUID(answer.json()["wearer_id"])

    async def carer(self, wearer: UUID | None = None, *scopes: str) -> tuple[UUID, str]:
        """Add a user, with a grant for the wearer where scopes are named; return the id and the token."""
        async with self.client(self.admin) as admin:
            made = (await admin.post("/users", json={"name": "Ben"})).json()
            if scopes:
                path = f"/wearers/{wearer}/carers/{made['user_id']}"
                answer = await admin.put(path, json={"scopes": list(scopes)})
                assert answer.status_code == 204, answer.text
            return UUID(made["user_id"]), made["token"]

    async def append(self, wearer: UUID, frame: Frame) -> int:
        """Append a frame of readings to the wearer's partition; return the next offset."""
        partition = partition_of(wearer)
        await self.publisher.publish(
            [Emission(topic=READINGS.name, partition=partition, key=None, value=encode(frame.batch))]
        )
        return (await self.reader.bounds(READINGS.name, partition))[1]

    async def store(self, wearer: UUID, *frames: Frame, following: int, scored: Sequence[Frame] = ()) -> None:
        """Write frames as storage does, with the next offset of the wearer's partition."""
        partition = partition_of(wearer)
        before = self.offsets.get((READINGS.name, partition))
        series = TimescaleSeries(self.pool, family="storage", version="1", cluster_id="log")
        move = OffsetMove(topic=READINGS.name, partition=partition, expected=before, next=following, clock_ms=1)
        batch = SeriesBatch(readings=merge_readings(frames), scores=merge_scores(scored), episodes=())
        await series.write(batch, [move])
        self.offsets[READINGS.name, partition] = following

    async def tell(self, event: Episode) -> None:
        """Append an episode to its wearer's partition."""
        assert event.subject.wearer is not None
        partition, key = partition_of(event.subject.wearer), event.subject.key.encode()
        emission = Emission(
            topic=EPISODES.name, partition=partition, key=key, value=encode_episode(event, time="2026-11-21T08:00:00Z")
        )
        await self.publisher.publish([emission])

    async def care(self, wearer: UUID, *events: Episode, commands_from: int | None = None) -> int:
        """Do what care does: take episodes, or the commands from an offset on, and publish; return the next offset."""
        partition = partition_of(wearer)
        family = CareFamily(TimescaleCareStore(self.pool, version="1", cluster_id="log"), self.publisher)
        items: list[tuple[Record, Any]] = []
        end = 0
        if commands_from is not None:
            end = (await self.reader.bounds(COMMANDS.name, partition))[1]
            async for records in self.reader.read(COMMANDS.name, partition, commands_from, end):
                items += [(record, family.read(record)) for record in records]
        made = Record(topic=EPISODES.name, partition=partition, offset=0, append_ms=0, key=None, value=b"")
        items += [(made, event) for event in events]
        if items:
            await family.write(items, [])
            await family.settle([partition])
        return end


@asynccontextmanager
async def running_api(
    database_url: str, kafka_bootstrap: str, *, token: str | None = None
) -> AsyncIterator[RunningApi]:
    """Serve an API on a migrated database; a token of an earlier one's admin is good here too."""
    publisher, reader = KafkaPublisher(kafka_bootstrap), KafkaReader(kafka_bootstrap)
    stack = AsyncExitStack()
    store = await stack.enter_async_context(open_api_store(database_url, size=8, clock=utc_now))
    pool = store.pool
    try:
        await apply_migrations(pool)
        await create_topics(kafka_bootstrap, Durability(replication=1, flush=False))
        _, token = await ensure_admin(pool, token)
        stop = asyncio.Event()
        async with AsyncExitStack() as running:
            with described_once():
                process = await running.enter_async_context(api_process(store, kafka_bootstrap, components={}))
            listening = bind("127.0.0.1", 0)
            host = f"127.0.0.1:{listening.getsockname()[1]}"
            serving = asyncio.create_task(serve(process, listening, stop))
            try:
                yield RunningApi(
                    process=process,
                    pool=pool,
                    publisher=publisher,
                    reader=reader,
                    host=host,
                    admin=token,
                    stop=stop,
                )
            finally:
                stop.set()
                await serving
    finally:
        await publisher.close()
        await reader.close()
        await stack.aclose()


def frame(wearer: UUID, *rows: dict[str, Any]) -> Frame:
    """Return a frame of one wearer's readings, `at` in seconds after the present of these tests."""
    made = made_frames.readings(*({**row, "time": (NOW_MS + row.pop("at") * 1_000) * 1_000} for row in rows))
    raw = made.batch.to_pydict()
    raw["wearer"] = [wearer.bytes] * made.rows
    columns = [
        pa.array(raw[field.name], pa.binary(16)).dictionary_encode() if field.name == "wearer" else made.batch.column(i)
        for i, field in enumerate(FRAME_SCHEMA)
    ]
    return Frame(pa.RecordBatch.from_arrays(columns, schema=FRAME_SCHEMA))


def episode(wearer: UUID, minute: int = 0, **changes: Any) -> Episode:
    """Return an open episode of a high heart rate."""
    subject = Subject(wearer=wearer)
    onset_ms = NOW_MS + minute * 60_000
    values: dict[str, Any] = {
        "episode_id": episode_id(subject, f"heart_rate.high{minute}", onset_ms),
        "subject": subject,
        "condition": f"heart_rate.high{minute}",
        "type": "physiological",
        "phase": "opened",
        "tier": 2,
        "writer": "vitals",
        "revision": 1,
        "pages": True,
        "onset_ms": onset_ms,
        "changed_ms": onset_ms + 5_000,
        "reason": "Heart rate was 131, expected about 72.",
        "evidence": Evidence(vital="heart_rate", side="high", observed=131.0),
        "decided_received_ms": onset_ms + 6_000,
        "decided_append_ms": onset_ms + 6_100,
    }
    return Episode(**{**values, **changes})


async def told(socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first message that is wanted; what comes before it is passed over."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if wanted(message):
                return message


async def subscribe(socket: ClientConnection, number: int, topic: str, **filters: Any) -> dict[str, Any]:
    """Subscribe and return the snapshot, or the error."""
    await socket.send(json.dumps({"type": "subscribe", "id": number, "topic": topic, **filters}, default=str))
    return await told(socket, lambda message: message["type"] in {"snapshot", "error"} and message["id"] == number)
