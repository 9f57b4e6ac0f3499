"""The hosts when their broker is killed and comes back."""

import asyncio
from pathlib import Path

import pytest

from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.process import running, spawn, stop
from infra.kafka.topics import create_topics
from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from tests.conformance.worlds import HOSTS, kafka_world, until
from tests.embedded_services import cache_dir

pytestmark = [
    pytest.mark.connected,
    pytest.mark.timeout(300),
    # aiokafka leaves connections open that broke while they were being made.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("kind", HOSTS)
async def test_a_worker_outlives_its_broker(kind: str, services_dir: Path, database_url: str) -> None:
    """After a SIGKILL of the only broker the same worker goes on by itself, with nothing lost and nothing doubled."""
    port, controller_port = free_ports(2)
    node = KafkaNode(
        data_dir=services_dir / f"killed {kind}", cache_dir=cache_dir(), port=port, controller_port=controller_port
    )
    program, log = prepare_kafka(node), services_dir / f"killed {kind}.log"
    with running(program, log=log, ready=node.is_ready) as broker:
        pool = await open_pool(database_url, size=4)
        await apply_migrations(pool)
        await create_topics(node.bootstrap)
        async with kafka_world(kind, node.bootstrap, pool) as world:
            world.save_every_s = 0.1
            member = world.start_counting()
            await world.append(*[b"before"] * 10)
            await until(lambda: bool(world.store.saves), deadline_s=60.0)
            broker.kill()
            await asyncio.to_thread(broker.wait)
            again = spawn(program, log=log)
            try:
                # Never `running` here: it would hold the loop, and with it the worker, until the broker is back.
                await until(lambda: asyncio.to_thread(node.is_ready), deadline_s=60.0)
                await world.append(*[b"after"] * 10)

                async def all_counted() -> bool:
                    return [output[2] for output in await world.effects()] == list(range(1, 21))

                await until(all_counted, deadline_s=90.0)
                assert not member.task.done()
                await world.close()
            finally:
                await asyncio.to_thread(stop, again, program, within_s=15.0)
        await pool.close()
