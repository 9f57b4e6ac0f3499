"""How the care family reads its records, writes a batch, and tells what changed."""

import zlib
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

import msgspec
import pytest

from schemas import alerts, episodes
from schemas.alerts import Command
from schemas.episodes import Episode, Subject
from schemas.errors import ContractError
from stream_processors.families.care import CareFamily, partition_of
from stream_processors.operators.care import Answer, Tracked
from stream_processors.ports import CareBook, CareEntries, CareQuestion, Emission, OffsetMove, Record
from tests.care_events import NOW, SUBJECT, WEARER, command, ended, episode


class MemoryStore:
    """A store and publisher in memory that keeps what it was given."""

    def __init__(self) -> None:
        self.alerts: dict[UUID, Tracked] = {}
        self.entries: list[CareEntries] = []
        self.moves: list[OffsetMove] = []
        self.outbox: list[tuple[int, Emission]] = []
        self.told: list[Emission] = []
        self._answers: dict[UUID, tuple[Command, Answer]] = {}

    async def transact(
        self, question: CareQuestion, moves: Sequence[OffsetMove], decide: Callable[[CareBook], CareEntries]
    ) -> None:
        """Let the batch decide on what it asked for."""
        wanted = {
            key: tracked
            for key, tracked in self.alerts.items()
            if key in question.alert_ids
            or (tracked.alert.subject.key in question.subjects and tracked.alert.condition == "active")
        }
        answered = self._answers.keys() & set(question.command_ids)
        early = [asked for asked, answer in self._answers.values() if answer.early]
        entries = decide(CareBook(moment=NOW, alerts=wanted, answered=answered, early=early))
        self.entries.append(entries)
        self.moves += moves
        self.alerts |= {tracked.alert.alert_id: tracked for tracked in entries.alerts}
        self._answers |= {asked.command_id: (asked, answer) for asked, answer in entries.answers}
        self.outbox += [(len(self.outbox) + place, each) for place, each in enumerate(entries.outbox)]

    async def waiting(self, partitions: Collection[int], most: int) -> list[tuple[int, Emission]]:
        """Return what waits on these partitions."""
        return [(number, each) for number, each in self.outbox if each.partition in partitions][:most]

    async def mark_published(self, numbers: Sequence[int]) -> None:
        """Forget what is published."""
        self.outbox = [entry for entry in self.outbox if entry[0] not in numbers]

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Keep what is told."""
        self.told += emissions


def test_a_zone_has_the_partition_of_its_name() -> None:
    """A zone's alerts lie on the partition of CRC-32 of the name; a wearer's on the wearer's own."""
    assert partition_of(Subject(zone="north")) == zlib.crc32(b"north") % 12
    assert partition_of(SUBJECT) == zlib.crc32(WEARER.bytes) % 12


def record(value: bytes, topic: str = "episodes.v1") -> Record:
    """Return a record with this value."""
    return Record(topic=topic, partition=0, offset=0, append_ms=0, key=None, value=value)


@pytest.mark.parametrize(
    "wrong",
    [
        episode(subject=Subject()),
        episode(subject=Subject(wearer=WEARER, zone="north")),
        episode(tier=0),
        episode(phase="ended"),
        episode(end_reason="recovered"),
    ],
    ids=["no subject", "two subjects", "no tier", "no end reason", "end reason without end"],
)
def test_an_episode_that_contradicts_itself_is_refused(wrong: Episode) -> None:
    """An episode that contradicts itself is a broken contract when it is read."""
    family = CareFamily(MemoryStore(), MemoryStore())
    with pytest.raises(ContractError):
        family.read(record(episodes.encode(wrong, time="2026-11-21T09:00:00.000Z")))


def test_both_topics_are_read() -> None:
    """Episodes and commands come back as they were written."""
    family = CareFamily(MemoryStore(), MemoryStore())
    assert family.read(record(episodes.encode(episode(), time="2026-11-21T09:00:00.000Z"))) == episode()
    assert family.read(record(alerts.encode_command(command("seen")), "commands.v1")) == command("seen")


async def write(store: MemoryStore, *events: Episode | Command) -> CareEntries:
    """Write one batch and return its entries."""
    await CareFamily(store, store).write([(record(b""), event) for event in events], [])
    return store.entries[-1]


async def test_a_batch_writes_the_newest_state_and_tells_every_change() -> None:
    """An alert that changes thrice in a batch is one row, three lines, and three records."""
    entries = await write(MemoryStore(), episode(), command("acknowledge"), ended(2))
    assert [tracked.alert.condition for tracked in entries.alerts] == ["cleared"]
    assert [(line.number, line.event.kind) for line in entries.history] == [
        (1, "raised"),
        (2, "acknowledged"),
        (3, "cleared"),
    ]
    assert [msgspec.json.decode(each.value)["type"] for each in entries.outbox] == [
        "pulsera.alert.raised",
        "pulsera.alert.acknowledged",
        "pulsera.alert.cleared",
    ]


async def test_a_repeated_command_is_answered_once() -> None:
    """The same command id is answered once, within a batch and after it."""
    store = MemoryStore()
    first = await write(store, episode(), command("acknowledge"), command("acknowledge"))
    again = await write(store, command("acknowledge"))
    assert (len(first.answers), len(again.answers), len(again.outbox)) == (1, 0, 0)


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
async def test_an_answer_that_comes_before_its_alert_counts_when_the_alert_is_raised(*, together: bool) -> None:
    """A command that comes before its alert is refused, and answered anew, once, when the alert is raised."""
    store = MemoryStore()
    if not together:
        refused = await write(store, command("acknowledge"))
        assert [answer.status for _, answer in refused.answers] == ["refused"]
    entries = await write(store, command("acknowledge"), episode(), episode(), command("acknowledge"))
    assert [answer.status for _, answer in entries.answers] == ["done"]
    assert [line.event.kind for line in entries.history] == ["raised", "acknowledged"]


async def test_records_carry_the_subject_as_their_key() -> None:
    """What is told lies on the wearer's partition, keyed by the subject."""
    entries = await write(MemoryStore(), episode())
    assert (entries.outbox[0].key, entries.outbox[0].partition) == (SUBJECT.key.encode(), partition_of(SUBJECT))


async def test_settle_publishes_what_waits_on_these_partitions_alone() -> None:
    """Settling publishes what waits on the given partitions, once."""
    store = MemoryStore()
    family = CareFamily(store, store)
    await write(store, episode(), episode(subject=Subject(zone="south"), condition="many_affected"))
    await family.settle([partition_of(SUBJECT)])
    await family.settle([partition_of(SUBJECT)])
    assert [each.key for each in store.told] == [SUBJECT.key.encode()]
    assert len(store.outbox) == 1
