"""Makes the topics of `schemas.topics`, and says what differs where they are already there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from schemas.errors import BrokerAwayError, SetupError
from schemas.topics import PARTITIONS, TOPICS, Topic

_LOG = structlog.get_logger(__name__)

_DAY_MS: Final = 86_400_000
_REPLICAS_FOR_TWO_IN_SYNC: Final = 3
"""With three replicas one may be away and a record still lies on two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """How hard a topic's records are kept: `replication` copies; `flush` writes each to disk before it is confirmed.

    `retention_days` is for the topics that keep wearers' data for some days; shorter-lived ones stay as they are.
    """

    replication: int = 1
    flush: bool = False
    retention_days: int | None = None


def topic_config(topic: Topic, durability: Durability) -> dict[str, str]:
    """Return Kafka's settings of a topic."""
    config = {
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(topic.max_message_bytes),
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2" if durability.replication >= _REPLICAS_FOR_TWO_IN_SYNC else "1",
    }
    if topic.cleanup == "delete":
        kept_ms = topic.retention_ms
        if durability.retention_days is not None and kept_ms >= _DAY_MS:
            kept_ms = durability.retention_days * _DAY_MS
        config["retention.ms"] = str(kept_ms)
    if topic.segment_ms is not None:
        config["segment.ms"] = str(topic.segment_ms)
    if durability.flush:
        config["flush.messages"] = "1"
    return config


def differences(name: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return one sentence for each setting of a topic that is not as wanted."""
    return [
        f"{name}: {key} is {found.get(key, 'unset')}, wanted {value}."
        for key, value in wanted.items()
        if found.get(key) != value
    ]


async def create_topics(bootstrap: str, durability: Durability | None = None) -> tuple[str, list[str]]:
    """Create what is missing; return the cluster's id and a sentence for each setting that differs.

    Raises:
        SetupError: A topic has another number of partitions, or the broker refuses to make it.
        BrokerAwayError: Kafka does not answer.
    """
    durability = durability or Durability()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        cluster_id = await _create_missing(admin, durability)
        found = await _sentences(admin, durability)
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerAwayError(f"Kafka at {bootstrap} does not answer: {type(error).__name__}.") from error
    finally:
        await admin.close()
    for sentence in found:
        _LOG.warning("a topic differs from the table of topics", difference=sentence)
    return cluster_id, found


async def _create_missing(admin: AIOKafkaAdminClient, durability: Durability) -> str:
    cluster = await admin.describe_cluster()
    there = set(await admin.list_topics())
    missing = [
        NewTopic(topic.name, PARTITIONS, durability.replication, topic_configs=topic_config(topic, durability))
        for topic in TOPICS
        if topic.name not in there
    ]
    if missing:
        response = await admin.create_topics(missing)
        for name, code, *detail in response.topic_errors:
            error = for_code(code)
            if error not in {NoError, TopicAlreadyExistsError}:
                raise SetupError(
                    f"Kafka does not make the topic {name}: {error.__name__} {detail[0] if detail else ''}".strip(),
                    next_step="With fewer brokers than replicas, lower PULSERA_KAFKA_REPLICATION.",
                )
        _LOG.info("made topics", topics=[topic.name for topic in missing])
    return str(cluster["cluster_id"])


async def _sentences(admin: AIOKafkaAdminClient, durability: Durability) -> list[str]:
    names = [topic.name for topic in TOPICS]
    for described in await admin.describe_topics(names):
        count = len(described["partitions"])
        if count not in {0, PARTITIONS}:
            raise SetupError(
                f"The topic {described['topic']} has {count} partitions, Pulsera needs {PARTITIONS}.",
                next_step="A topic's partitions cannot be changed once it holds data: use another cluster.",
            )
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        configs |= _configs(response)
    return [
        sentence
        for topic in TOPICS
        for sentence in differences(topic.name, topic_config(topic, durability), configs.get(topic.name, {}))
    ]


def _configs(response: Any) -> dict[str, dict[str, str]]:
    """Return {topic: {setting: value}} of one answer; its rows are untyped tuples."""
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4] if entry[1] is not None}
        for resource in response.resources
    }
