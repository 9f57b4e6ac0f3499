"""The embedded Kafka and PostgreSQL are the real ones."""

import uuid

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

pytestmark = pytest.mark.connected


async def test_kafka_returns_what_was_produced(kafka_bootstrap: str) -> None:
    """A record sent to the embedded Kafka is read back unchanged."""
    topic = f"t-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"kept", partition=1)
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        record = await consumer.getone()
    assert (record.value, record.partition) == (b"kept", 1)


async def test_postgres_speaks_utf8_and_utc(database_url: str) -> None:
    """A test's own database is empty, encoded in UTF-8, in UTC, sorted by code point, and commits to the disk."""
    connection = await asyncpg.connect(database_url)
    try:
        settings = [
            await connection.fetchval(f"SHOW {name}") for name in ("server_encoding", "TimeZone", "synchronous_commit")
        ]
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        in_order = await connection.fetchval("SELECT 'Z' < 'a'")
    finally:
        await connection.close()
    assert settings == ["UTF8", "UTC", "on"]
    assert tables == 0
    assert in_order


async def test_an_error_leaves_no_value_in_the_log(database_url: str) -> None:
    """What a row holds is told to the client that sent it, and not written to the server's log."""
    connection = await asyncpg.connect(database_url)
    try:
        verbosity = await connection.fetchval("SHOW log_error_verbosity")
        statement = await connection.fetchval("SHOW log_min_error_statement")
    finally:
        await connection.close()
    assert (verbosity, statement) == ("terse", "panic")
