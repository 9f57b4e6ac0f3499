"""Tests of the settings that topics are made with."""

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
    assert mended(VIDEO, wanted, found) == {
        "segment.bytes": "7",
        "max.message.bytes": "5",
        "cleanup.policy": "delete",
        "retention.ms": "600000",
        "segment.ms": "60000",
    }
    assert mended(VIDEO, wanted, TopicSettings(values={**wanted, "max.message.bytes": "5"}, own={})) is None
    assert mended(READINGS, topic_config(READINGS, Durability()), TopicSettings(values={}, own={})) is None
