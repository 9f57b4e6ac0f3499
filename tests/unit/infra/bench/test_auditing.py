"""The auditor finds what is missing, doubled or changed."""

import numpy as np
import pyarrow as pa
import pytest

from infra.bench.auditing import Sent, compare, count_doubled, expand
from infra.bench.load import values_of
from infra.timescale.stored import keys


@pytest.fixture
def sent() -> Sent:
    """Two devices, three messages of two readings each, the last message not acknowledged."""
    rows = np.array(
        [[0, 1, 0, 5, 10_000], [0, 2, 0, 5, 12_000], [1, 1, 0, 5, 10_500], [1, 2, 0, 0, 12_500]], dtype=np.float64
    )
    return expand(rows, batch=2, spacing_ms=1_000)


def stored_of(sent: Sent) -> dict[str, np.ndarray]:
    """Return columns that hold exactly what was sent."""
    return values_of(sent.device, sent.number)


def test_messages_become_readings(sent: Sent) -> None:
    """A message of two readings becomes two identities, numbered on, spaced in time."""
    assert sent.time_ms.tolist() == [10_000, 11_000, 12_000, 13_000, 10_500, 11_500, 12_500, 13_500]
    assert sent.number.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert sent.acked.tolist() == [True] * 6 + [False] * 2


def test_all_stored_is_no_loss(sent: Sent) -> None:
    """Nothing is lost or wrong where every reading is stored with its values, in any order."""
    order = np.random.default_rng(1).permutation(len(sent.key))
    columns = {name: values[order] for name, values in stored_of(sent).items()}
    assert compare(sent, sent.key[order], columns) == (0, 0)


def test_a_missing_acknowledged_reading_is_lost(sent: Sent) -> None:
    """Only acknowledged readings count as lost when they are missing."""
    kept = np.array([1, 2, 3, 4, 5])
    columns = {name: values[kept] for name, values in stored_of(sent).items()}
    assert compare(sent, sent.key[kept], columns) == (1, 0)


def test_an_empty_table_has_lost_everything(sent: Sent) -> None:
    """Without a stored row every acknowledged reading is lost."""
    columns = {name: values[:0] for name, values in stored_of(sent).items()}
    assert compare(sent, sent.key[:0], columns) == (6, 0)


def test_a_changed_value_is_wrong(sent: Sent) -> None:
    """A stored value that differs from the sent one is counted."""
    columns = stored_of(sent)
    columns["spo2"][3] += 1
    assert compare(sent, sent.key, columns) == (0, 1)


def test_a_bin_with_more_than_was_sent_is_doubled(sent: Sent) -> None:
    """Readings that a bin holds beyond those sent into it are counted; other wearers' bins are not."""
    bins = np.array([10_000, (1 << 44) + 10_000, -1])
    assert count_doubled(sent, bins, np.array([4, 4, 9])) == 0
    assert count_doubled(sent, bins, np.array([5, 4, 9])) == 1
    assert count_doubled(sent, np.array([20_000]), np.array([2])) == 2


def test_keys_tell_our_wearers_from_others() -> None:
    """Identities are made of our index and the time; a wearer that is not ours gets -1."""
    table = pa.table({"wearer": ["b", "a", "x"], "time_ms": [5, 6, 7]})
    assert keys(table, {"a": 0, "b": 1}, "time_ms").tolist() == [(1 << 44) + 5, 6, -1]
