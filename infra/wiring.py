"""The only place that joins ports and adapters: what runs in each process of Pulsera."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from infra.collector import settle_collector
from infra.logs import configure_logging
from infra.settings import Settings

if TYPE_CHECKING:
    from infra.kafka.aside import AppenderAside

T = TypeVar("T")

_LOG = structlog.get_logger(__name__)

_SIGN_IN_S = 3600
_SWITCH_S = 0.001
"""Seconds for which a gateway may go on reading devices while its log's client, in a thread of its own, has work."""
_FILES_ASIDE = 128
"""Files that a gateway may need beside its devices' sockets: Kafka, the database, logs."""


def stop_on_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def or_stop(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Return what `work` returns, or None as soon as `stop` is set; `work` is cancelled then."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def _log_of_readings(settings: Settings) -> "AppenderAside":
    """Return what appends to the log beside the loop that reads devices."""
    from infra.kafka.appender import KafkaAppender
    from infra.kafka.aside import AppenderAside

    sys.setswitchinterval(_SWITCH_S)
    return AppenderAside(partial(KafkaAppender, settings.kafka_bootstrap))


async def run_gateway(settings: Settings) -> None:
    """Serve devices until SIGTERM or SIGINT, then drain."""
    from infra.clocks import SystemClock
    from infra.files import raise_open_files
    from infra.kafka.appender import KafkaAppender
    from infra.kafka.instructions import follow_instructions
    from infra.metrics.meter import PrometheusMeter
    from infra.metrics.server import serve_metrics
    from infra.timescale.devices import DeviceTokens
    from infra.timescale.pool import open_pool
    from infra.tls import server_context
    from ingest.admission import Limits
    from ingest.gateway import Gateway, GatewaySettings
    from schemas.topics import VIDEO

    configure_logging("gateway", level=settings.log_level)
    stop = stop_on_signal()
    clock, meter, state = SystemClock(), PrometheusMeter(), {"status": "starting"}
    meter.begin("gateway")
    database = partial(open_pool, settings.database_url, size=2, application_name="pulsera gateway")
    gateway_settings = GatewaySettings(
        host=settings.gateway_host,
        port=settings.gateway_port,
        linger_s=settings.linger_ms / 1000,
        connections_most=raise_open_files() - _FILES_ASIDE,
        held_most=settings.hold_mib * 1024 * 1024,
        limits=Limits(retention_ms=settings.keep_days * 86_400_000),
        tls=server_context(settings.tls_cert, settings.tls_key),
    )

    def ready(port: int) -> None:
        state["status"] = "ok"
        _LOG.info("gateway_ready", host=settings.gateway_host, port=port)

    async with AsyncExitStack() as stack:
        stack.enter_context(
            serve_metrics(meter.registry, lambda: state, host=settings.metrics_host, port=settings.metrics_port)
        )
        appender = await or_stop(stack.enter_async_context(_log_of_readings(settings)), stop)
        if appender is None:
            return
        video = KafkaAppender(settings.kafka_bootstrap, topic=VIDEO, compress=False)
        if await or_stop(stack.enter_async_context(video), stop) is None:
            return
        directory = await stack.enter_async_context(DeviceTokens(database, clock=clock))
        gateway = Gateway(
            gateway_settings, directory=directory, appender=appender, video=video, clock=clock, meter=meter
        )
        settle_collector()
        await stack.enter_async_context(follow_instructions(settings.kafka_bootstrap, gateway.instruct, clock=clock))
        await gateway.run(stop, ready=ready)


async def run_worker(settings: Settings, family: str) -> None:
    """Run one family of stream processors until SIGTERM or SIGINT; the batch in hand is finished first."""
    from infra.worker_process import check_family, worker_process

    check_family(family)
    configure_logging(family, level=settings.log_level)
    stop = stop_on_signal()
    async with AsyncExitStack() as stack:
        host = await or_stop(stack.enter_async_context(worker_process(settings, family)), stop)
        if host is not None:
            settle_collector()
            await host.run(stop)


async def run_api(settings: Settings) -> None:
    """Serve the HTTP API, the live socket and the pages until SIGTERM or SIGINT, then drain."""
    from api.door import DeviceDoor
    from api.tiles import MapTiles
    from inference.strain.own import FILE as OWN_STRAIN
    from infra.api_process import Beyond, Front, api_process, bind, serve, utc_now
    from infra.download import Download, Rules, parse_hosts
    from infra.enrol import device_socket
    from infra.rppg.analyses import ChildVideos
    from infra.timescale.api_store import open_api_store

    configure_logging("api", level=settings.log_level)
    stop = stop_on_signal()
    door = DeviceDoor(
        port=settings.gateway_port, url=device_socket(settings.gateway_url) if settings.gateway_url else ""
    )
    tiles = MapTiles(url=settings.map_tiles, attribution=settings.map_attribution) if settings.map_tiles else None
    download = Download(Rules(hosts=parse_hosts(settings.video_hosts), http=settings.video_http))
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(bind(settings.api_host, settings.api_port))
        opening = open_api_store(settings.database_url, size=8, clock=utc_now)
        store = await or_stop(stack.enter_async_context(opening), stop)
        if store is None:
            return
        process = await or_stop(
            stack.enter_async_context(
                api_process(
                    store,
                    settings.kafka_bootstrap,
                    components={name: str(url) for name, url in settings.components.items()},
                    allowed_origins=frozenset(filter(None, settings.allowed_origins.split(","))),
                    data_dir=settings.data_dir,
                    videos=ChildVideos(
                        download.fetch, folder=settings.upload_dir, own=settings.models_folder / OWN_STRAIN
                    ),
                    beyond=Beyond(door=door, tiles=tiles),
                )
            ),
            stop,
        )
        if process is None:
            return
        settle_collector()
        _LOG.info("api_ready", host=settings.api_host, port=listening.getsockname()[1])
        front = Front(tls_cert=settings.tls_cert, tls_key=settings.tls_key, trusted_proxies=settings.trusted_proxies)
        await serve(process, listening, stop, front=front)


async def bootstrap_admin(settings: Settings, token: str | None) -> tuple[str, str]:
    """Make sure that an admin exists for whom this (or a new) token is good; return it and a one-time sign-in code."""
    from infra.timescale.people import SessionTable, ensure_admin
    from infra.timescale.pool import open_pool

    pool = await open_pool(settings.database_url, size=1, application_name="pulsera admin")
    try:
        admin, good = await ensure_admin(pool, token)
        return good, await SessionTable(pool, lambda: datetime.now(UTC)).issue(admin, lifetime_s=_SIGN_IN_S)
    finally:
        await pool.close()
