"""The API process: its parts, the tasks that it owns, and the order in which they stop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import structlog
import uvicorn

from api.app import Application, create_app
from api.callers import Ports
from api.door import DeviceDoor
from api.jobs import JobDesk
from api.live.hub import Hub
from api.live.lag import Lags
from api.live.recent import FOLLOWED
from api.live.socket import MOST_MESSAGE_BYTES
from api.ports import Videos
from api.records import CommandResult
from api.tiles import MapTiles
from api.zone_family import crossing
from infra.disk import embedded_folders, shortage, watch_room
from infra.download import Download, Rules
from infra.http_protocol import HEAD_MOST_BYTES, PatientProtocol
from infra.kafka.commands import CommandLog
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.live_feed import LiveFeed, live_feed
from infra.live_sockets import LiveSocketProtocol
from infra.metrics.exposition import Exposition
from infra.metrics.meter import PrometheusMeter
from infra.metrics.watch import OFTEN_S, SELDOM_S, Ask, disk_questions, watch
from infra.probes import SystemProbes
from infra.rppg.analyses import ChildVideos
from infra.timescale.api_store import ApiStore
from infra.timescale.audit import AuditTrail
from infra.timescale.people import new_id
from infra.tls import server_context
from schemas.alerts import Command
from schemas.errors import BrokerAwayError, DatabaseAwayError, SetupError
from schemas.topics import ALERTS

_LOG = structlog.get_logger(__name__)
_RECHECK_S: Final = 1.0
_PROBE_S: Final = 2.0
_DRAIN_STEP_S: Final = 0.05
_DRAIN_MOST_S: Final = 3.0
_KEEP_ALIVE_S: Final = 30
_MOST_CONNECTIONS: Final = 8_192
"""One more is answered 503, whoever it is, instead of leaving no descriptor for the database."""
_GRACE_S: Final = 5


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProcess:
    """The application, the hub that has to be drained before it stops, and what must never end before it does."""

    app: Application
    hub: Hub
    tasks: Sequence[asyncio.Task[None]]


class CommandDesk:
    """The API's `Commands`: appends to the log, asks the database what became of it."""

    def __init__(self, log: CommandLog, store: ApiStore) -> None:
        self._log = log
        self._store = store

    async def append(self, command: Command) -> None:
        """Append a command and return when it is durable."""
        await self._log.append(command)

    async def result(self, command_id: UUID) -> CommandResult | None:
        """Return what became of a command."""
        return await self._store.command_result(command_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What the pages of this server may reach besides it, None where there is nothing."""

    door: DeviceDoor | None = None
    tiles: MapTiles | None = None


HERE_ALONE: Final = Beyond()


@asynccontextmanager
async def api_process(
    store: ApiStore,
    bootstrap: str,
    *,
    components: Mapping[str, str],
    allowed_origins: frozenset[str] = frozenset(),
    data_dir: Path = Path("/"),
    videos: Videos | None = None,
    beyond: Beyond = HERE_ALONE,
    clock: Callable[[], datetime] = utc_now,
) -> AsyncIterator[ApiProcess]:
    """Give the application once grants are read and the log is followed; stop everything in order afterwards.

    `data_dir` lies on the disk that is watched. Without `videos` uploads are analysed, and no address is fetched.
    """
    (meter := PrometheusMeter()).begin("api", FOLLOWED)
    await store.access.refresh()
    await _tell_crossing(store)
    feed = live_feed(bootstrap, store.access, meter, now_s=clock().timestamp())
    lags = Lags((hub := feed.hub).recent, store.reads)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_last_words, store.audit)
        jobs = await stack.enter_async_context(_desk(clock))
        publisher, reader = await stack.enter_async_context(_log_clients(bootstrap))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=_PROBE_S))
        ports = Ports(
            access=store.access,
            people=store.people,
            sign_in=store.sessions,
            reads=store.reads,
            zones=store.zones,
            commands=CommandDesk(CommandLog(publisher), store),
            audit=store.audit,
            probes=_probes(client, store, reader, lags=lags, urls=components, data_dir=data_dir, hub=hub),
            metrics=Exposition(meter.registry),
            meter=meter,
            hub=hub,
            board=feed.board,
            decoding=feed.decoding,
            log=reader,
            videos=videos or ChildVideos(Download(Rules(hosts=())).fetch),
            jobs=jobs,
            clock=clock,
            new_id=new_id,
            sleep=asyncio.sleep,
            allowed_origins=allowed_origins,
            door=beyond.door,
            tiles=beyond.tiles,
        )
        tasks = [await stack.enter_async_context(_task(work)) for work in _first(store, feed)]
        await feed.follower.attached.wait()
        hub.log_id = await _log_id(reader)
        tasks += [await stack.enter_async_context(_task(work)) for work in _watching(meter, store, lags, data_dir)]
        yield ApiProcess(app=create_app(ports), hub=hub, tasks=tasks)


async def _tell_crossing(store: ApiStore) -> None:
    """Say which zones cross from before that was refused; they stay as they are."""
    pairs = await asyncio.to_thread(crossing, await store.zones.definitions(None))
    if pairs:
        _LOG.warning("zones_cross", pairs=pairs[:20], number=len(pairs), next="Draw them anew: docs/zones.md.")


@asynccontextmanager
async def _desk(clock: Callable[[], datetime]) -> AsyncIterator[JobDesk]:
    desk = JobDesk(clock=clock, new_id=new_id)
    try:
        yield desk
    finally:
        await desk.close()


@asynccontextmanager
async def _log_clients(bootstrap: str) -> AsyncIterator[tuple[KafkaPublisher, KafkaReader]]:
    publisher, reader = KafkaPublisher(bootstrap), KafkaReader(bootstrap)
    try:
        yield publisher, reader
    finally:
        await reader.close()
        await publisher.close()


def _probes(
    client: httpx.AsyncClient,
    store: ApiStore,
    reader: KafkaReader,
    *,
    lags: Lags,
    urls: Mapping[str, str],
    data_dir: Path,
    hub: Hub,
) -> SystemProbes:
    folders = embedded_folders(data_dir)

    async def kafka() -> None:
        await reader.bounds(ALERTS.name, 0)

    async def disk() -> str | None:
        return shortage(folders)

    async def live() -> str | None:
        if not hub.lost_records:
            return None
        return (
            f"Kafka dropped {hub.lost_records} records before they could be shown; open pages were told anew. This is "
            "said until the API is started again."
        )

    return SystemProbes(
        client,
        core={"database": store.check, "kafka": kafka},
        urls=urls,
        lags=_by_family(lags),
        beside={"live": live, **({"disk": disk} if folders else {})},
    )


def _first(store: ApiStore, feed: LiveFeed) -> Sequence[Coroutine[Any, Any, None]]:
    """Return the work that begins before anybody is served."""
    return store.access.watch(), store.audit.run(), _recheck(feed.hub), feed.run()


def _by_family(lags: Lags) -> Mapping[str, Callable[[], Awaitable[float | None]]]:
    return {"vitals": lags.vitals_s, "care": lags.care_s, "storage": lags.storage_s}


def _watching(
    meter: PrometheusMeter, store: ApiStore, lags: Lags, data_dir: Path
) -> Sequence[Coroutine[Any, Any, None]]:
    """Return the work that keeps up the figures of the whole system: the API sees it, also when a worker is dead."""
    often = [("lag_seconds", {"family": family}, ask) for family, ask in _by_family(lags).items()]
    seldom = [("database_bytes", {}, store.figures.size_bytes), *disk_questions(data_dir)]
    single: Sequence[tuple[str, Mapping[str, str], Ask]] = [
        ("outbox_age_seconds", {}, store.figures.outbox_age_s),
        ("audit_lost_lines", {}, store.audit.count_lost),
    ]
    return (
        watch(meter, [*often, *single], every_s=OFTEN_S),
        watch(meter, seldom, every_s=SELDOM_S),
        watch_room(embedded_folders(data_dir)),
    )


@asynccontextmanager
async def _task(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _recheck(hub: Hub) -> None:
    while True:
        await asyncio.sleep(_RECHECK_S)
        hub.recheck()


async def _log_id(reader: KafkaReader) -> str:
    """Return the id of the Kafka cluster, once it answers."""
    while True:
        try:
            return await reader.cluster_id()
        except BrokerAwayError as error:
            _LOG.warning("waiting for Kafka to say who it is", reason=str(error))
            await asyncio.sleep(_RECHECK_S)


async def _last_words(audit: AuditTrail) -> None:
    try:
        async with asyncio.timeout(_GRACE_S):
            await audit.flush()
    except (DatabaseAwayError, TimeoutError) as error:
        _LOG.error("the last audit lines could not be written", reason=str(error))


class ApiServer(uvicorn.Server):
    """uvicorn with signals left to the process, so that live sockets are drained before it stops."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        SetupError: The port cannot be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise SetupError(
            f"The API's port {port} on {host} cannot be opened: {error.strerror}.",
            next_step="Stop what uses it, or set PULSERA_API_PORT to a free one.",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What lies between the API and its clients: its own TLS, or proxies whose forwarded headers it believes."""

    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: str = ""


_THEIR_FAULTS: Final = (
    "without completing handshake",  # a refused handshake has had its answer by then
    "Invalid UTF-8 sequence received",
    "Invalid HTTP request received",
    "Unsupported upgrade request",
)


def _is_ours(record: logging.LogRecord) -> bool:
    """Leave out what a client did wrong and was told: else anybody could fill the log with errors."""
    return not any(words in record.getMessage() for words in _THEIR_FAULTS)


def make_server(app: Application, front: Front) -> ApiServer:
    """Return the server; WebSocket compression is off, as it costs 100 KiB a socket.

    Raises:
        SetupError: The certificate cannot be used.
    """
    server_context(front.tls_cert, front.tls_key)
    logging.getLogger("uvicorn.error").addFilter(_is_ours)
    config = uvicorn.Config(
        app,
        loop="none",
        ws=LiveSocketProtocol,
        ws_per_message_deflate=False,
        ws_max_size=MOST_MESSAGE_BYTES,
        access_log=False,
        log_config=None,
        log_level="warning",
        lifespan="off",
        server_header=False,
        http=PatientProtocol,
        h11_max_incomplete_event_size=HEAD_MOST_BYTES,
        limit_concurrency=_MOST_CONNECTIONS,
        proxy_headers=bool(front.trusted_proxies),
        forwarded_allow_ips=front.trusted_proxies,
        ssl_certfile=front.tls_cert,
        ssl_keyfile=front.tls_key,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return ApiServer(config)


async def serve(
    process: ApiProcess, listening: socket.socket, stop: asyncio.Event, *, front: Front | None = None
) -> None:
    """Serve until `stop` is set, then send live clients elsewhere and finish what is under way.

    Where one of the process's own tasks fails it stops too, and its error comes out: without them withdrawn grants
    would count on and nothing would be told live, and nobody would notice.

    Raises:
        SetupError: The certificate cannot be used.
    """
    server = make_server(process.app, front or Front())
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopped, *process.tasks}, return_when=asyncio.FIRST_COMPLETED)
        process.hub.drain()
        deadline = asyncio.get_running_loop().time() + _DRAIN_MOST_S
        while process.hub.clients and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - the hub has no loop
            await asyncio.sleep(_DRAIN_STEP_S)
    finally:
        stopped.cancel()
        server.should_exit = True
        await serving
    for task in process.tasks:
        if task.done():
            task.result()
