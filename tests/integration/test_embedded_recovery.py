"""What the embedded services acknowledged outlives their being killed."""

import os
import shutil
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.embedded.account import database_account
from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer, prepare_postgres
from infra.embedded.process import running
from tests.embedded_services import cache_dir

pytestmark = pytest.mark.connected


async def test_kafka_keeps_acknowledged_records_through_a_kill(tmp_path: Path) -> None:
    """A record acknowledged before SIGKILL is read after the restart, on the same folder and address."""
    port, controller_port = free_ports(2)
    node = KafkaNode(
        data_dir=tmp_path / "kafka", cache_dir=cache_dir(), port=port, controller_port=controller_port, durable=True
    )
    log = tmp_path / "kafka.log"
    with running(prepare_kafka(node), log=log, ready=node.is_ready) as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 1, 1)])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=node.bootstrap, acks="all") as producer:
            await producer.send_and_wait("kept", b"before")
        broker.kill()
    with running(prepare_kafka(node), log=log, ready=node.is_ready):
        async with AIOKafkaConsumer("kept", bootstrap_servers=node.bootstrap, auto_offset_reset="earliest") as consumer:
            record = await consumer.getone()
    assert record.value == b"before"


async def test_postgres_keeps_committed_rows_through_a_kill(services_dir: Path) -> None:
    """A row committed before SIGKILL is there after the restart, under the same URL."""
    folder = services_dir / "recovery"
    server = PostgresServer(data_dir=folder, port=free_ports(1)[0], account=database_account())
    program = prepare_postgres(server)
    url = server.url()
    log = folder / "postgres.log"
    with running(program, log=log, ready=server.is_ready) as postmaster:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        connection.terminate()
        postmaster.kill()
    with running(prepare_postgres(server), log=log, ready=server.is_ready):
        connection = await asyncpg.connect(url)
        value = await connection.fetchval("SELECT value FROM kept")
        await connection.close()
    assert (value, server.url()) == (7, url)


async def test_a_stale_pid_that_another_program_got_is_passed_over(services_dir: Path) -> None:
    """A pid file that names a living stranger, as in a restarted container, does not keep the server from starting."""
    folder = services_dir / "stale"
    server = PostgresServer(data_dir=folder, port=free_ports(1)[0], account=database_account())
    prepare_postgres(server)
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\n{folder}\n")
    with running(prepare_postgres(server), log=folder / "postgres.log", ready=server.is_ready):
        connection = await asyncpg.connect(server.url())
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_root_may_keep_data_in_a_private_folder(tmp_path: Path) -> None:
    """Below a folder of mode 0700 the database's user cannot go: its files are placed elsewhere, behind a link."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = PostgresServer(data_dir=private / "data", port=free_ports(1)[0], account=database_account())
    with running(prepare_postgres(server), log=private / "postgres.log", ready=server.is_ready):
        connection = await asyncpg.connect(server.url())
        assert await connection.fetchval("SHOW server_version_num") >= "180000"
        await connection.close()
    real = (private / "data" / "postgres").resolve()
    if real.parent != private / "data":
        shutil.rmtree(real.parent)
    assert private.stat().st_mode & 0o777 == 0o700
