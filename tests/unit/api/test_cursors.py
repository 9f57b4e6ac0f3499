"""Cursors come back as they went out, and nothing else is taken for one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cursors import log_cursor, open_log, open_page, page_cursor
from api.errors import RefusedError

AT = datetime(2026, 11, 21, 8, 0, 0, 123457, tzinfo=UTC)


def test_a_page_cursor_gives_its_key_back_to_the_microsecond() -> None:
    """Times, numbers and ids survive."""
    key = (AT, 257, UUID(int=5))
    assert open_page("readings", page_cursor("readings", *key), datetime, int, UUID) == key


def test_no_cursor_is_the_first_page() -> None:
    """Absent means from the start."""
    assert open_page("readings", None, datetime, int) is None


def test_a_log_cursor_gives_its_offsets_back() -> None:
    """The next offset of each partition survives."""
    assert open_log("log", "alerts", log_cursor("log", "alerts", {0: 7, 11: 2**40})) == {0: 7, 11: 2**40}


def test_a_log_cursor_does_not_tell_what_went_on() -> None:
    """Two cursors of one place differ, and neither holds the topic in plain: they do not tell whether it moved."""
    first, second = (log_cursor("log", "alerts", {0: 7, 11: 2**40}) for _ in range(2))
    assert first != second
    assert len(first) == len(second)
    for cursor in (first, second):
        assert b"alerts" not in urlsafe_b64decode(cursor + "==")


@pytest.mark.parametrize(
    "cursor",
    ["", "AAAA", "not base64!", "é", page_cursor("scores", AT), log_cursor("log", "alerts", {})],
    ids=["empty", "too short", "no base64", "no ASCII", "another list's", "a log's"],
)
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    """Garbage and another list's cursor are refused, never guessed at."""
    with pytest.raises(RefusedError) as refused:
        open_page("readings", cursor, datetime, int)
    assert (refused.value.status, refused.value.code) == (422, "bad_cursor")


@pytest.mark.parametrize(
    "cursor",
    ["", "AAAA", "é", "[]", log_cursor("log", "readings", {0: 1}), log_cursor("other", "alerts", {0: 1}),
     page_cursor("alerts", 1), page_cursor("alerts", 0, 1)],
    ids=["empty", "too short", "no ASCII", "no cursor", "another topic's", "another log's", "a page's", "two pages'"],
)  # fmt: skip
def test_a_foreign_log_cursor_is_not_opened(cursor: str) -> None:
    """Another topic's cursor, another log's, a page's and garbage tell no place in this log."""
    assert open_log("log", "alerts", cursor) is None


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_log_cursor_is_not_opened(place: int, flip: int) -> None:
    """A cursor of which any byte was changed tells no place."""
    raw = bytearray(urlsafe_b64decode(log_cursor("log", "alerts", {0: 7, 11: 2**40}) + "=="))
    raw[place % len(raw)] ^= flip
    assert open_log("log", "alerts", urlsafe_b64encode(raw).decode()) is None


@pytest.mark.parametrize(
    ("cursor", "types"),
    [
        (page_cursor("readings", 0, 2**63), (datetime, int)),
        (page_cursor("readings", 0, 5), (datetime, UUID)),
        (page_cursor("readings", 10**18, 5), (datetime, int)),
    ],
)
def test_a_forged_page_cursor_is_refused(cursor: str, types: tuple[type, ...]) -> None:
    """A key that the database could not be asked for is no cursor of ours."""
    with pytest.raises(RefusedError):
        open_page("readings", cursor, *types)
