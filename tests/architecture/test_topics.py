"""Every topic belongs to somebody, and the code reads and documents what the table says."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from schemas.topics import BY_NAME, DEAD, TOPICS, Topic
from stream_processors import families

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "topics.md"
FAMILIES: Final = {"storage", "vitals", "video", "zones", "care"}
PARTS: Final = FAMILIES | {"gateway", "api", "live", "dead-letters"}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_has_an_owner_and_a_reader(topic: Topic) -> None:
    """A topic is written by somebody and read by somebody, and both are parts of Pulsera."""
    assert topic.written_by
    assert topic.read_by
    assert {*topic.written_by, *topic.read_by} <= PARTS


def test_names_are_unique_and_carry_a_version() -> None:
    """No two topics share a name, and each name ends with its contract's version."""
    assert len(BY_NAME) == len(TOPICS)
    assert [name for name in BY_NAME if not re.fullmatch(r"[a-z]+\.v[1-9]\d*", name)] == []


def test_dead_letters_can_hold_any_record() -> None:
    """A dead letter may be twice as large as the largest record of any other topic."""
    assert DEAD.max_message_bytes >= 2 * max(topic.max_message_bytes for topic in TOPICS if topic is not DEAD)


def test_every_family_may_leave_dead_letters() -> None:
    """Every processor family is among the writers of dead letters."""
    assert set(DEAD.written_by) == FAMILIES


def family_topics() -> Iterator[tuple[str, str]]:
    """Yield (family, topic that it reads) for every family that is built."""
    for found in pkgutil.iter_modules(families.__path__):
        module = importlib.import_module(f"{families.__name__}.{found.name}")
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == module.__name__ and hasattr(thing, "name"):
                for topic in getattr(thing, "topics", None) or (getattr(thing, "topic", None),):
                    if isinstance(thing.name, str) and isinstance(topic, str):
                        yield thing.name, topic


def test_families_read_what_the_table_gives_them() -> None:
    """A family reads only topics whose row names it."""
    read = set(family_topics())
    assert ("care", "commands.v1") in read
    assert sorted(pair for pair in read if pair[0] not in BY_NAME[pair[1]].read_by) == []


def test_the_page_equals_the_table() -> None:
    """The page on topics says what the code says, row by row."""
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \| (.*) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [
        (topic.name, topic.record, ", ".join(topic.written_by), ", ".join(topic.read_by)) for topic in TOPICS
    ]
