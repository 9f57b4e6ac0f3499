"""What a writer tells about the newest days: news alone, and again once it has forgotten."""

import numpy as np

from infra.timescale.newest_days import NewestDays
from schemas.vitals import NAMES
from stream_processors.operators.merge import merge_readings
from tests.made_frames import NOW_MS, readings, wearer

_DAY_US = 86_400_000_000
_TODAY = NOW_MS * 1_000 // _DAY_US


def _day(news_days: np.ndarray, vital: str) -> int:
    return int(news_days[0, 1 + NAMES.index(vital)])


def test_only_news_are_told() -> None:
    """A day that was told is not told again; a vital's first value of the day and a later day are."""
    days = NewestDays()
    first = days.news(merge_readings([readings({"heart_rate": 61.0})]))
    assert first is not None
    assert first.wearers == [wearer(1).bytes]
    assert (first.days[0, 0], _day(first.days, "heart_rate"), _day(first.days, "spo2")) == (_TODAY, _TODAY, -1)
    days.remember(first)
    assert days.news(merge_readings([readings({"heart_rate": 62.0})])) is None
    assert days.news(merge_readings([readings({"time": NOW_MS * 1_000 - _DAY_US, "heart_rate": 62.0})])) is None
    more = days.news(merge_readings([readings({"spo2": 97.0})]))
    assert more is not None
    assert (_day(more.days, "heart_rate"), _day(more.days, "spo2")) == (_TODAY, _TODAY)
    later = days.news(merge_readings([readings({"time": NOW_MS * 1_000 + _DAY_US, "heart_rate": 61.0})]))
    assert later is not None
    assert (later.days[0, 0], _day(later.days, "heart_rate")) == (_TODAY + 1, _TODAY + 1)


def test_news_not_remembered_are_told_again() -> None:
    """What was not committed, or may have been lost since, is news again, for each of many wearers."""
    days = NewestDays()
    many = merge_readings([readings(*({"wearer": number, "heart_rate": 61.0} for number in range(1, 101)))])
    news, same = days.news(many), days.news(many)
    assert news is not None
    assert same is not None
    assert list(news.wearers) == sorted(wearer(number).bytes for number in range(1, 101))
    assert np.array_equal(same.days, news.days)
    days.remember(news)
    assert days.news(many) is None
    days.forget()
    again = days.news(many)
    assert again is not None
    assert np.array_equal(again.days, news.days)
