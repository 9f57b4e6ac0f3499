"""Tests of the settings that topics are made with."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource

from infra.kafka import topics
from infra.kafka.topics import Durability, TopicSettings, differences, mended, topic_config
from schemas.topics import DEAD, READINGS, TOPICS, VIDEO, ZONES


def test_every_topic_takes_its_time_from_the_log() -> None:
    """All topics carry the log's append time, the operators' only clock."""
    assert {topic_config(topic, Durability())["message.timestamp.type"] for topic in TOPICS} == {"LogAppendTime"}


def test_a_dead_letter_can_hold_any_record() -> None:
    """The message limit of dead.v1 is at least twice any other's."""
    assert all(DEAD.max_message_bytes >= 2 * topic.max_message_bytes for topic in TOPICS if topic is not DEAD)


def test_replicas_and_flush_follow_the_installation() -> None:
    """Three replicas ask for two in sync; one alone for one; durable topics are flushed with every record."""
    assert topic_config(READINGS, Durability(replication=3))["min.insync.replicas"] == "2"
    assert topic_config(READINGS, Durability())["min.insync.replicas"] == "1"
    assert topic_config(READINGS, Durability(flush=True))["flush.messages"] == "1"
    assert "flush.messages" not in topic_config(READINGS, Durability())
    assert "retention.ms" not in topic_config(ZONES, Durability())


def test_an_installation_chooses_how_long_wearers_data_are_kept() -> None:
    """The setting moves the topics that keep days, never video, which keeps minutes."""
    kept = {topic.name: topic_config(topic, Durability(retention_days=2)).get("retention.ms") for topic in TOPICS}
    assert kept["readings.v1"] == kept["alerts.v1"] == str(2 * 86_400_000)
    assert kept["video.v1"] == str(VIDEO.retention_ms)


def test_a_difference_is_one_sentence() -> None:
    """A setting that is not as wanted is named with both values; the rest is left alone."""
    assert differences("readings.v1", {"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == [
        "readings.v1: b is 3, wanted 2."
    ]


def test_how_long_faces_lie_is_mended_and_nothing_else() -> None:
    """A topic of faces that keeps them longer gets its limits back beside what else was set for it; others do not."""
    wanted = topic_config(VIDEO, Durability())
    older = {**wanted, "segment.ms": "604800000", "max.message.bytes": "5"}
    found = TopicSettings(values=older, own={"segment.bytes": "7", "max.message.bytes": "5"})
    assert mended(VIDEO, wanted, found) == {**wanted, "segment.bytes": "7", "max.message.bytes": "5"}
    chosen = {**wanted, "max.message.bytes": "5"}
    assert mended(VIDEO, wanted, TopicSettings(values=chosen, own=chosen)) is None
    assert mended(READINGS, topic_config(READINGS, Durability()), TopicSettings(values={}, own={})) is None


def test_a_topic_of_faces_whose_settings_were_lost_gets_them_back() -> None:
    """Where a broker's default holds because nobody set anything for the topic, the table's settings are set."""
    wanted = topic_config(VIDEO, Durability())
    lost = TopicSettings(values={**wanted, "max.message.bytes": "1048588"}, own={"segment.ms": "60000"})
    assert mended(VIDEO, wanted, lost) == wanted


class _SlowToLearn:
    """A broker whose answers lag behind the cluster: of fresh topics it tells defaults first, as Kafka's may."""

    def __init__(self) -> None:
        self.made: dict[str, dict[str, str]] = {}
        self.altered: list[str] = []
        self.late = 3

    async def start(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def describe_cluster(self) -> dict[str, str]:
        """Return the cluster's name."""
        return {"cluster_id": "slow"}

    async def list_topics(self) -> list[str]:
        """Return no topic."""
        return []

    async def create_topics(self, topics: list[NewTopic]) -> SimpleNamespace:
        """Make topics at once."""
        self.made = {topic.name: dict(topic.topic_configs) for topic in topics}
        return SimpleNamespace(topic_errors=[(name, 0, None) for name in self.made])

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        """Return topics whose partitions are not known yet."""
        return [{"topic": name, "partitions": []} for name in names]

    async def describe_configs(self, resources: list[ConfigResource]) -> list[SimpleNamespace]:
        """Return defaults three times, then what was set."""
        self.late -= 1
        own = {} if self.late >= 0 else self.made
        rows: list[Any] = [
            (0, None, 2, one.name, [(key, value, False, 1, False, []) for key, value in own.get(one.name, {}).items()])
            for one in resources
        ]
        return [SimpleNamespace(resources=rows)]

    async def alter_configs(self, resources: list[ConfigResource]) -> list[SimpleNamespace]:
        """Set what is given and nothing else, as Kafka does."""
        self.altered += [one.name for one in resources]
        self.made |= {one.name: dict(one.configs) for one in resources}
        return [SimpleNamespace(resources=[(0, None)])]


async def test_a_broker_that_is_slow_to_learn_loses_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the broker knows with which settings a topic was made, nothing of it is taken for missing and mended."""
    broker = _SlowToLearn()
    monkeypatch.setattr(topics, "AIOKafkaAdminClient", lambda **_: broker)
    assert await topics.create_topics("somewhere:9092") == ("slow", [])
    assert broker.altered == []
    assert broker.made == {topic.name: topic_config(topic, Durability()) for topic in TOPICS}
