"""A family with one state for all partitions keeps the promises of every host: nothing lost, nothing overwritten."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from schemas.dead_letters import decode
from schemas.errors import ContractError, LeaseLostError, LogMismatchError, StaleOwnerError
from schemas.topics import DEAD, EPISODES, PARTITIONS, SCORES
from stream_processors.hosts.leases import WholeState
from stream_processors.hosts.memory_log import MemoryLog, MemoryStateStore
from stream_processors.hosts.retry import Backoff, Patience
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.hosts.whole import Whole
from stream_processors.ports import Emission, OffsetMove, PartitionState, Record, SavedState, Step
from tests.conformance.faults import FaultyPublisher
from tests.conformance.worlds import CountingMeter


class _Sum:
    """Tells a hash over all that it took."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def step(self, record: Record) -> Step:
        """Take the value in; `bad` is unreadable, `broken` fails with the state half changed."""
        if record.value == b"bad":
            raise ContractError("bad on purpose")
        self.digest = hashlib.sha256(self.digest + record.value).digest()
        if record.value == b"broken":
            raise ZeroDivisionError
        told = Emission(topic=EPISODES.name, partition=0, key=None, value=self.digest)
        return Step(emissions=[told], received_ms=np.empty(0, dtype=np.int64))

    def snapshot(self) -> bytes:
        """Return the digest."""
        return self.digest

    def clocks(self) -> dict[int, int]:
        """Return nothing: no record carries a clock."""
        return {}


class _Clocked(_Sum):
    """Knows how far one partition is."""

    def clocks(self) -> dict[int, int]:
        """Return the one clock."""
        return {3: 7}


@dataclass
class _Family:
    """Opens sums; `wanted` is what somebody wants the next one to begin with."""

    name: str = "sums"
    topic: str = SCORES.name
    version: str = "1"
    earlier: tuple[str, ...] = ()
    wanted: bytes | None = None

    def open(self, blob: bytes | None) -> _Sum:
        """Return a sum."""
        return _Sum(blob or b"")

    def clock_ms(self, record: Record) -> int | None:
        """Return that of the log."""
        return record.append_ms

    async def successor(self, state: PartitionState) -> bytes | None:
        """Return what is wanted, once."""
        del state
        wanted, self.wanted = self.wanted, None
        return wanted


@dataclass
class _Lease:
    """A lease over a store in memory."""

    store: MemoryStateStore
    held: bool = True

    async def keep(self) -> None:
        """Never lose it."""

    async def release(self) -> None:
        """Nothing is to be given back."""

    async def save(self, state: SavedState, moves: Sequence[OffsetMove]) -> None:
        """Move all offsets or none."""
        for move in moves:
            row = self.store.rows.get((state.family, move.topic, move.partition))
            if (None if row is None else row.next_offset) != move.expected:
                raise StaleOwnerError("moved")
        for move in moves:
            blob = state.blob if move.partition == state.partition else None
            row = replace(state, partition=move.partition, next_offset=move.next, blob=blob)
            self.store.rows[state.family, move.topic, move.partition] = row


@dataclass
class _World:
    """A log, a store, and the processes that may be active."""

    log: MemoryLog
    publisher: FaultyPublisher
    store: MemoryStateStore = field(default_factory=MemoryStateStore)
    meter: CountingMeter = field(default_factory=CountingMeter)
    family: _Family = field(default_factory=_Family)

    def whole(self, *, save_every_s: float = 1e9) -> Whole:
        """Return what a process holds."""
        world = self.surroundings(save_every_s=save_every_s)
        return Whole(self.family, world, Patience(self.meter, world.backoff))

    def surroundings(self, *, save_every_s: float = 1e9) -> Surroundings:
        """Return what a process works in."""
        return Surroundings(
            publisher=self.publisher,
            reader=self.log,
            store=self.store,
            meter=self.meter,
            now_ms=lambda: 0.0,
            save_every_s=save_every_s,
            backoff=Backoff(first_s=0.001, most_s=0.002),
        )

    def append(self, *values: bytes, partition: int = 0) -> list[Record]:
        """Append records and return them."""
        emissions = [Emission(topic=SCORES.name, partition=partition, key=None, value=value) for value in values]
        return [self.log.append(one) for one in emissions]

    def told(self) -> list[bytes]:
        """Return what was published."""
        return [record.value for record in self.log.slice(Place(EPISODES.name, 0), 0)]


def sums(*values: bytes) -> list[bytes]:
    """Return what a sum tells of these values."""
    state, found = b"", []
    for value in values:
        state = hashlib.sha256(state + value).digest()
        found.append(state)
    return found


@pytest.fixture
async def world() -> _World:
    """An empty log and an empty store."""
    log = MemoryLog(lambda: 0.0)
    return _World(log, FaultyPublisher(log))


async def test_a_successor_goes_on_where_the_last_save_was(world: _World) -> None:
    """What was told after the save is told again, alike, and what came before it is not."""
    lease, first, second = _Lease(world.store), world.whole(), world.whole()
    records = [*world.append(b"a"), *world.append(b"b", partition=5), *world.append(b"c")]
    await first.restore(lease)
    await first.handle(records[:1], lease)
    await first.save(lease)
    await first.handle(records[1:], lease)
    await second.restore(lease)
    await second.handle(records, lease)
    assert world.told() == [*sums(b"a", b"b", b"c"), *sums(b"a", b"b", b"c")[1:]]
    assert [second.next[number] for number in (0, 5, 7)] == [2, 1, 0]


class _Fleeting(Whole):
    """Whose state is gone as soon as it was looked at, as when another thread drops it."""

    _seen: WholeState | None

    @property
    def _state(self) -> WholeState | None:
        state, self._seen = self._seen, None
        return state

    @_state.setter
    def _state(self, state: WholeState | None) -> None:
        self._seen = state


@pytest.mark.parametrize(("earlier", "goes_on"), [(("1",), True), ((), False)])
async def test_a_state_of_an_earlier_version_is_opened_by_who_reads_it(
    world: _World, earlier: tuple[str, ...], *, goes_on: bool
) -> None:
    """After an upgrade the saved state goes on where the family names its version, and is computed again where not."""
    lease, first = _Lease(world.store), world.whole()
    records = world.append(b"a", b"b")
    await first.restore(lease)
    await first.handle(records[:1], lease)
    await first.save(lease)
    world.family = _Family(version="2", earlier=earlier)
    second = world.whole()
    await second.restore(lease)
    assert second.next[0] == int(goes_on)
    await second.handle(records[second.next[0] :], lease)
    await second.save(lease)
    assert world.told() == (sums(b"a", b"b") if goes_on else [*sums(b"a"), *sums(b"a", b"b")])
    assert world.store.rows["sums", SCORES.name, 0].version == "2"


async def test_a_state_that_is_dropped_while_somebody_asks_how_far_it_is_harms_nobody(world: _World) -> None:
    """The health answer comes from another thread: it is that of the state, then that of none."""
    whole = _Fleeting(world.family, world.surroundings(), Patience(world.meter, Backoff()))
    whole._state = _Clocked(b"")
    assert whole.clocks() == {3: 7}
    assert whole.clocks() == {}


async def test_a_stale_owner_overwrites_nothing(world: _World) -> None:
    """Whoever wakes after another has saved is refused, and the other's state stays."""
    lease, first, second = _Lease(world.store), world.whole(), world.whole()
    await first.restore(lease)
    await second.restore(lease)
    await second.handle(world.append(b"a", b"b"), lease)
    await second.save(lease)
    kept = dict(world.store.rows)
    await first.handle(world.log.slice(Place(SCORES.name, 0), 0, 1), lease)
    with pytest.raises(StaleOwnerError):
        await first.save(lease)
    assert world.store.rows == kept


async def test_without_the_lease_nothing_is_told(world: _World) -> None:
    """Who cannot know that the lease is held stops before it publishes."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    lease.held = False
    with pytest.raises(LeaseLostError):
        await only.handle(world.append(b"a"), lease)
    assert world.told() == []


async def test_an_unreadable_record_is_set_aside_and_its_neighbours_count(world: _World) -> None:
    """The bad one lies on dead.v1, the others were taken, each once."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    await only.handle(world.append(b"a", b"bad", b"c"), lease)
    assert world.told() == sums(b"a", b"c")
    (dead,) = world.log.slice(Place(DEAD.name, 0), 0)
    assert decode(dead.value).value == b"bad"
    assert only.next[0] == 3


async def test_a_step_that_breaks_the_state_is_undone(world: _World) -> None:
    """The state is restored, the breaking record set aside, and the rest told as if it had never been."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    records, reign = world.append(b"a", b"broken", b"c"), only.reign
    await only.handle(records, lease)
    assert only.reign == reign + 1
    await only.handle(records, lease)
    assert world.told() == [*sums(b"a"), *sums(b"a", b"c")]
    assert len(world.log.slice(Place(DEAD.name, 0), 0)) == 1


async def test_what_was_set_aside_is_forgotten_once_a_save_has_passed_it(world: _World) -> None:
    """A save behind the breaking record leaves nothing to remember of it; one before it keeps it."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    records = world.append(b"a", b"broken", b"c")
    await only.handle(records, lease)
    await only.save(lease)
    assert only._aside == {(0, 1)}
    await only.handle(records, lease)
    await only.save(lease)
    assert only._aside == set()


async def test_a_broker_that_is_away_is_waited_for(world: _World) -> None:
    """Publishing is tried again until it works, without another step."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    world.publisher.away = 3
    await only.handle(world.append(b"a"), lease)
    assert world.told() == sums(b"a")


async def test_what_changed_outside_the_log_counts_from_a_save_on(world: _World) -> None:
    """The state that is wanted is saved and then gone on with, also by whoever takes over."""
    lease, only = _Lease(world.store), world.whole(save_every_s=-1.0)
    await only.restore(lease)
    world.family.wanted = b"other"
    await only.handle(world.append(b"a"), lease)
    after = world.append(b"b")
    await only.handle(after, lease)
    assert world.told()[-1] == hashlib.sha256(b"other" + b"b").digest()
    second = world.whole()
    await second.restore(lease)
    await second.handle(after, lease)
    assert world.told()[-1] == world.told()[-2]


async def test_a_successor_repeats_first_and_takes_in_what_changed_then(world: _World) -> None:
    """What was told before a takeover is told again as it was, though something changed meanwhile; then that counts."""
    lease, first, second = _Lease(world.store), world.whole(), world.whole()
    await first.restore(lease)
    await first.handle(world.append(b"a"), lease)
    await first.save(lease)
    told = world.append(b"b", b"c")
    await first.handle(told, lease)
    world.family.wanted = b"other"
    await second.restore(lease)
    await second.handle(told[:1], lease)
    await second.handle(told[1:], lease)
    await second.handle(world.append(b"d"), lease)
    repeated = sums(b"a", b"b", b"c")
    assert world.told() == [*repeated, *repeated[1:], hashlib.sha256(b"other" + b"d").digest()]
    row = world.store.rows[world.family.name, SCORES.name, 0]
    assert row.next_offset == 3


async def test_who_loses_the_lease_while_kafka_is_away_tells_nothing_later(world: _World) -> None:
    """Each try to publish asks for the lease anew."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    world.publisher.away = 1

    async def lost(emissions: Sequence[Emission]) -> None:
        lease.held = False
        await FaultyPublisher.publish(world.publisher, emissions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.publisher, "publish", lost)
        with pytest.raises(LeaseLostError):
            await only.handle(world.append(b"a"), lease)
    assert world.told() == []


async def test_another_log_stops_the_worker(world: _World) -> None:
    """Offsets beyond the end of the log are no place to go on from."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    await only.handle(world.append(b"a"), lease)
    await only.save(lease)
    again = _World(MemoryLog(lambda: 0.0), world.publisher, store=world.store)
    with pytest.raises(LogMismatchError, match="the log ends at 0"):
        await again.whole().restore(lease)


async def test_a_gap_is_counted(world: _World) -> None:
    """Records that the log dropped before they were read are counted, and reading goes on after them."""
    lease, only = _Lease(world.store), world.whole()
    await only.restore(lease)
    await only.save(lease)
    world.append(b"a", b"b")
    world.log.drop_before(Place(SCORES.name, 0), 1)
    second = world.whole()
    await second.restore(lease)
    assert (second.next[0], second.lost_records, len(second.next)) == (1, 1, PARTITIONS)
