"""What is said of an outcome: one row a detector, as plain data that JSON can hold."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from inference.pulsenet.evaluation.injection import HEADLINE, Scenario
from inference.pulsenet.evaluation.intervals import day_draws, percentile, poisson, share
from inference.pulsenet.evaluation.metrics import auc_pr, vus_pr
from inference.pulsenet.evaluation.rates import RATES, Rule
from inference.pulsenet.evaluation.study import AROUND_MIN, Found, Outcome, Study
from inference.slots import Floats, Ints

JUDGED_RATE: Final = 0.1
"""The promised rate that is judged: a lower one cannot be, with so few wearer-days."""
SHOWN_RATE: Final = 0.01
"""The promised rate of tier 2, which is shown beside it."""


def row(outcome: Outcome, study: Study, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """One detector's row."""
    ranked = ranking(outcome, study, HEADLINE)
    return {
        "data": "semi",
        "thresholds": outcome.main,
        "auc_pr": ranked["auc_pr"],
        "vus_pr": ranked["vus_pr"],
        "scenarios": {
            scenario.name: of_scenario(outcome, study, scenario)
            for scenario in scenarios
            if any(one.event.scenario == scenario for one in outcome.found)
        },
        "rules": {rule: rates(outcome, study, rule) for rule in rules(outcome)},
        "us_per_step": _rounded(outcome.us_per_step, 3),
    }


def rules(outcome: Outcome) -> list[Rule]:
    """The rules whose thresholds were tried on this detector."""
    return list(dict.fromkeys(rule for rule, _ in outcome.untouched[0].thresholds))


def of_scenario(outcome: Outcome, study: Study, scenario: Scenario) -> dict[str, Any]:
    """Recall by promised rate with its interval, delay, and the rate realised on untouched days."""
    chosen = sorted(
        (one for one in outcome.found if one.event.scenario == scenario), key=lambda one: (one.wearer, one.event.start)
    )
    draws, day = resampling([(one.wearer, one.day) for one in chosen], study)
    hits = {rate: _hits(chosen, outcome.main, rate) for rate in RATES}
    return {
        "data": "semi",
        "events": len(chosen),
        "recall": {_key(rate): _rounded(float(hit.mean())) for rate, hit in hits.items()},
        "ci95": {_key(rate): _pair(percentile(share(draws, day, hit))) for rate, hit in hits.items()},
        "delay_min": _median_delay(chosen, outcome.main),
        "realised_rate": {
            _key(rate): _rounded(_count(outcome, outcome.main, rate) / test_days(study)) for rate in RATES
        },
        "by_wearer": {
            wearer.series.name: _rounded(float(hits[JUDGED_RATE][own].mean()))
            for number, wearer in enumerate(study.wearers)
            if (own := np.array([one.wearer == number for one in chosen])).any()
        },
        "hits": "".join("1" if hit else "0" for hit in hits[JUDGED_RATE]),
        "recall_by_rule": {rule: _rounded(float(_hits(chosen, rule, JUDGED_RATE).mean())) for rule in rules(outcome)},
        **ranking(outcome, study, (scenario,)),
    }


def rates(outcome: Outcome, study: Study, rule: Rule) -> dict[str, Any]:
    """Alarms on untouched test days by promised rate: pooled with the exact interval, and of each wearer."""
    return {
        _key(rate): {
            "data": "real",
            **rate_row(rate, _count(outcome, rule, rate), test_days(study)),
            "wearers": {
                wearer.series.name: {
                    "data": "real",
                    **rate_row(rate, sum(map(len, own.alarms[rule, rate])), int(wearer.days.test.sum())),
                }
                for wearer, own in zip(study.wearers, outcome.untouched, strict=True)
            },
        }
        for rate in RATES
    }


def rate_row(promised: float, alarms: int, days: int) -> dict[str, Any]:
    """Promised against realised, with the exact 95 % interval of realised / promised."""
    row: dict[str, Any] = {"promised": promised, "alarms": alarms, "wearer_days": days}
    if days:
        low, high = poisson(alarms, days * promised)
        row |= {"realised": _rounded(alarms / days), "ratio_ci95": [_rounded(low), _rounded(high)]}
    return row


def paired(ours: Mapping[str, Any], theirs: Mapping[str, Any], study: Study, scenario: Scenario) -> dict[str, Any]:
    """The difference of recall at the judged rate of two rows of one study, on the same resampled days."""
    places = sorted(
        (number, event.start)
        for number, wearer in enumerate(study.wearers)
        for events in wearer.planned
        for event in events
        if event.scenario == scenario
    )
    draws, day = resampling([(who, int(study.wearers[who].days.of_minute[start])) for who, start in places], study)
    first, second = (
        np.array([float(hit == "1") for hit in one["scenarios"][scenario.name]["hits"]]) for one in (ours, theirs)
    )
    return {
        "data": "semi",
        "recall_difference": _rounded(float(first.mean() - second.mean())),
        "ci95": _pair(percentile(share(draws, day, first) - share(draws, day, second))),
    }


def ranking(outcome: Outcome, study: Study, scenarios: Sequence[Scenario]) -> dict[str, float]:
    """AUC-PR and VUS-PR of event minutes against untouched test minutes.

    Event minutes are weighted so that the events of all scenarios together make one event a wearer-day: the figures of
    scenarios with different numbers of events, or of two studies, can be compared.
    """
    chosen = [one for one in outcome.found if one.event.scenario in scenarios]
    rises = scenarios[0].delta_bpm > 0
    clean = [
        (own.scores.high if rises else own.scores.low)[wearer.days.test[wearer.days.of_minute]]
        for wearer, own in zip(study.wearers, outcome.untouched, strict=True)
    ]
    quiet = np.concatenate(clean)
    weight = test_days(study) / len(chosen)
    score = np.concatenate([quiet, *[one.score for one in chosen]])
    events: list[tuple[int, int]] = []
    at = len(quiet)
    for one in chosen:
        events.append((at + AROUND_MIN, at + len(one.score) - AROUND_MIN))
        at += len(one.score)
    weights = np.full(len(score), weight)
    weights[: len(quiet)] = 1.0
    inside = np.zeros(len(score), dtype=np.bool_)
    for start, end in events:
        inside[start:end] = True
    ranked = inside | (np.arange(len(score)) < len(quiet))
    return {
        "auc_pr": _rounded(auc_pr(score[ranked], inside[ranked], weights[ranked])),
        "vus_pr": _rounded(vus_pr(score, events, weights)),
    }


def test_days(study: Study) -> int:
    """Untouched wearer-days after each wearer's past."""
    return sum(int(wearer.days.test.sum()) for wearer in study.wearers)


def resampling(days: Sequence[tuple[int, int]], study: Study) -> tuple[Ints, Ints]:
    """How often each wearer-day with test data is drawn, and which of them each event's wearer and day are."""
    numbers: dict[tuple[int, int], int] = {}
    for place, wearer in enumerate(study.wearers):
        for day in np.flatnonzero(wearer.days.test):
            numbers[place, int(day)] = len(numbers)
    for one in days:
        numbers.setdefault(one, len(numbers))
    day_of = np.array([numbers[one] for one in days], dtype=np.int64)
    return day_draws(len(numbers), seed=study.seed), day_of


def _hits(chosen: Sequence[Found], rule: Rule, rate: float) -> Floats:
    return np.array([float(np.isfinite(one.delays[rule, rate])) for one in chosen])


def _median_delay(chosen: Sequence[Found], rule: Rule) -> float | None:
    delays = np.array([one.delays[rule, JUDGED_RATE] for one in chosen])
    found = delays[np.isfinite(delays)]
    return float(np.median(found)) if found.size else None


def _count(outcome: Outcome, rule: Rule, rate: float) -> int:
    return sum(len(side) for own in outcome.untouched for side in own.alarms[rule, rate])


def _key(rate: float) -> str:
    return f"{rate:g}"


def _pair(interval: tuple[float, float]) -> list[float]:
    return [_rounded(bound) for bound in interval]


def _rounded(value: float, digits: int = 3) -> float:
    return round(value, digits)
