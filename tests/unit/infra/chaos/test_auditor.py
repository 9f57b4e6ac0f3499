"""The auditor finds what is missing, doubled and changed, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from infra.chaos.auditor import Findings, Sent, Stored, compare, count_doubled_bins, identities
from infra.chaos.journal import GROUPS, ROW, Journal, Part, file_of
from infra.chaos.made_readings import ALL, HALVES, VITALS, table_of_values

VALUES = table_of_values(1)
T0 = 1_795_262_400_000
DEVICE = 1 << 44


def journal_rows(folder: Path, written: list[tuple[list[Part], bool]], device: int = 0) -> np.ndarray:
    """Write messages of one device (its readings, acknowledged or not) and read the rows back."""
    journal = Journal(folder)
    for parts, acked in written:
        journal.write(device, parts, acked=acked)
    journal.close()
    return np.fromfile(file_of(folder, device % GROUPS), dtype=ROW)


def stored_rows(sent: Sent) -> Stored:
    """Return what a faithful system would have stored."""
    holds = (sent.sent[:, None] & np.array([1 << at for at in range(len(VITALS))])) > 0
    return Stored(sent.key, np.where(holds, VALUES[sent.variant], np.nan).astype(np.float32))


def judged(sent: Sent, stored: Stored) -> Findings:
    """Compare."""
    found = Findings()
    compare(sent, stored, VALUES, found, {})
    return found


@pytest.fixture
def sent(tmp_path: Path) -> Sent:
    """Ten readings, the fourth repeated, the fifth in two halves, the last never acknowledged."""
    written: list[tuple[list[Part], bool]] = [([(T0 + at * 100, at, ALL)], True) for at in range(9) if at != 4]
    written.append(([(T0 + 300, 3, ALL)], True))
    written += [([(T0 + 400, 4, half)], True) for half in HALVES]
    written.append(([(T0 + 900, 9, ALL)], False))
    return identities(journal_rows(tmp_path, written))


def test_a_faithful_database_has_no_breach(sent: Sent) -> None:
    """Ten identities of twelve messages, nine acknowledged; all stored as sent is no breach."""
    found = judged(sent, stored_rows(sent))
    assert (found.sent, found.acked, found.stored) == (10, 9, 10)
    assert (found.lost, found.doubled, found.wrong, found.shown) == (0, 0, 0, [])


def test_an_unacknowledged_reading_may_be_absent(sent: Sent) -> None:
    """What was never acknowledged may be stored or not."""
    stored = stored_rows(sent)
    assert judged(sent, Stored(stored.key[:9], stored.values[:9])).lost == 0


def test_a_missing_row_is_lost_and_named(sent: Sent) -> None:
    """An acknowledged reading without a row is lost, and its identity is told."""
    stored = stored_rows(sent)
    found = judged(sent, Stored(stored.key[1:], stored.values[1:]))
    assert found.lost == 1
    assert str(T0) in found.shown[0]


def test_half_of_a_split_reading_is_lost_too(sent: Sent) -> None:
    """A row that lacks the vitals of an acknowledged second half counts as lost."""
    stored = stored_rows(sent)
    stored.values[4, :2] = np.nan
    assert judged(sent, stored).lost == 1


def test_everything_missing_is_all_lost(sent: Sent) -> None:
    """An empty database has lost everything that was acknowledged."""
    nothing = Stored(np.zeros(0, dtype=np.int64), np.zeros((0, len(VITALS)), dtype=np.float32))
    assert judged(sent, nothing).lost == 9


def test_a_second_row_is_doubled(sent: Sent) -> None:
    """Two rows of one identity are one doubled."""
    stored = stored_rows(sent)
    again = Stored(np.r_[stored.key, stored.key[2]], np.concatenate((stored.values, stored.values[2:3])))
    found = judged(sent, again)
    assert (found.doubled, found.lost, found.wrong) == (1, 0, 0)


@pytest.mark.parametrize("other", [0.0, np.float32(1e-3)])
def test_another_value_is_wrong(sent: Sent, other: float) -> None:
    """A stored value that differs from the one sent is wrong, however little."""
    stored = stored_rows(sent)
    stored.values[5, 0] = stored.values[5, 0] + other if other else 0.0
    assert judged(sent, stored).wrong == 1


def test_a_row_nobody_sent_is_wrong(sent: Sent) -> None:
    """A row of a time that nobody sent, and one of a foreign stream, are wrong."""
    stored = stored_rows(sent)
    strange = Stored(np.r_[stored.key, T0 + 55, -1], np.concatenate((stored.values, stored.values[:2])))
    assert judged(sent, strange).wrong == 2


def test_a_bin_may_hold_what_was_sent_into_it_and_no_more(sent: Sent) -> None:
    """A bin with eleven readings where ten were sent doubles one; fewer (late ones) double none."""
    found = Findings()
    start = np.array([T0 - T0 % 5000])
    count_doubled_bins(sent, start, np.array([7]), found)
    assert found.doubled == 0
    count_doubled_bins(sent, start, np.array([11]), found)
    assert found.doubled == 1
    count_doubled_bins(sent, start + 5000, np.array([2]), found)
    assert found.doubled == 3


def test_rows_of_a_device_keep_apart(tmp_path: Path) -> None:
    """The same time of two devices of one group is two identities."""
    journal_rows(tmp_path, [([(T0, 1, ALL)], True)], device=0)
    rows = journal_rows(tmp_path, [([(T0, 1, ALL)], True)], device=GROUPS)
    assert identities(rows).key.tolist() == [T0, GROUPS * DEVICE + T0]


def test_no_rows_are_no_identities() -> None:
    """A group that sent nothing is compared with nothing."""
    assert len(identities(np.zeros(0, dtype=ROW)).key) == 0
