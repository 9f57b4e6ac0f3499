"""The board of zones: the newest status of each as the log told it, and nothing where it may not be the newest."""

from dataclasses import dataclass
from typing import Any

import pytest

from api.records import Zone
from api.zone_board import Board, Known
from schemas import zones
from schemas.topics import READINGS, ZONES, partition_of
from schemas.zones import BIN_MS, ZoneStatus
from stream_processors.ports import Record
from tests.zones_over_http import newest_bin_ms, status

WARD, PARTITION = "ward", partition_of(b"ward")
TOLD_AFTER_MS, LATE_MS = 420_000, 720_000
IN_TIME_MS = newest_bin_ms() + TOLD_AFTER_MS


@dataclass
class Feed:
    """A feed that is behind when told to be."""

    behind: bool = False

    def is_current(self, topic: str, partition: int) -> bool:
        """Return whether nothing is missing."""
        assert (topic, partition) == (ZONES.name, PARTITION)
        return not self.behind


@pytest.fixture
def feed() -> Feed:
    """A feed that is up to date."""
    return Feed()


@pytest.fixture
def names() -> dict[str, Zone]:
    """What zones are called."""
    return {WARD: Zone(zone_id=WARD, name="West ward", version=2)}


@pytest.fixture
def board(feed: Feed, names: dict[str, Zone]) -> Board:
    """A board that stands at the beginning of its partition."""
    board = Board()
    board.join(Known(feed=feed, zone=names.get))
    board.begin(ZONES.name, PARTITION, 0)
    return board


def tell(
    board: Board, offset: int, told: ZoneStatus | bytes, *, topic: str = ZONES.name, append_ms: int = IN_TIME_MS
) -> None:
    """Hand a record to the board."""
    value = told if isinstance(told, bytes) else zones.encode(told)
    board.take(
        Record(topic=topic, partition=PARTITION, offset=offset, append_ms=append_ms, key=b"zone:ward", value=value)
    )


def told_of(bin_number: int, **changes: Any) -> ZoneStatus:
    """Return the status of a bin; its revision rises with the bin, as the zones family has it."""
    return status(WARD, bin_ms=bin_number * BIN_MS, revision=bin_number * 100, **changes)


def revision(board: Board) -> int | None:
    """Return the revision of the status that the board tells."""
    found = board.now(WARD)
    return None if found is None or found.status is None else found.status.revision


def test_the_newest_status_is_told_under_the_zones_present_name(board: Board) -> None:
    """What the log tells stands from then on, whatever the zone was called when it was written."""
    assert board.now(WARD) is None
    tell(board, 0, status(WARD, revision=1))
    tell(board, 1, status(WARD, revision=2, level="critical"))
    found = board.now(WARD)
    assert found is not None
    assert found.zone.name == "West ward"
    assert found.status == status(WARD, revision=2, level="critical")


def test_a_writer_that_tells_earlier_bins_again_turns_nothing_back(board: Board) -> None:
    """A lower revision, as a worker tells it that takes over, stays behind the higher, and so does the same again."""
    tell(board, 0, status(WARD, revision=5, level="elevated"))
    tell(board, 1, status(WARD, revision=4))
    tell(board, 2, status(WARD, revision=5))
    found = board.now(WARD)
    assert found is not None
    assert found.status == status(WARD, revision=5, level="elevated")


def test_a_worker_that_tells_a_week_anew_is_not_believed_until_it_has_caught_up(board: Board) -> None:
    """Of a zone of which nothing was heard, bins long past are left to the database; the first of now is told."""
    for at in range(100):
        tell(board, at, told_of(at, level="critical"), append_ms=100 * BIN_MS + TOLD_AFTER_MS)
        newest = at * 100 if at >= 99 else None
        assert revision(board) == newest
    tell(board, 100, told_of(100), append_ms=100 * BIN_MS + TOLD_AFTER_MS)
    assert revision(board) == 10_000


def test_a_zone_told_of_late_is_told_again_with_the_next_in_time(board: Board) -> None:
    """A newer status that comes too late takes back the one before; nothing is withheld for longer than a bin."""
    tell(board, 0, told_of(7), append_ms=7 * BIN_MS + TOLD_AFTER_MS)
    assert revision(board) == 700
    tell(board, 1, told_of(8), append_ms=8 * BIN_MS + LATE_MS + 1)
    assert revision(board) is None
    tell(board, 2, told_of(8), append_ms=8 * BIN_MS + LATE_MS)
    assert revision(board) is None
    tell(board, 3, told_of(9), append_ms=9 * BIN_MS + LATE_MS)
    assert revision(board) == 900


def test_nothing_is_told_while_the_feed_is_behind(board: Board, feed: Feed) -> None:
    """Who cannot hear the log does not know what is newest; once it is heard again the same stands."""
    tell(board, 0, status(WARD, revision=1))
    feed.behind = True
    assert revision(board) is None
    feed.behind = False
    assert revision(board) == 1


def test_a_gap_in_the_log_forgets_what_was_told_before_it(board: Board) -> None:
    """Going on where it stood keeps everything; going on elsewhere keeps nothing of that partition."""
    tell(board, 0, status(WARD, revision=1))
    board.begin(ZONES.name, PARTITION, 1)
    board.begin(READINGS.name, PARTITION, 7)
    assert revision(board) == 1
    board.begin(ZONES.name, PARTITION, 7)
    assert revision(board) is None


def test_a_zone_that_is_no_more_is_not_told(board: Board, names: dict[str, Zone]) -> None:
    """Without a definition a zone's last status stays where it is; a record without a value changes nothing."""
    tell(board, 0, status(WARD, revision=1))
    tell(board, 1, b"")
    assert revision(board) == 1
    del names[WARD]
    assert board.now(WARD) is None


def test_a_record_that_cannot_be_read_forgets_the_partition(board: Board) -> None:
    """It may have been any zone's newest status, so that none is told from memory until the next."""
    tell(board, 0, status(WARD, revision=1))
    tell(board, 1, b"{}")
    assert revision(board) is None
    tell(board, 2, status(WARD, revision=2))
    assert revision(board) == 2


def test_what_was_told_before_it_began_is_left_to_the_database(feed: Feed, names: dict[str, Zone]) -> None:
    """What was appended before the board's first moment is no news, and nothing up to its revision is; the next is."""
    since_ms = 9 * BIN_MS + TOLD_AFTER_MS
    board = Board(since_ms=since_ms)
    board.join(Known(feed=feed, zone=names.get))
    for offset, (append_ms, bin_number, told) in enumerate(
        (
            (since_ms - 1, 9, None),
            (since_ms, 8, None),
            (since_ms, 9, None),
            (since_ms + BIN_MS, 10, 1_000),
        )
    ):
        tell(board, offset, told_of(bin_number), append_ms=append_ms)
        assert revision(board) == told


def test_other_topics_are_nothing_to_it(board: Board) -> None:
    """Only the topic of zones is read."""
    tell(board, 0, b"no status", topic=READINGS.name)
    assert board.now(WARD) is None


def test_who_was_never_joined_to_a_feed_tells_nothing() -> None:
    """A board without a feed leaves everything to the database."""
    board = Board()
    board.begin(ZONES.name, PARTITION, 0)
    tell(board, 0, status(WARD))
    assert board.now(WARD) is None
