"""The slow path names what is wrong with each reading, and keeps the rest."""

import json
from typing import Any

import pytest

from tests.device_sessions import NOW_MS, admitted, codes, errors, greeted, reading, readings_text, rejected, values


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"spo2": float("nan")}, "spo2", "not_finite"),
        ({"spo2": float("inf")}, "spo2", "not_finite"),
        ({"spo2": float("-inf")}, "spo2", "not_finite"),
        ({"spo2": 10**400}, "spo2", "out_of_range"),
        ({"spo2": -1}, "spo2", "out_of_range"),
        ({"spo2": 101}, "spo2", "out_of_range"),
        ({"spo2": "98"}, "spo2", "wrong_type"),
        ({"spo2": True}, "spo2", "wrong_type"),
        ({"spo2": [98]}, "spo2", "wrong_type"),
        ({"spo2": {}}, "spo2", "wrong_type"),
        ({"ibi": [800, 5]}, "ibi", "out_of_range"),
        ({"ibi": [800, float("nan")]}, "ibi", "not_finite"),
        ({"ibi": [800, "x"]}, "ibi", "wrong_type"),
        ({"ibi": [800, [[]]]}, "ibi", "wrong_type"),
        ({"ibi": [800] * 601}, "ibi", "out_of_range"),
        ({"ibi": 800}, "ibi", "wrong_type"),
        ({"quality": 1.5}, "quality", "out_of_range"),
        ({"quality": float("nan")}, "quality", "not_finite"),
        ({"worn": 1}, "worn", "wrong_type"),
        ({"worn": "yes"}, "worn", "wrong_type"),
        ({"hrv_window_s": 1}, "hrv_window_s", "out_of_range"),
        ({"hrv": 40}, "hrv", "ambiguous_hrv"),
        ({"heartrate": 70}, "heartrate", "unknown_field"),
        ({"\ud800": 70}, "?", "unknown_field"),
        ({"x" * 1000: 70}, "x" * 64, "unknown_field"),
    ],
)
def test_a_bad_field_is_dropped_and_the_reading_kept(fields: dict[str, Any], field: str, code: str) -> None:
    """The field is named with its code and becomes absent; the heart rate beside it is admitted."""
    effects = greeted().receive(readings_text(1, reading(**fields)))
    assert codes(effects) == [(0, field, code)]
    (admit,) = admitted(effects)
    assert values(admit, "heart_rate") == [72]
    for name in ("spo2", "ibi", "quality", "worn", "hrv_window_s"):
        assert values(admit, name) == [None]


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("2026-11-21T08:00:00", "naive_time"),
        ("2026-11-21 08:00:00", "naive_time"),
        ("2026-11-21", "bad_time"),
        ("now", "bad_time"),
        ("2026-11-21T08:00:60Z", "bad_time"),
        (None, "bad_time"),
        (True, "bad_time"),
        ([], "bad_time"),
        (float("nan"), "not_finite"),
        (10**30, "future_time"),
        (NOW_MS + 300_001, "future_time"),
        (0, "older_than_retention"),
        (-(2**60), "older_than_retention"),
        ("0001-01-01T00:00:00+14:00", "older_than_retention"),
        ("9999-12-31T23:59:59-14:00", "future_time"),
        (1e300, "future_time"),
    ],
)
def test_a_bad_time_refuses_the_reading(time: Any, code: str) -> None:
    """The reading is refused whole, with the time's code, and the message is handled."""
    effects = greeted().receive(readings_text(1, reading(time=time)))
    assert codes(effects) == [(0, "time", code)]
    assert admitted(effects) == []


def test_a_missing_time_refuses_the_reading() -> None:
    """Without a time there is no reading."""
    assert codes(greeted().receive(readings_text(1, {"heart_rate": 72}))) == [(0, "time", "bad_time")]


@pytest.mark.parametrize(
    ("fields", "code"), [({"source": "ring"}, "bad_source"), ({"source": None}, "bad_source"),
                         ({"injected": "yes"}, "wrong_type"), ({"injected": 1}, "wrong_type")]
)  # fmt: skip
def test_what_decides_where_a_reading_belongs_refuses_it_whole(fields: dict[str, Any], code: str) -> None:
    """A reading of an unknown source, or of an unknown injection, would be taken for something else."""
    effects = greeted().receive(readings_text(1, reading(**fields)))
    assert codes(effects) == [(0, "reading", code)]
    assert admitted(effects) == []


def test_a_reading_whose_only_vital_is_bad_is_refused() -> None:
    """The vital is named, then the reading that has none left."""
    effects = greeted().receive(readings_text(1, {"time": NOW_MS, "spo2": 400, "worn": True}))
    assert codes(effects) == [(0, "spo2", "out_of_range"), (0, "reading", "no_vital")]


def test_null_is_absent() -> None:
    """A null vital is not measured, which is no fault."""
    effects = greeted().receive(readings_text(1, reading(spo2=None, quality=None, worn=None, ibi=None)))
    assert codes(effects) == []
    assert values(admitted(effects)[0], "spo2") == [None]


def test_unknown_fields_beyond_the_first_eight_are_counted() -> None:
    """A nack cannot be made as large as a message by inventing fields."""
    effects = greeted().receive(readings_text(1, reading(**{f"f{number}": 1 for number in range(1000)})))
    assert len(rejected(effects)) == 9
    assert "992" in rejected(effects)[-1].detail


def test_unknown_fields_of_a_message_are_ignored() -> None:
    """A message may carry what this version does not know."""
    effects = greeted().receive(json.dumps({"type": "readings", "seq": 1, "readings": [reading()], "future": {}}))
    assert codes(effects) == []
    assert admitted(effects)


@pytest.mark.parametrize("tail", ["", ', "spo2": NaN'])
def test_the_last_of_two_equal_keys_counts(tail: str) -> None:
    """Both paths read a doubled key alike."""
    text = f'{{"type":"readings","seq":1,"readings":[{{"time":{NOW_MS},"heart_rate":60,"heart_rate":80{tail}}}]}}'
    assert values(admitted(greeted().receive(text))[0], "heart_rate") == [80]


def test_deep_nesting_gets_an_answer() -> None:
    """A field nested beyond what a parser follows closes; it never raises."""
    text = readings_text(1, reading()).replace("72", "[" * 50_000 + "]" * 50_000)
    assert greeted().receive(text) != []


def test_an_error_about_hello_does_not_repeat_what_was_sent() -> None:
    """The detail of a bad hello is about the field and short."""
    (error,) = errors(greeted().receive('{"type":"x' + "y" * 500 + '"}'))
    assert len(error.detail) < 120
