"""Which beats are believed, and which differences count."""

import numpy as np
import pytest

from inference.hrv.beats import judge


def steady(count: int = 20, interval_ms: float = 800.0) -> list[float]:
    """Return beats that alternate a little around one interval."""
    return [interval_ms + 10 * (-1) ** number for number in range(count)]


def test_steady_beats_are_believed_and_all_differences_but_the_first_count() -> None:
    """Of n steady beats n are believed, and n - 1 differences count."""
    beats = judge(steady())
    assert beats.believed.all()
    assert beats.paired.tolist() == [False] + [True] * 19


@pytest.mark.parametrize("wrong_ms", [299.0, 2001.0, 1600.0, 400.0, 975.0])
def test_an_artefact_takes_the_differences_to_both_neighbours_with_it(wrong_ms: float) -> None:
    """A missed, doubled, premature or impossible beat is left out, and with it exactly two differences."""
    intervals = steady()
    intervals[10] = wrong_ms
    beats = judge(intervals)
    assert np.flatnonzero(~beats.believed).tolist() == [10]
    assert np.flatnonzero(~beats.paired).tolist() == [0, 10, 11]


def test_a_wrong_first_beat_does_not_spoil_those_after_it() -> None:
    """At the beginning the median is that of the first beats together, so that the first can be wrong too."""
    beats = judge([1600.0, *steady()])
    assert np.flatnonzero(~beats.believed).tolist() == [0]


def test_a_heart_rate_that_stays_changed_is_believed_again() -> None:
    """After a jump to a new rate a few beats are not believed, then all."""
    beats = judge([*steady(20, 1000.0), *steady(20, 600.0)])
    assert beats.believed[:20].all()
    assert not beats.believed[20]
    assert beats.believed[26:].all()


def test_breathing_is_no_artefact() -> None:
    """Intervals that swing by 15 % with each breath of 5 beats are all believed."""
    beats = judge(900.0 * (1 + 0.15 * np.sin(2 * np.pi * np.arange(100) / 5)))
    assert beats.believed.all()


def test_a_hole_between_beats_leaves_its_difference_out() -> None:
    """Where times tell that a beat is missing, those around it are believed and their difference does not count."""
    intervals = np.array(steady())
    ends_s = np.cumsum(intervals) / 1000
    ends_s[10:] += 0.8
    beats = judge(intervals, ends_s=ends_s)
    assert beats.believed.all()
    assert np.flatnonzero(~beats.paired).tolist() == [0, 10]


def test_sequences_do_not_know_of_each_other() -> None:
    """Many sequences together are judged as each alone, empty ones and the context at their beginnings included."""
    random = np.random.default_rng(3)
    sequences = [random.uniform(350, 1200, size=size) for size in (0, 1, 3, 30, 0, 7)]
    together = judge(np.concatenate(sequences), starts=np.cumsum([0, *map(len, sequences)]))
    alone = [judge(sequence) for sequence in sequences]
    assert together.believed.tolist() == [value for beats in alone for value in beats.believed.tolist()]
    assert together.paired.tolist() == [value for beats in alone for value in beats.paired.tolist()]


def test_a_beat_is_judged_by_what_lies_before_it() -> None:
    """Beats that come later change nothing of those before, once the sequence has begun."""
    intervals = np.random.default_rng(4).uniform(500, 1100, size=60)
    whole = judge(intervals)
    for length in range(9, 60):
        assert judge(intervals[:length]).believed.tolist() == whole.believed[:length].tolist()


@pytest.mark.parametrize("wrong", [[0.0], [-800.0], [float("nan")], [float("inf")]])
def test_what_is_no_interval_is_refused(wrong: list[float]) -> None:
    """Zero, negative and endless intervals raise ValueError: who has them has no intervals."""
    with pytest.raises(ValueError, match="positive"):
        judge([800.0, *wrong])


@pytest.mark.parametrize("starts", [[0, 1], [1, 2], [0, 3, 2]])
def test_starts_that_do_not_fit_are_refused(starts: list[int]) -> None:
    """Starts that do not rise from 0 to the number of intervals raise ValueError."""
    with pytest.raises(ValueError, match="starts"):
        judge([800.0, 800.0], starts=starts)
