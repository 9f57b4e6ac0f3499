"""The rivals."""

import numpy as np
import pytest

from inference.pulsenet.evaluation.detectors import shapes
from inference.pulsenet.evaluation.detectors.fixed import ClinicalRule, PartialNews2, Sustained
from inference.pulsenet.evaluation.detectors.smoothing import Smoothing, lagged, smoothed
from inference.pulsenet.evaluation.detectors.table import RIVALS, Rival
from inference.pulsenet.evaluation.detectors.trees import HalfSpaces
from inference.pulsenet.evaluation.injection import Event, Scenario, injected
from inference.pulsenet.evaluation.protocol import SelfCalibrated
from inference.pulsenet.series import RESPIRATORY_RATE, SPO2, Series
from inference.slots import Floats
from tests.unit.inference.pulsenet.evaluation.made import DAY_MIN, recording, restless, walker

pytestmark = pytest.mark.story

DAYS = 9
START = 8 * DAY_MIN + 9 * 60 + 20


@pytest.fixture(scope="module")
def people() -> list[Series]:
    """Four people of nine days."""
    return [
        recording(restless(DAYS, seed=number, bpm=60.0 + number), steps=walker(DAYS, seed=number))
        for number in range(4)
    ]


@pytest.mark.parametrize("rival", [one for one in RIVALS if not one.slow], ids=lambda one: one.name)
def test_a_rival_scores_sixty_beats_more_on_the_high_side_and_causally(rival: Rival, people: list[Series]) -> None:
    """During the event its highest score is above the same minutes' without it, and before it nothing changes."""
    detector = rival.make(people, 1)
    assert detector.name == rival.name
    event = Event(Scenario("rest", 60, 30), START)
    clean, struck = detector.scores([people[0], injected(people[0], [event])])
    assert np.allclose(clean.high[:START], struck.high[:START], equal_nan=True)
    assert np.allclose(clean.low[:START], struck.low[:START], equal_nan=True)
    during = slice(event.start, event.end)
    assert np.nanmax(struck.high[during]) > np.nanmax(clean.high[during])


def test_a_clinical_rule_needs_ten_minutes_beyond_its_number() -> None:
    """Nine minutes at 130 leave the lowest of ten below 120; ten do not."""
    rate = restless(1, seed=1)
    rate[600:609], rate[900:910] = 130.0 + np.arange(9), 130.0 + np.arange(10)
    rule = ClinicalRule()
    assert isinstance(rule, SelfCalibrated)
    judged = rule.judge([recording(rate)])[0]
    told = np.flatnonzero(judged.scores.high >= judged.thresholds[0.1].high)
    assert told.tolist() == [909]
    assert np.array_equal(judged.scores.high, Sustained().scores([recording(rate)])[0].high, equal_nan=True)


def test_partial_news2_follows_its_table_and_calls_nothing_normal() -> None:
    """A pulse of 115 is 2 points, with a saturation of 91 and 25 breaths 8; a pulse of 45 one of the low side."""
    rate: Floats = np.asarray(115.0 + 0.01 * np.arange(DAY_MIN) % 0.3, dtype=np.float64)
    alone = recording(rate)
    sick = recording(rate)
    sick.values[:, SPO2], sick.values[:, RESPIRATORY_RATE] = 91.0, 25.0
    slow = recording(rate - 70.0)
    pulse, all_three, low = PartialNews2().scores([alone, sick, slow])
    assert int(pulse.high[-1]) == 2
    assert int(all_three.high[-1]) == 8
    assert round(low.low[-1] + 0.045, 3) == 1.0


def test_an_average_fades_where_nothing_is_known() -> None:
    """Half of a 4 is 2, which two unknown minutes halve twice."""
    line = smoothed(np.array([[4.0, np.nan, np.nan, 0.0]]), Smoothing(rate=0.5, fade=0.5))
    assert line.tolist() == [[2.0, 1.0, 0.5, 0.25]]


def test_a_lag_gives_the_values_of_before() -> None:
    """Two minutes late, with nothing at the beginning."""
    late = lagged(np.array([[1.0, 2.0, 3.0]]), 2)
    assert np.isnan(late[0, :2]).all()
    assert late[0, 2] == 1.0


def test_the_nearest_half_hour_of_the_week_before_is_found() -> None:
    """Compared one by one with every window of the remembered week that does not begin within two of its own."""
    line = 0.1 * np.random.default_rng(1).normal(0.0, 1.0, shapes.REMEMBERED_BLOCKS + 40).cumsum()
    told = shapes.nearest_before(line)
    windows = np.lib.stride_tricks.sliding_window_view(line, shapes.WINDOW_BLOCKS)
    assert np.isnan(told[: shapes.REMEMBERED_BLOCKS]).all()
    for end in range(shapes.REMEMBERED_BLOCKS, len(line)):
        last = end - shapes.WINDOW_BLOCKS + 1
        oldest = end + 1 - shapes.REMEMBERED_BLOCKS
        before = windows[oldest : last - shapes.EXCLUDED_BLOCKS]
        assert told[end] == pytest.approx(np.sqrt(((before - windows[last]) ** 2).sum(axis=1)).min(), abs=1e-12)


def test_a_half_space_counts_what_fell_into_it_in_the_window_before() -> None:
    """One cut at 0.5: with 3 of 4 on the left, a vector there scores 1 - 3/4, on the right 1 - 1/4, by the same 4."""
    trees = HalfSpaces(dimension=np.zeros((1, 1), dtype=np.int64), cut=np.array([[0.5]]), height=1, window=4)
    told = trees.scores(np.array([[0.1], [0.2], [0.3], [0.9], [0.4], [0.8], [0.9], [0.9]]))
    assert np.isnan(told[:4]).all()
    assert told[4:].tolist() == [0.25, 0.75, 0.75, 0.75]


def test_half_space_trees_rank_as_the_reference_implementation_does() -> None:
    """What lies apart is among the highest scores of both, though trees are drawn otherwise."""
    draw = np.random.default_rng(1)
    usual = np.clip(draw.normal(0.5, 0.05, (1500, 2)), 0.0, 1.0)
    odd = np.clip(draw.normal(0.9, 0.02, (30, 2)), 0.0, 1.0)
    rows = np.concatenate([usual, odd])
    ours = HalfSpaces.drawn(2, trees=25, height=8, window=250, seed=1).scores(rows)
    anomaly = pytest.importorskip("river.anomaly")
    theirs, told = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=1), []
    for first, second in rows.tolist():
        told.append(theirs.score_one({"first": first, "second": second}))
        theirs.learn_one({"first": first, "second": second})
    for score in (ours, np.array(told)):
        assert (score[-30:] > np.nanquantile(score[250:1500], 0.95)).all()


def test_every_row_of_the_table_has_a_name_of_its_own() -> None:
    """Names are keys."""
    assert len({one.name for one in RIVALS}) == len(RIVALS)
