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
NO_THRESHOLD: Final = "no estimate, because the detector has no threshold that promises this rate"
SHOWN_RATE: Final = 0.01
"""The promised rate of tier 2, which is shown beside it."""


def row(outcome: Outcome, study: Study, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """One detector's row."""
    ranked = ranking(outcome, study, HEADLINE)
    return {
        "data": "semi",
        "thresholds": outcome.main,
        "borrowed": [_key(rate) for rate in RATES if borrowed(outcome, rate)],
        "no_estimate": {_key(rate): NO_THRESHOLD for rate in RATES if not promised(outcome, outcome.main, rate)},
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
    hits = _hits(chosen, outcome.main, JUDGED_RATE)
    return {
        "data": "semi",
        **(_recall(chosen, outcome, study, tuple(range(len(study.wearers)))) or {}),
        "unseen": _recall([one for one in chosen if one.wearer in study.unseen], outcome, study, study.unseen),
        "by_wearer": {
            wearer.series.name: _rounded(float(hits[own].mean()))
            for number, wearer in enumerate(study.wearers)
            if (own := np.array([one.wearer == number for one in chosen])).any()
        },
        "hits": "".join("1" if hit else "0" for hit in hits),
        "recall_by_rule": {rule: _rounded(float(_hits(chosen, rule, JUDGED_RATE).mean())) for rule in rules(outcome)},
        **ranking(outcome, study, (scenario,)),
    }


def promised(outcome: Outcome, rule: Rule, rate: float) -> bool:
    """Whether any wearer has a threshold that promises this rate, however far out it lies."""
    lines = [own.thresholds[rule, rate] for own in outcome.untouched]
    return any(not np.isnan(side).all() for line in lines for side in (line.high, line.low))


def borrowed(outcome: Outcome, rate: float) -> bool:
    """Whether a detector that brings thresholds has none of its own for this rate, and got those of its rivals."""
    lines = outcome.untouched[0].thresholds
    return outcome.main == "own" and promised(outcome, "own", rate) and lines["own", rate] is lines["shr", rate]


def _recall(chosen: Sequence[Found], outcome: Outcome, study: Study, who: Sequence[int]) -> dict[str, Any] | None:
    """Return what was found of some wearers' events, None without any; null where nothing promises the rate."""
    if not chosen:
        return None
    draws, day = resampling([(one.wearer, one.day) for one in chosen], study, who)
    days = sum(int(study.wearers[place].days.test.sum()) for place in who)
    told: dict[str, Any] = {"events": len(chosen), "recall": {}, "ci95": {}, "delay_min": None, "realised_rate": {}}
    for rate in RATES:
        known, hit = promised(outcome, outcome.main, rate), _hits(chosen, outcome.main, rate)
        told["recall"][_key(rate)] = _rounded(float(hit.mean())) if known else None
        told["ci95"][_key(rate)] = _pair(percentile(share(draws, day, hit))) if known else None
        realised = _count(outcome, outcome.main, rate, who) / days if days else float("nan")
        told["realised_rate"][_key(rate)] = _rounded(realised) if known and days else None
    told["delay_min"] = _median_delay(chosen, outcome.main)
    return told


def rates(outcome: Outcome, study: Study, rule: Rule) -> dict[str, Any]:
    """Alarms on untouched test days by promised rate: pooled with the exact interval, of `Study.unseen`, of each."""
    everybody = tuple(range(len(study.wearers)))
    return {
        _key(rate): {
            **_rate_of(outcome, study, (rule, rate), everybody),
            "unseen": _rate_of(outcome, study, (rule, rate), study.unseen) if study.unseen else None,
            "wearers": {
                study.wearers[place].series.name: _rate_of(outcome, study, (rule, rate), (place,))
                for place in everybody
            },
        }
        for rate in RATES
    }


def _rate_of(outcome: Outcome, study: Study, key: tuple[Rule, float], who: Sequence[int]) -> dict[str, Any]:
    days = sum(int(study.wearers[place].days.test.sum()) for place in who)
    if not promised(outcome, *key):
        return {"data": "real", "promised": key[1], "alarms": None, "wearer_days": days, "no_estimate": NO_THRESHOLD}
    return {"data": "real", **rate_row(key[1], _count(outcome, *key, who), days)}


def rate_row(promised: float, alarms: int, days: int) -> dict[str, Any]:
    """Promised against realised, with the exact 95 % interval of realised / promised."""
    row: dict[str, Any] = {"promised": promised, "alarms": alarms, "wearer_days": days}
    if days:
        low, high = poisson(alarms, days * promised)
        row |= {"realised": _rounded(alarms / days), "ratio_ci95": [_rounded(low), _rounded(high)]}
    return row


def paired(ours: Mapping[str, Any], theirs: Mapping[str, Any], study: Study, scenario: Scenario) -> dict[str, Any]:
    """The difference of recall at the judged rate of two rows of one study, on the same resampled days."""
    every = places(study, scenario.name)
    first, second = (
        np.array([float(hit == "1") for hit in one["scenarios"][scenario.name]["hits"]]) for one in (ours, theirs)
    )

    def difference(who: Sequence[int]) -> dict[str, Any] | None:
        own = np.array([number in who for number, _ in every])
        if not own.any():
            return None
        days = [(n, int(study.wearers[n].days.of_minute[start])) for n, start in every if n in who]
        draws, day = resampling(days, study, who)
        return {
            "recall_difference": _rounded(float(first[own].mean() - second[own].mean())),
            "ci95": _pair(percentile(share(draws, day, first[own]) - share(draws, day, second[own]))),
        }

    return {
        "data": "semi",
        **(difference(range(len(study.wearers))) or {}),
        "unseen": difference(study.unseen),
    }


def with_unseen(row: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """A row made before with what its hits and its alarms tell of `Study.unseen`, where nobody had asked.

    A delay stands in no list of hits, nor does the recall at another rate than the judged one: they stay null.
    """
    if "scenarios" not in row or not study.unseen:
        return dict(row)
    scenarios = {
        name: one if "unseen" in one or "hits" not in one else {**one, "unseen": _unseen_of_hits(name, one, study)}
        for name, one in row["scenarios"].items()
    }
    told = {
        rule: {rate: one if "unseen" in one else {**one, "unseen": _pooled(one, study)} for rate, one in by.items()}
        for rule, by in row["rules"].items()
    }
    return {**row, "scenarios": scenarios, "rules": told}


def _unseen_of_hits(name: str, told: Mapping[str, Any], study: Study) -> dict[str, Any] | None:
    every = places(study, name)
    if len(every) != len(told["hits"]):
        return None
    hit = np.array([float(one == "1") for one in told["hits"]])
    own = np.array([number in study.unseen for number, _ in every], dtype=np.bool_)
    if not own.any():
        return None
    days = [(n, int(study.wearers[n].days.of_minute[start])) for n, start in every if n in study.unseen]
    draws, day = resampling(days, study, study.unseen)
    nothing: dict[str, Any] = dict.fromkeys(map(_key, RATES))
    judged = _key(JUDGED_RATE)
    return {
        "events": int(own.sum()),
        "recall": nothing | {judged: _rounded(float(hit[own].mean()))},
        "ci95": nothing | {judged: _pair(percentile(share(draws, day, hit[own])))},
        "delay_min": None,
    }


def _pooled(told: Mapping[str, Any], study: Study) -> dict[str, Any] | None:
    of = [told["wearers"].get(study.wearers[place].series.name) for place in study.unseen]
    if any(one is None or one["alarms"] is None for one in of):
        return None
    alarms, days = (sum(one[key] for one in of if one is not None) for key in ("alarms", "wearer_days"))
    return {"data": "real", **rate_row(told["promised"], alarms, days)}


def places(study: Study, scenario: str) -> list[tuple[int, int]]:
    """Wearer and first minute of each event of a scenario, in the order of a row's hits."""
    return sorted(
        (number, event.start)
        for number, wearer in enumerate(study.wearers)
        for events in wearer.planned
        for event in events
        if event.scenario.name == scenario
    )


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


def resampling(days: Sequence[tuple[int, int]], study: Study, who: Sequence[int]) -> tuple[Ints, Ints]:
    """How often each test day of some wearers is drawn, and which of them each event's wearer and day are."""
    numbers: dict[tuple[int, int], int] = {}
    for place in who:
        for day in np.flatnonzero(study.wearers[place].days.test):
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


def _count(outcome: Outcome, rule: Rule, rate: float, who: Sequence[int]) -> int:
    return sum(len(side) for place in who for side in outcome.untouched[place].alarms[rule, rate])


def _key(rate: float) -> str:
    return f"{rate:g}"


def _pair(interval: tuple[float, float]) -> list[float]:
    return [_rounded(bound) for bound in interval]


def _rounded(value: float, digits: int = 3) -> float:
    return round(value, digits)
