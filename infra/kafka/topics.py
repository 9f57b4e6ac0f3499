"""Makes the topics of `schemas.topics`; where they are already there, it says what differs.

How long a body may lie in the log is not only said: `migrate` sets it as the table of topics has it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from schemas.errors import BrokerAwayError, SetupError
from schemas.topics import PARTITIONS, TOPICS, Topic

_LOG = structlog.get_logger(__name__)

_DAY_MS: Final = 86_400_000
_HOW_LONG: Final = ("cleanup.policy", "retention.ms", "segment.ms")
"""What decides how long a record lies on disk."""
_TAKEN_OVER_WITHIN_S: Final = 20.0
_ASK_AGAIN_S: Final = 0.05
_SET_FOR_THE_TOPIC: Final = 1
"""Kafka's DYNAMIC_TOPIC_CONFIG."""
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


def mended(topic: Topic, wanted: Mapping[str, str], found: "TopicSettings") -> dict[str, str] | None:
    """Return all settings that a topic is to have of its own so that faces go in time, None where they do already.

    Kafka takes them as a whole: what somebody else set for this topic stays among them. What nobody set for it, as the
    largest message of a topic whose settings were lost, is set as well.
    """
    kept = {key: value for key, value in wanted.items() if key in _HOW_LONG or key not in found.own}
    if not topic.intimate or not differences(topic.name, kept, found.values):
        return None
    return {**found.own, **kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """What holds for a topic, and what of it was set for this topic itself."""

    values: dict[str, str]
    own: dict[str, str]


async def create_topics(bootstrap: str, durability: Durability | None = None) -> tuple[str, list[str]]:
    """Create what is missing and mend how long faces lie; return the cluster's id and a sentence for what differs.

    Raises:
        SetupError: A topic has another number of partitions, or the broker refuses to make it.
        BrokerAwayError: Kafka does not answer.
    """
    durability = durability or Durability()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        cluster_id, made = await _create_missing(admin, durability)
        await _known(admin, made, durability)
        await _mend(admin, durability)
        found = await _sentences(admin, durability)
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerAwayError(f"Kafka at {bootstrap} does not answer: {type(error).__name__}.") from error
    finally:
        await admin.close()
    for sentence in found:
        _LOG.warning("a topic differs from the table of topics", difference=sentence)
    return cluster_id, found


async def _create_missing(admin: AIOKafkaAdminClient, durability: Durability) -> tuple[str, list[Topic]]:
    """Return the cluster's id and the topics that were made."""
    cluster = await admin.describe_cluster()
    there = set(await admin.list_topics())
    missing = [topic for topic in TOPICS if topic.name not in there]
    made: set[str] = set()
    if missing:
        response = await admin.create_topics([
            NewTopic(topic.name, PARTITIONS, durability.replication, topic_configs=topic_config(topic, durability))
            for topic in missing
        ])  # fmt: skip
        for name, code, *detail in response.topic_errors:
            error = for_code(code)
            if error not in {NoError, TopicAlreadyExistsError}:
                raise SetupError(
                    f"Kafka does not make the topic {name}: {error.__name__} {detail[0] if detail else ''}".strip(),
                    next_step="With fewer brokers than replicas, lower PULSERA_KAFKA_REPLICATION.",
                )
            if error is NoError:
                made.add(name)
        _LOG.info("made topics", topics=sorted(made))
    return str(cluster["cluster_id"]), [topic for topic in missing if topic.name in made]


async def _known(admin: AIOKafkaAdminClient, made: Sequence[Topic], durability: Durability) -> None:
    """Wait until the broker that is asked knows with which settings topics were made; raises TimeoutError.

    Until then it tells its defaults, and who mends one setting of them takes all others away: a largest message of
    one MiB instead of two.
    """
    wanted = {topic.name: topic_config(topic, durability).keys() for topic in made}
    async with asyncio.timeout(_TAKEN_OVER_WITHIN_S):
        while wanted:
            found = await _settings(admin, list(wanted))
            wanted = {name: keys for name, keys in wanted.items() if not keys <= found[name].own.keys()}
            if wanted:
                await asyncio.sleep(_ASK_AGAIN_S)


async def _sentences(admin: AIOKafkaAdminClient, durability: Durability) -> list[str]:
    names = [topic.name for topic in TOPICS]
    for described in await admin.describe_topics(names):
        count = len(described["partitions"])
        if count not in {0, PARTITIONS}:
            raise SetupError(
                f"The topic {described['topic']} has {count} partitions, Pulsera needs {PARTITIONS}.",
                next_step="A topic's partitions cannot be changed once it holds data: use another cluster.",
            )
    settings = await _settings(admin, names)
    return [
        sentence
        for topic in TOPICS
        for sentence in differences(topic.name, topic_config(topic, durability), settings[topic.name].values)
    ]


async def _mend(admin: AIOKafkaAdminClient, durability: Durability) -> None:
    intimate = [topic for topic in TOPICS if topic.intimate]
    settings = await _settings(admin, [topic.name for topic in intimate])
    for topic in intimate:
        wanted = mended(topic, topic_config(topic, durability), settings[topic.name])
        if wanted is None:
            continue
        [answer] = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, wanted)])
        for code, detail, *_ in answer.resources:
            if (error := for_code(code)) is not NoError:
                raise SetupError(
                    f"Kafka does not set how long {topic.name} keeps faces: {error.__name__} {detail or ''}".strip(),
                    next_step=f"Set {', '.join(f'{key}={wanted[key]}' for key in _HOW_LONG)} on it.",
                )
        await _taken_over(admin, topic, wanted)
        _LOG.info("set how long a topic keeps faces", topic=topic.name, **{key: wanted[key] for key in _HOW_LONG})


async def _taken_over(admin: AIOKafkaAdminClient, topic: Topic, wanted: Mapping[str, str]) -> None:
    """Wait until the broker that is asked knows what the cluster has decided; raises TimeoutError."""
    async with asyncio.timeout(_TAKEN_OVER_WITHIN_S):
        while mended(topic, wanted, (await _settings(admin, [topic.name]))[topic.name]):  # noqa: ASYNC110 - asked
            await asyncio.sleep(_ASK_AGAIN_S)


async def _settings(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, TopicSettings]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = {name: TopicSettings(values={}, own={}) for name in names}
    for response in await admin.describe_configs(resources):
        for resource in response.resources:  # untyped tuples; the fourth of an entry says where it was set
            for name, value, _, source, *_ in resource[4]:
                if value is not None:
                    found[resource[3]].values[name] = value
                    if source == _SET_FOR_THE_TOPIC:
                        found[resource[3]].own[name] = value
    return found
