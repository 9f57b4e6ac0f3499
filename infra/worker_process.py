"""A worker process: one family of stream processors in its host, with what it needs from the world."""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from infra.detectors import InstalledDetectors
from infra.kafka.coordinator import GroupWatch
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.metrics.meter import PrometheusMeter
from infra.metrics.server import serve_metrics
from infra.models.installed import Models
from infra.models.watch import ModelWatch
from infra.settings import Settings
from infra.timescale.care import TimescaleCareStore
from infra.timescale.followed_zones import FollowedZones
from infra.timescale.lease import TimescaleLeases
from infra.timescale.migrate import check_log, check_schema_version
from infra.timescale.pool import Pool, open_pool
from infra.timescale.series import TimescaleSeries
from infra.timescale.state import TimescaleStateStore
from schemas.errors import SetupError
from stream_processors.families.care import CareFamily
from stream_processors.families.storage import StorageFamily
from stream_processors.families.vitals import VitalsFamily
from stream_processors.hosts.aiokafka_host import AiokafkaHost
from stream_processors.hosts.membership import Membership
from stream_processors.hosts.retry import Backoff, Patience
from stream_processors.hosts.runner import Runner, Surroundings
from stream_processors.hosts.sink import SinkRunner
from stream_processors.hosts.sole_host import SoleHost
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Meter

_POOL_SIZE: Final = 4
_LOOK_EVERY_S: Final = 0.1


class Host(Protocol):
    """Feeds a runner from Kafka."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the batch, save, commit and leave."""
        ...


def _faust(runner: Runner, membership: Membership, meter: Meter) -> Host:
    from stream_processors.hosts.faust_host import FaustHost

    return FaustHost(runner, membership, meter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a family may be made of; what has to be closed goes onto the stack, what /health tells besides to it."""

    pool: Pool
    cluster_id: str
    world: Surroundings
    settings: Settings
    stack: AsyncExitStack
    health: "list[Callable[[], Mapping[str, Any]]]"


def _vitals(means: Means) -> Runner:
    meter, settings = means.world.meter, means.settings
    detectors = InstalledDetectors(settings.detector, meter, models=Models.of(settings))
    detectors.roles()  # files are read before the worker has anything else to do
    runner = StatefulRunner(VitalsFamily(models=detectors), means.world)
    watch = ModelWatch(detectors, runner.states, meter)
    means.health.append(lambda: {"detector": watch.told()})
    watching = asyncio.create_task(watch.run(), name="watch the detectors")
    means.stack.push_async_callback(_end, watching)
    return runner


def _storage(means: Means) -> Runner:
    name, version, keep_days = StorageFamily.name, StorageFamily.version, means.settings.keep_days
    store = TimescaleSeries(means.pool, family=name, version=version, cluster_id=means.cluster_id)
    return SinkRunner(StorageFamily(store, means.world.meter, clock=time.time, retention_days=keep_days), means.world)


def _care(means: Means) -> Runner:
    store = TimescaleCareStore(means.pool, version=CareFamily.version, cluster_id=means.cluster_id)
    return SinkRunner(CareFamily(store, means.world.publisher), means.world)


def _video(means: Means) -> Runner:
    from infra.frame_chain import FrameChain
    from infra.rppg.frame_workers import FrameWorkers
    from stream_processors.families.video import VideoFamily

    frames = FrameChain(FrameWorkers(), meter=means.world.meter)
    means.stack.push_async_callback(frames.close)
    means.health.append(frames.status)
    runner = StatefulRunner(VideoFamily(frames, means.world.meter), means.world)
    loading = asyncio.create_task(_load_filters(runner), name="load the filters of a pulse")
    means.stack.push_async_callback(_end, loading)
    return runner


async def _load_filters(runner: Runner) -> None:
    """Loads what a pulse is found with once the worker takes records, beside the loop, which would stand still."""
    while runner.status()["status"] != "ok":  # noqa: ASYNC110 - told by being asked, as /health asks it
        await asyncio.sleep(_LOOK_EVERY_S)
    for module in ("scipy.signal", "scipy.interpolate"):
        await asyncio.to_thread(importlib.import_module, module)


def _zones(means: Means) -> SoleHost:
    from stream_processors.families.zones import ZonesFamily

    family = ZonesFamily(FollowedZones(means.pool), means.world.meter)
    leases = TimescaleLeases(means.settings.database_url, name=family.name)
    return SoleHost(family, means.world, leases, bootstrap=means.settings.kafka_bootstrap)


HOSTS: Final[dict[str, Callable[[Runner, Membership, Meter], Host]]] = {"aiokafka": AiokafkaHost, "faust": _faust}

FAMILIES: Final[dict[str, Callable[[Means], Runner]]] = {
    "storage": _storage,
    "vitals": _vitals,
    "care": _care,
    "video": _video,
}
"""Families of which each process works on some partitions, as a member of a group."""
SOLE: Final[dict[str, Callable[[Means], SoleHost]]] = {"zones": _zones}
"""Families of which one process works on all partitions, the others waiting for its lock."""


def check_family(name: str) -> None:
    """Raise SetupError where there is no such family."""
    if name not in FAMILIES and name not in SOLE:
        raise SetupError(f"There is no family {name!r}.", next_step=f"Choose one of {', '.join([*FAMILIES, *SOLE])}.")


def health_answer(family: str, tells: Sequence[Callable[[], Mapping[str, Any]]]) -> Mapping[str, Any]:
    """Return what /health says: the later of these overrides the earlier, but all that anybody waits for is named."""
    told: dict[str, Any] = {"family": family, "status": "starting"}
    waiting: dict[str, str] = {}
    for tell in tells:
        part = tell()
        told |= part
        waiting |= part.get("waiting", {})
    return told | {"waiting": waiting}


@asynccontextmanager
async def worker_process(settings: Settings, family: str) -> AsyncIterator[Host]:
    """Open what a worker needs, waiting for database and broker, and give its host.

    Raises:
        SetupError: The metrics port is in use, or the database was not migrated to this release.
        LogMismatchError: Database and Kafka do not belong together.
    """
    meter = PrometheusMeter()
    coordinator = GroupWatch(f"pulsera-{family}", meter.gauge)
    health: list[Callable[[], Mapping[str, Any]]] = []

    def answer() -> Mapping[str, Any]:
        return health_answer(family, [*health, lambda: {"waiting": coordinator.waiting()}])

    async with AsyncExitStack() as stack:
        stack.enter_context(
            serve_metrics(meter.registry, answer, host=settings.metrics_host, port=settings.metrics_port)
        )
        pool = await open_pool(settings.database_url, size=_POOL_SIZE, application_name=f"pulsera {family}")
        stack.push_async_callback(pool.close)
        publisher, reader = KafkaPublisher(settings.kafka_bootstrap), KafkaReader(settings.kafka_bootstrap)
        stack.push_async_callback(publisher.close)
        stack.push_async_callback(reader.close)
        patience = Patience(meter, Backoff())
        await patience.insist("database", lambda: check_schema_version(pool))
        cluster_id = await patience.insist("kafka", reader.cluster_id)
        await patience.insist("database", lambda: check_log(pool, cluster_id=cluster_id))
        world = Surroundings(
            publisher=publisher,
            reader=reader,
            store=TimescaleStateStore(pool),
            meter=meter,
            now_ms=lambda: time.time() * 1000.0,
        )
        means = Means(
            pool=pool, cluster_id=cluster_id, world=world, settings=settings, stack=stack, health=health
        )  # fmt: skip
        if family in SOLE:
            sole = SOLE[family](means)
            health.append(sole.status)
            meter.begin(family, sole.topics)
            yield sole
        else:
            runner = FAMILIES[family](means)
            health.append(runner.status)
            meter.begin(family, runner.topics)
            yield _member(runner, family, means, coordinator)


def _member(runner: Runner, family: str, means: Means, coordinator: GroupWatch) -> Host:
    """Return the host of a member of the family's group, whose coordinator is watched."""
    settings = means.settings
    watching = asyncio.create_task(coordinator.follow(settings.kafka_bootstrap), name="watch the coordinator")
    means.stack.push_async_callback(_end, watching)
    member = Membership(
        bootstrap=settings.kafka_bootstrap, group=f"pulsera-{family}", instance=f"{family}-{settings.instance}"
    )
    return HOSTS[settings.host](runner, member, means.world.meter)


async def _end(task: "asyncio.Task[None]") -> None:
    """Raises what the task ended with, if it did before its time."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
