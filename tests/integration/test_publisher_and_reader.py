"""Topics, publisher and reader on a real Kafka."""

import asyncio
import socket
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.kafka.topics import Durability, create_topics, topic_config
from schemas.errors import BrokerAwayError, ContractError
from schemas.topics import COMMANDS, DEAD, VIDEO
from stream_processors.ports import Emission

pytestmark = pytest.mark.connected


def emission(value: bytes, partition: int = 1, topic: str = COMMANDS.name) -> Emission:
    """Return a record to append."""
    return Emission(topic=topic, partition=partition, key=b"key", value=value)


async def test_topics_are_made_once_and_their_differences_told(kafka_bootstrap: str) -> None:
    """A second creation changes nothing; a setting that differs is named in a sentence."""
    first, _ = await create_topics(kafka_bootstrap)
    again, differences = await create_topics(kafka_bootstrap)
    assert (again, differences) == (first, [])
    _, differences = await create_topics(kafka_bootstrap, Durability(flush=True))
    assert any("commands.v1: flush.messages is" in sentence for sentence in differences)


async def video_settings(admin: AIOKafkaAdminClient) -> dict[str, str]:
    """Return what holds for video.v1."""
    [described] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, VIDEO.name)])
    return {entry[0]: entry[1] for entry in described.resources[0][4]}


async def test_a_topic_that_keeps_faces_too_long_is_set_right(kafka_bootstrap: str) -> None:
    """The next creation gives video.v1 its minutes back and tells no difference; what else was set for it stays."""
    await create_topics(kafka_bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        own = {**topic_config(VIDEO, Durability()), "retention.ms": "604800000", "segment.bytes": "123456789"}
        del own["segment.ms"]
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, VIDEO.name, own)])
        async with asyncio.timeout(20):
            while (await video_settings(admin))["segment.bytes"] != "123456789":  # noqa: ASYNC110 - the broker is asked
                await asyncio.sleep(0.05)
        _, differences = await create_topics(kafka_bootstrap)
        assert differences == []
        now = await video_settings(admin)
        assert (now["retention.ms"], now["segment.ms"]) == ("600000", "60000")
        assert now["segment.bytes"] == "123456789"
        await admin.alter_configs([
            ConfigResource(ConfigResourceType.TOPIC, VIDEO.name, topic_config(VIDEO, Durability()))
        ])  # fmt: skip
    finally:
        await admin.close()


async def test_what_was_published_can_be_read_in_order(kafka_bootstrap: str) -> None:
    """Records come back in order from any offset, with the log's own time, and nothing beyond the end asked for."""
    cluster_id, _ = await create_topics(kafka_bootstrap)
    publisher, reader = KafkaPublisher(kafka_bootstrap), KafkaReader(kafka_bootstrap)
    _, start = await reader.bounds(COMMANDS.name, 1)
    before_ms = time.time() * 1000
    await publisher.publish([emission(f"{number}".encode()) for number in range(200)])
    assert await reader.bounds(COMMANDS.name, 1) == (0, start + 200)
    records = [one async for chunk in reader.read(COMMANDS.name, 1, start + 5, start + 150) for one in chunk]
    assert [record.value for record in records] == [f"{number}".encode() for number in range(5, 150)]
    assert [record.offset for record in records] == list(range(start + 5, start + 150))
    assert all(abs(record.append_ms - before_ms) < 60_000 and record.key == b"key" for record in records)
    assert await reader.cluster_id() == cluster_id
    await publisher.close()
    await reader.close()


async def test_a_record_that_is_too_large_is_refused_and_the_next_one_taken(kafka_bootstrap: str) -> None:
    """A record beyond its topic's limit breaks the contract; what dead.v1 takes may be larger."""
    await create_topics(kafka_bootstrap)
    publisher = KafkaPublisher(kafka_bootstrap)
    with pytest.raises(ContractError):
        await publisher.publish([emission(b"x" * COMMANDS.max_message_bytes)])
    await publisher.publish([emission(b"x" * (3 * 1_048_576), topic=DEAD.name), emission(b"small")])
    await publisher.close()


async def test_a_broker_that_is_away_is_a_passing_error() -> None:
    """A publisher and a reader whose broker is not there may be asked again later."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{unused.getsockname()[1]}"
        publisher, reader = KafkaPublisher(nobody), KafkaReader(nobody)
        with pytest.raises(BrokerAwayError):
            await publisher.publish([emission(b"x")])
        with pytest.raises(BrokerAwayError):
            await reader.cluster_id()
        with pytest.raises(BrokerAwayError):
            await reader.bounds(COMMANDS.name, 0)
