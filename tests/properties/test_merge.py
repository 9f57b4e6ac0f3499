"""However the log is cut into frames and batches, storage ends with the same rows."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream_processors.operators.merge import merge_readings, merge_scores
from tests.made_frames import readings, rows_of, scores

_VALUE = st.none() | st.integers(20, 90).map(float)
_READING = st.fixed_dictionaries(
    {
        "wearer": st.integers(0, 2),
        "stream_id": st.integers(0, 1),
        "time": st.integers(0, 2).map(lambda ms: ms * 1_000),
        "seq": st.integers(1, 9),
        "origin": st.integers(0, 2),
        "injected": st.booleans(),
        "heart_rate": _VALUE,
        "spo2": _VALUE,
        "worn": st.none() | st.booleans(),
        "firmware": st.none() | st.sampled_from(["1", "2"]),
        "ibi": st.none() | st.lists(st.integers(300, 900).map(float), max_size=2),
    }
)
_SCORE = st.fixed_dictionaries({"wearer": st.integers(0, 2), "bin": st.integers(0, 2), "score": _VALUE})
_COLUMNS = ("wearer", "stream_id", "time", "seq", "origin", "injected", "heart_rate", "spo2", "worn", "firmware", "ibi")
_CUTS = st.lists(st.integers(0, 24), max_size=4).map(sorted)


def _cut(rows: list[dict[str, Any]], cuts: list[int]) -> list[list[dict[str, Any]]]:
    edges = [0, *cuts, len(rows)]
    return [rows[start:end] for start, end in pairwise(edges)]


def _one_by_one(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Merge in the plainest way: a dictionary, reading by reading."""
    held: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["wearer"], row["time"], row["stream_id"])
        first = held.setdefault(key, dict(row))
        for name in ("heart_rate", "spo2", "worn", "firmware", "ibi"):
            first[name] = row[name] if first[name] is None else first[name]
        first["origin"] = max(first["origin"], row["origin"])
        first["injected"] |= row["injected"]
    return [tuple(held[key][name] for name in _COLUMNS if name != "wearer") for key in sorted(held)]


@given(rows=st.lists(_READING, max_size=24))
def test_merging_columns_is_merging_readings_one_by_one(rows: list[dict[str, Any]]) -> None:
    """The vectorised merge gives what a dictionary filled reading by reading gives, in key order."""
    merged = merge_readings([readings(*rows)])
    assert rows_of(merged, *(name for name in _COLUMNS if name != "wearer")) == _one_by_one(rows)


@given(rows=st.lists(_READING, max_size=24), cuts=_CUTS, batches=_CUTS)
def test_any_split_of_readings_ends_in_the_same_rows(
    rows: list[dict[str, Any]], cuts: list[int], batches: list[int]
) -> None:
    """Merging batches of frames, then the batches, equals merging everything at once."""
    frames = [readings(*part) for part in _cut(rows, cuts)]
    in_batches = [merge_readings(frames[start:end]) for start, end in _spans(len(frames), batches)]
    assert rows_of(merge_readings(in_batches), *_COLUMNS) == rows_of(merge_readings([readings(*rows)]), *_COLUMNS)


@given(rows=st.lists(_SCORE, max_size=24), cuts=_CUTS)
def test_any_split_of_scores_ends_in_the_same_rows(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    """Merging parts, then their results, keeps the same scores as merging everything at once."""
    parts = [merge_scores([scores(*part)]) for part in _cut(rows, cuts)]
    columns = ("wearer", "bin", "score")
    assert rows_of(merge_scores(parts), *columns) == rows_of(merge_scores([scores(*rows)]), *columns)


def _spans(length: int, cuts: list[int]) -> list[tuple[int, int]]:
    edges = [0, *(min(cut, length) for cut in cuts), length]
    return list(pairwise(edges))
