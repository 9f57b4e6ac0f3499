"""What every host must keep, written once: order, durability before commit, restoring, dead letters, rebalancing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from schemas.errors import DatabaseAwayError, LogMismatchError
from stream_processors.hosts.runner import DeadLetterRefusedError
from stream_processors.hosts.saving import pack
from stream_processors.ports import OffsetMove
from tests.conformance.families import BAD, BOOM, HUGE, REFUSED
from tests.conformance.faults import DiedError
from tests.conformance.worlds import PARTITIONS, Row, World, until

pytestmark = [
    pytest.mark.timeout(120),
    # aiokafka leaves a connection open that was being made when its consumer was stopped; the process ends then anyway.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def numbered(count: int, start: int = 0) -> list[bytes]:
    """Return values that tell their place."""
    return [f"value {number}".encode() for number in range(start, start + count)]


def expected(count: int) -> list[list[object]]:
    """Return the outputs of a partition whose first `count` records are `numbered`."""
    return [[number, f"value {number}", number + 1] for number in range(count)]


async def test_records_of_a_partition_are_handled_in_order_and_ready_ones_together(world: World) -> None:
    """A partition's records arrive once, in order, several in one batch where several are ready."""
    for partition in range(PARTITIONS):
        await world.append(*numbered(30), partition=partition)
    member = world.start_counting()
    await until(lambda: sum(len(batch) for batch in member.runner.batches) == 30 * PARTITIONS)
    for partition in range(PARTITIONS):
        assert await world.outputs(partition) == expected(30)
    assert max(len(batch) for batch in member.runner.batches) > 1
    assert max(len(batch) for batch in member.runner.batches) <= 64


async def test_a_graceful_stop_saves_the_state_and_the_next_worker_goes_on(world: World) -> None:
    """After a graceful stop the saved offset is the end of what was handled, and the count goes on from there."""
    await world.append(*numbered(10))
    member = world.start_counting()
    await until(lambda: member.runner.batches)
    await member.stop()
    assert await world.saved_offset() == 10
    await world.append(*numbered(5, start=10))
    world.start_counting()
    await until(lambda: _count_is(world, 15))
    assert await world.outputs() == expected(15)


async def test_a_worker_that_dies_before_it_commits_has_no_double_effect(world: World) -> None:
    """What a dead worker published is published again by the next one, exactly alike, and nothing is missing."""
    await world.append(*numbered(10))
    member = world.start_counting(die_before_commit=True)
    assert isinstance(await member.ended(), DiedError)
    await world.append(*numbered(5, start=10))
    world.start_counting()
    await until(lambda: _count_is(world, 15))
    assert await world.effects() == expected(15)


async def test_a_worker_that_dies_before_its_work_loses_nothing(world: World) -> None:
    """What a dead worker had in hand is handled by the next one."""
    await world.append(*numbered(10))
    assert isinstance(await world.start_counting(die_before_work=True).ended(), DiedError)
    assert await world.outputs() == []
    world.start_counting()
    await until(lambda: _count_is(world, 10))


async def test_states_are_saved_between_batches(world: World) -> None:
    """A state is saved while the worker runs, at an offset whose outputs are all in the log."""
    world.save_every_s = 0.1
    await world.append(*numbered(10))
    world.start_counting()
    await until(lambda: _saved_is(world, 10))
    assert len(await world.outputs()) == 10


async def test_a_sink_that_dies_after_its_write_writes_nothing_twice(world: World) -> None:
    """Rows and offset lie in one transaction, so that a crash before the commit to Kafka doubles no row."""
    await world.append(*numbered(10))
    member, _ = world.start_keeping(die_before_commit=True)
    assert isinstance(await member.ended(), DiedError)
    written = len(await world.sink_store.rows())
    assert 0 < written <= 10
    await world.append(*numbered(5, start=10))
    world.start_keeping()
    await until(lambda: _rows_are(world, 15))
    assert [row[2] for row in await world.sink_store.rows()] == list(range(15))


async def test_ready_records_of_a_sink_share_a_transaction(world: World) -> None:
    """Records that are ready together are written together, and settled after their commit."""
    for partition in range(PARTITIONS):
        await world.append(*numbered(40), partition=partition)
    _, family = world.start_keeping()
    await until(lambda: _rows_are(world, 40 * PARTITIONS))
    await until(lambda: family.settled)
    assert max(family.batches) > 1


async def test_passing_errors_are_waited_out_with_the_outputs_in_hand(world: World) -> None:
    """While the broker is away nothing is stepped again; half an append that came through is repeated exactly."""
    world.publisher.away, world.publisher.half = 5, True
    await world.append(*numbered(10))
    member = world.start_counting()
    await until(lambda: member.runner.batches)
    assert world.meter.counts["retries_total"] >= 5
    await until(lambda: _count_is(world, 10))
    assert await world.effects() == expected(10)


async def test_a_database_that_is_away_is_waited_for(world: World) -> None:
    """A worker whose database is away at its start goes on when it is back."""
    world.store.away = 5
    await world.append(*numbered(3))
    world.start_counting()
    await until(lambda: _count_is(world, 3))


async def test_a_first_record_that_is_bad_becomes_one_dead_letter_and_the_rest_arrive(world: World) -> None:
    """A record that no family can read is set aside whole; the ones after it are handled."""
    await world.append(BAD, b"c", b"d")
    world.start_counting()
    await until(lambda: _count_is(world, 2))
    assert await world.outputs() == [[1, "c", 1], [2, "d", 2]]
    (letter,) = await world.letters()
    assert (letter.topic, letter.partition, letter.offset, letter.value) == (world.topic, 0, 0, BAD)
    assert (letter.error, letter.family) == ("ContractError", world.name)


async def test_a_record_that_breaks_the_state_is_set_aside_and_the_state_restored(world: World) -> None:
    """A step that fails after it changed the state leaves no trace in the count."""
    await world.append(b"a", b"b", BOOM, b"c", BOOM, b"d")
    world.start_counting()
    await until(lambda: _count_is(world, 4))
    assert await world.effects() == [[0, "a", 1], [1, "b", 2], [3, "c", 3], [5, "d", 4]]
    assert sorted(letter.offset for letter in await world.letters()) == [2, 4]


async def test_a_record_whose_output_the_log_never_takes_is_set_aside(world: World) -> None:
    """An output that is too large makes its record a dead letter; the others count as if it had not been."""
    await world.append(b"a", HUGE, b"b")
    world.start_counting()
    await until(lambda: _count_is_at_least(world, 2))
    await until(lambda: _letters_are(world, 1))
    outputs = {output[0]: output for output in await world.outputs()}
    assert outputs[2] == [2, "b", 2]
    assert [letter.offset for letter in await world.letters()] == [1]


async def test_a_sink_sets_aside_exactly_the_records_that_fail(world: World) -> None:
    """Unreadable and refused records become dead letters, their neighbours in the same batch become rows."""
    await world.append(b"a", BAD, b"b", REFUSED, b"c")
    world.start_keeping()
    await until(lambda: _rows_are(world, 3))
    await until(lambda: _saved_is(world, 5))
    assert [row[3] for row in await world.sink_store.rows()] == ["a", "b", "c"]
    assert sorted((letter.offset, letter.error) for letter in await world.letters()) == [
        (1, "ContractError"),
        (3, "ContractError"),
    ]


async def test_a_dead_letter_that_is_refused_ends_the_worker_before_the_commit(world: World) -> None:
    """Where not even the dead letter can be kept the process ends, and the record is still there for the next."""
    world.publisher.refuse_dead_letters = True
    await world.append(BAD, b"a")
    assert isinstance(await world.start_counting().ended(), DeadLetterRefusedError)
    world.publisher.refuse_dead_letters = False
    world.start_counting()
    await until(lambda: _count_is(world, 1))
    assert len(await world.letters()) == 1


async def test_a_restored_database_refills_itself_although_the_topic_is_silent(world: World) -> None:
    """A saved state older than what was committed is brought to the log's end without any new record."""
    world.save_every_s = 0.1
    await world.append(*numbered(4))
    member, _ = world.start_keeping()
    await until(lambda: _saved_is(world, 4))
    await member.stop()
    row = await world.saved()
    assert row is not None
    older = replace(row, next_offset=2)
    await world.store.inner.save(older, expected=4)
    world.start_keeping()
    await until(lambda: _saved_is(world, 4))
    assert [row[2] for row in await world.sink_store.rows()] == [0, 1, 2, 3, 2, 3]


async def test_a_database_that_loses_its_end_is_refilled_although_the_topic_is_silent(world: World) -> None:
    """A running worker sees that its database went back, and writes again what is missing without a new record."""
    world.save_every_s = 0.1
    await world.append(*numbered(4))
    world.start_keeping()
    await until(lambda: _saved_is(world, 4))
    row = await world.saved()
    assert row is not None
    await world.store.inner.save(replace(row, next_offset=2), expected=4)
    await until(lambda: _saved_is(world, 4))
    assert [row[2] for row in await world.sink_store.rows()] == [0, 1, 2, 3, 2, 3]


async def test_a_commit_whose_answer_was_lost_is_settled_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the connection breaks after the commit nothing is written twice, and what follows the commit is done."""
    _, family = world.start_keeping()
    await until(lambda: family.settled)
    family.settled.clear()
    write = world.sink_store.write
    answers = [True]

    async def commit(rows: Sequence[Row], moves: Sequence[OffsetMove]) -> None:
        await write(rows, moves)
        if answers:
            answers.pop()
            raise DatabaseAwayError("the answer was lost on purpose")

    monkeypatch.setattr(world.sink_store, "write", commit)
    await world.append(b"value 0")
    await until(lambda: any(0 in partitions for partitions in family.settled))
    assert not answers
    assert len(await world.sink_store.rows()) == 1


async def test_another_owner_that_was_faster_is_noticed(world: World) -> None:
    """A worker whose saved offset was moved drops its state, restores, and still doubles and loses nothing."""
    world.save_every_s = 0.1
    await world.append(*numbered(5))
    world.start_counting()
    await until(lambda: _saved_is(world, 5))
    row = await world.saved()
    assert row is not None
    await world.store.inner.save(replace(row, next_offset=3, blob=pack(b"3")), expected=5)
    await world.append(*numbered(5, start=5))
    await until(lambda: _saved_is(world, 10))
    assert world.meter.counts["restored_total"] == 1
    assert await world.effects() == expected(10)
    repeated = [output[0] for output in await world.outputs()]
    assert repeated.count(3) == repeated.count(4) == 2


async def test_a_saved_offset_beyond_the_log_stops_the_worker(world: World) -> None:
    """An offset that the log does not reach means another log: the worker stops and says so."""
    await world.append(*numbered(3))
    member = world.start_counting()
    await until(lambda: _count_is(world, 3))
    await member.stop()
    row = await world.saved()
    assert row is not None
    await world.store.inner.save(replace(row, next_offset=1_000), expected=3)
    await world.append(b"more")
    assert isinstance(await world.start_counting().ended(), LogMismatchError)


async def test_a_state_of_another_version_is_computed_again(world: World) -> None:
    """A new version of a family starts from the log's beginning and republishes what it makes of it."""
    await world.append(*numbered(6))
    member = world.start_counting()
    await until(lambda: _count_is(world, 6))
    await member.stop()
    world.start_counting(version="2")
    await until(lambda: _outputs_are(world, 12))
    assert await world.effects() == expected(6)


async def test_two_members_share_the_partitions_and_one_takes_over(world: World) -> None:
    """A second member takes partitions over with their states; when it leaves, nothing is lost or doubled."""
    first = world.start_counting()
    await until(lambda: first.runner.status()["partitions"] == PARTITIONS)
    for partition in range(PARTITIONS):
        await world.append(*numbered(10), partition=partition)
    second = world.start_counting()
    await until(lambda: second.runner.status()["partitions"] == PARTITIONS // 2)
    for partition in range(PARTITIONS):
        await world.append(*numbered(10, start=10), partition=partition)
    await until(lambda: second.runner.batches)
    await until(lambda: _all_counted(world, 20))
    await second.stop()
    for partition in range(PARTITIONS):
        await world.append(*numbered(10, start=20), partition=partition)
    await until(lambda: _all_counted(world, 30))
    for partition in range(PARTITIONS):
        assert await world.effects(partition) == expected(30)
    assert not first.task.done()


async def _count_is(world: World, count: int) -> bool:
    return len(await world.effects()) == count


async def _count_is_at_least(world: World, count: int) -> bool:
    return len({output[0] for output in await world.outputs()}) >= count


async def _outputs_are(world: World, count: int) -> bool:
    return len(await world.outputs()) == count


async def _all_counted(world: World, count: int) -> bool:
    return all([len(await world.effects(partition)) == count for partition in range(PARTITIONS)])


async def _letters_are(world: World, count: int) -> bool:
    return len(await world.letters()) == count


async def _rows_are(world: World, count: int) -> bool:
    return len(await world.sink_store.rows()) == count


async def _saved_is(world: World, offset: int) -> bool:
    return await world.saved_offset() == offset
