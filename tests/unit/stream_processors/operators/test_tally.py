"""What is counted of two detectors."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from stream_processors.operators.conditions import CODE
from stream_processors.operators.detector import RULES, Decision, Verdict
from stream_processors.operators.tally import ALERTING, LEARNED_MIN, SHADOW, Counts, Tally
from tests.closed_bins import activity, bins

HIGH, LOW = CODE["heart_rate.high"], CODE["heart_rate.low"]
HOUR = 720
"""Bins of five seconds in an hour."""


def verdict(number: int, tiers: dict[int, int] | None = None) -> Verdict:
    """Return what a detector says with the `number`-th bin: the tiers that fire, by condition."""
    tier = np.zeros((1, RULES), dtype=np.int64)
    for rule, fired in (tiers or {}).items():
        tier[0, rule] = fired
    nothing = np.zeros((1, RULES), dtype=np.bool_)
    return Verdict(
        bins=bins(number), activity=activity(), tier=tier, holds=nothing, back=nothing, measured=~nothing,
        decision=lambda _row, _rule, _tier: Decision(threshold=1.0),
    )  # fmt: skip


def tally() -> Tally:
    """Return a tally of one wearer."""
    made = Tally()
    made.table.extend(1)
    return made


def test_what_fires_on_is_one_alert_until_it_was_quiet_for_three_hours() -> None:
    """The same condition within three hours of the last time is the same alert, another condition is one of its own."""
    made = tally()
    for number in (0, 12, 2 * HOUR, 4 * HOUR):
        made.hear(SHADOW, [verdict(number, {HIGH: 1})])
    assert made.counts.alerts.tolist() == [[0, 0], [1, 0]]
    made.hear(SHADOW, [verdict(4 * HOUR, {LOW: 1})])
    made.hear(SHADOW, [verdict(7 * HOUR + 1, {HIGH: 1})])
    assert made.counts.alerts[SHADOW].tolist() == [3, 0]


def test_a_higher_tier_counts_for_its_own_and_the_lower_ones() -> None:
    """An alert that rises counts once for each tier; one that begins at the higher counts for both."""
    made = tally()
    for number, tier in ((0, 1), (12, 2), (24, 1)):
        made.hear(ALERTING, [verdict(number, {HIGH: tier})])
    assert made.counts.alerts[ALERTING].tolist() == [1, 1]
    made.hear(ALERTING, [verdict(9 * HOUR, {HIGH: 2})])
    assert made.counts.alerts[ALERTING].tolist() == [2, 2]


def test_time_is_counted_once_a_wearer_minute() -> None:
    """However many bins a detector speaks of, a minute is a minute; it agrees where both fire or neither does."""
    made = tally()
    for number in range(24):
        made.compare([verdict(number)])
    made.hear(ALERTING, [verdict(28, {HIGH: 1})])
    made.compare([verdict(28, {LOW: 1})])
    made.compare([verdict(40, {LOW: 1})])
    minutes = made.counts.agreed_ms // 60_000
    assert minutes[0, 0] in {2, 3}
    assert minutes[1].tolist() == [0, 1]
    assert minutes[0, 1] == 1
    assert made.counts.agreement == (minutes[0, 0] + 1) / minutes.sum()


def test_counts_of_partitions_add_up_and_nothing_agrees_with_nothing() -> None:
    """The sum has the time of both."""
    made = tally()
    made.compare([verdict(0)])
    both = made.counts + made.counts
    assert both.wearer_days == 2 * made.counts.wearer_days > 0
    assert Counts.none().agreement is None


def test_inputs_and_scores_are_placed_once_a_minute() -> None:
    """The first bin of a wearer's minute counts, with the score that is in force."""
    made = tally()
    for number in range(24):
        made.see(bins(number, heart_rate=70.0), np.array([0.4]), np.array([0.8]))
    assert made.counts.inputs[0].sum() in {2, 3}
    assert made.counts.inputs[1:].sum() == 0
    assert made.counts.scores.sum(axis=1).tolist() == [made.counts.inputs[0].sum()] * 2
    assert np.argmax(made.counts.scores[ALERTING]) < np.argmax(made.counts.scores[SHADOW])


def test_a_dump_goes_on() -> None:
    """Sums and what is known of each wearer come back."""
    made, again = tally(), tally()
    made.hear(SHADOW, [verdict(0, {HIGH: 1})])
    made.compare([verdict(0, {HIGH: 1})])
    again.load({name: array.copy() for name, array in made.dump().items()})
    again.table.load(made.table.dump())
    again.hear(SHADOW, [verdict(12, {HIGH: 1})])
    assert again.counts.alerts[SHADOW].tolist() == [1, 0]
    for one in dataclasses.fields(Counts):
        assert (getattr(again.counts, one.name) == getattr(made.counts, one.name)).all()


def lacking(made: Tally, said: Iterable[tuple[float, float]]) -> list[int]:
    """Return how many wearers lack after each minute of which the two said this."""
    told = []
    for number, (alerting, shadow) in enumerate(said):
        made.see(bins(12 * number), np.array([alerting]), np.array([shadow]))
        told.append(made.lack.lacking)
    return told


def test_who_cannot_be_judged_keeps_no_model_waiting() -> None:
    """Of whom neither detector ever said anything there is nothing to learn."""
    made = tally()
    made.begin_learning()
    told = lacking(made, [(np.nan, np.nan)] * LEARNED_MIN)
    assert told == [1] * (LEARNED_MIN - 1) + [0]


def test_silence_teaches_nothing_of_who_can_be_judged() -> None:
    """Once the alerting one spoke of a wearer, only minutes count of which the shadow spoke too."""
    made = tally()
    made.begin_learning()
    nothing = (np.nan, np.nan)
    assert lacking(made, [(0.5, np.nan), *[nothing] * LEARNED_MIN])[-1] == 1
    made = tally()
    made.begin_learning()
    told = lacking(made, [(0.5, 0.5), *[(0.5, np.nan)] * 5, *[(np.nan, 0.5)] * (LEARNED_MIN - 1)])
    assert told[-2:] == [1, 0]
