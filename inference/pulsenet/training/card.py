"""The model card: what the weights are, what they were made from, and how far they are to be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.pulsenet.personal import PRIOR_CENTRE, PRIOR_SPREAD
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, VITAL_NAMES
from inference.pulsenet.training.calibrate import Kept
from inference.pulsenet.training.cost import sentence
from inference.pulsenet.training.data import Resting
from inference.pulsenet.training.plan import Plan
from inference.pulsenet.weights.loading import DEVELOPED_ON, NAMES, Kind, weights_files
from inference.slots import Floats

_MADE: Final = """\
Made on {today} by `pulsera train pulsenet {asked}`. The same command on the same machine writes the same weights."""

_WHAT: Final = """\
Two models of what to expect of a wearer's vital signs in a minute, for wellness, not diagnosis. The network is two
gated recurrent units of 32 (context and innovation), shared by all wearers, with linear read-outs; the other is
linear in the same inputs. Either runs in the engine of `inference/pulsenet`, which adds what is usual for the wearer,
averages over time, and thresholds."""

_USE: Final = """\
Wellness: to tell a wearer, or a carer whom the wearer has chosen, that something is unusual for this person in this
situation. Not for diagnosis, not for the monitoring of a patient; not a medical device."""

_DATA: Final = """\
- Made people (`inference/physiology`, docs/models/physiology.md; no measurement of anybody): {people} to learn
  from, over {days:g} days each (seed {seed}); {others} others decide when to stop (seed {stop}), {others} more test
  (seed {test}). Some lack steps, motion or a vital sign.
- Stress-Predict (Iqbal et al., Sensors 2022, 22, 8135; MIT licence), minutes: {learners}.
- Welltory (Welltory/hrv-covid19; CC0): {resting}
- Fitbit recordings are for evaluation only: they are in no weight and in no threshold. Windows and gates of the engine
  were chosen on one wearer of them, {developed_on}: what is measured there is no test of people never seen."""

_RESTING: Final = """\
spot measurements, in no weight, since a spot is one minute without movement, zone or what came
  before it. They check the priors of a new wearer: {spots} spots of {people} people have a median heart rate of
  {rate[0]:.0f} bpm (standard deviation between people {rate[1]:.0f}; prior {prior_rate:.0f}, {prior_rate_sd:.0f}) and
  of ln RMSSD of {ln_rmssd[0]:.2f} ({ln_rmssd[1]:.2f}; prior {prior_rmssd:.2f}, {prior_rmssd_sd:.2f})."""

_LOSSES: Final = """\
Mean negative log likelihood of a minute's value as served (lower is better), without Student's constant. The network is
that of update {best} of {last}, the best on the people who decide when to stop."""

_THRESHOLDS: Final = """\
Of {today}. Conformal on the daily maxima of {people} made people nobody learned from over {days:g} days (seed {seed}),
{wearer_days} wearer-days; then on {kept} others over {kept_days:g} days (seed {kept_seed}), where they follow each
wearer as in service. Promised: 0.1 alerts a wearer-day."""

_EVALUATION_HEAD: Final = "## Evaluation"
_LIMITS_HEAD: Final = "## Limits"
_COST_HEAD: Final = "## Cost"
_COST: Final = """\
From the first made person to this card: {sentence} Where other jobs run, the clock tells of them too."""
_EVALUATION: Final = """\
On {people} other made people over {days:g} days (seed {seed}), from each one's eighth worn day on; promised are 0.1
alerts a wearer-day. All figures, and the digests of the weights and thresholds that they are of: `evaluation.json`.
Real recordings: `docs/models/pulsenet.md`."""

_INPUTS: Final = """\
Context (35), all of this minute or before, in this order: ln(1 + steps); its exponential averages over 1, 3, 10, 30 and
50 min; whether steps are counted; ln(1 + 20 motion in g); its averages over 3, 10 and 50 min; whether motion is
measured; 1 / (1 + t / 10) for the t minutes since movement, since 20 and since 80 steps a minute; the average over
30 min of minutes with 80 steps; two sine and cosine pairs of the local time of day; the wearer's own centre, and what
is not known of it yet, of heart rate, oxygen saturation, breathing rate and skin temperature; for each of the seven
vital signs whether it was measured. No present or recent value of a vital sign is among them, and the context half's
state has never seen one. Seen (14), for the innovation half only: each vital's last believed distance from the wearer's
centre, and 1 / (1 + t / 5) for its age of t minutes.

Outputs: for each of {vitals}: mean and log scale of a Student t with five
degrees of freedom, as a distance from the wearer's centre (variabilities as logarithms) in units of 10 bpm, 0.35, 0.35,
1.5 %, 2.5 /min, 0.8 Cel, 0.35 Cel; once from the context, once for the next minute."""

_LIMITS: Final = """\
- Made people are a model of people. How often a resting heart rate rises for a while without a step is a chosen number
  of the simulator, and it decides the thresholds of the population more than any weight does.
- Of real people the weights have seen an hour each of heart rate, skin temperature, RMSSD and wrist motion, nearly all
  of it seated, by day, without a count of steps. Oxygen saturation, breathing rate, SDNN, body temperature and nights
  were learned from made people alone.
- No wearer with atrial fibrillation, a pacemaker, beta blockers or a pregnancy, and no child, is in the data.
- Thresholds promise a rate for a cohort like the calibration's, not for each wearer: each wearer's own is kept, shown.
- Evaluation on recordings that neither weights nor thresholds have seen: `pulsera evaluate pulsenet`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a training has to tell.

    Attributes:
        plan: What was asked for.
        learners: Who of Stress-Predict was used for what.
        resting: What Welltory's people are like at rest, None where they were not looked at.
        updates: Of the network: those of the best, and all.
        made: Loss by half and vital on made people nobody learned from, by model, shape (2, VITAL_COUNT).
        real: The same on recorded people nobody learned from; empty without.
        kept: How the thresholds did on people that did not set them.
        wearer_days: How many whole days set them.
        trained: When the weights were made; `calibrated` when the thresholds were.
        found: What `evaluation.beside.assessed` found.
    """

    plan: Plan
    learners: str
    resting: Resting | None
    updates: tuple[int, int]
    made: dict[Kind, Floats]
    real: dict[Kind, Floats]
    kept: dict[Kind, Kept]
    wearer_days: int
    trained: date
    calibrated: date
    found: Mapping[str, Any]


def card(report: Report, out: Path) -> str:
    """Return the card of the weights in a folder."""
    plan = report.plan
    sizes = [f"| `{name}` | {(out / name).stat().st_size:,} |" for name in weights_files()]
    asked = f"--people {plan.people} --days {plan.days:g} --seed {plan.seed} --updates {plan.updates}"
    asked += " --stress-predict DIR" if plan.stress_predict else ""
    asked += " --welltory DIR" if plan.welltory else ""
    parts = [
        f"# {NAMES['network']} and {NAMES['ridge']}",
        _MADE.format(today=report.trained.isoformat(), asked=asked),
        f"{_WHAT}\n\n{_INPUTS.format(vitals=', '.join(VITAL_NAMES))}",
        "## Files\n\n| file | bytes |\n|---|---|\n" + "\n".join(sizes),
        f"## Data\n\n{_data(report)}",
        f"## Losses on people not learned from\n\n{_losses(report)}",
        f"## Thresholds\n\n{_thresholds(report)}",
        f"{_LIMITS_HEAD}\n\n{_LIMITS}",
        f"## Intended use\n\n{_USE}",
    ]
    return with_evaluation("\n\n".join(parts) + "\n", report.found)


def with_evaluation(text: str, found: Mapping[str, Any]) -> str:
    """Return a card with its part on what was found in made people, in the place of the one it had."""
    before, _, after = text.partition(f"{_LIMITS_HEAD}\n")
    return f"{before.partition(_EVALUATION_HEAD)[0]}{evaluation(found)}\n\n{_LIMITS_HEAD}\n{after}"


def with_cost(text: str, cost: dict[str, Any]) -> str:
    """Return a card with its part on what making the weights took, before the one on what was found."""
    before, _, after = text.partition(f"{_EVALUATION_HEAD}\n")
    told = f"{_COST_HEAD}\n\n{_COST.format(sentence=sentence(cost))}"
    return f"{before.partition(_COST_HEAD)[0]}{told}\n\n{_EVALUATION_HEAD}\n{after}"


def evaluation(found: Mapping[str, Any]) -> str:
    """Return the card's part on what was found in made people."""
    models = found["models"]
    lines = ["| | " + " | ".join(models) + " |", "|---|" + "---|" * len(models)]
    for name in dict.fromkeys(name for model in models.values() for name in model["scenarios"]):
        cells = [_found(model["scenarios"].get(name)) for model in models.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    rates = [model["rate"] for model in models.values()]
    if all(rates):
        cells = [f"{one['alarms']} in {one['wearer_days']} days" for one in rates]
        lines.append(f"| alerts without cause | {' | '.join(cells)} |")
    for name in dict.fromkeys(name for model in models.values() for name in model["faults"]):
        cells = [_answered(model["faults"].get(name)) for model in models.values()]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    told = _EVALUATION.format(people=found["people"], days=found["days"], seed=found["seed"])
    return f"{_EVALUATION_HEAD}\n\n{told}\n\n" + "\n".join(lines)


def _found(scenario: Mapping[str, Any] | None) -> str:
    return "" if scenario is None else f"{scenario['recall']['0.1']:.2f} of {scenario['events']}"


def _answered(fault: Mapping[str, Any] | None) -> str:
    if fault is None:
        return ""
    if fault["must_alarm"]:
        return f"{fault['found']} of {fault['events']} found"
    return f"{fault['alerts']} alerts in {fault['events']}, where none must be"


def _data(report: Report) -> str:
    plan, told = report.plan, report.resting
    resting = "not looked at in this run."
    if told is not None:
        resting = _RESTING.format(
            spots=told.spots, people=told.people, rate=told.rate, ln_rmssd=told.ln_rmssd,
            prior_rate=PRIOR_CENTRE[HEART_RATE], prior_rate_sd=PRIOR_SPREAD[HEART_RATE],
            prior_rmssd=PRIOR_CENTRE[HRV_RMSSD], prior_rmssd_sd=PRIOR_SPREAD[HRV_RMSSD],
        )  # fmt: skip
    return _DATA.format(
        people=plan.people, days=plan.days, seed=plan.seed, others=plan.others_checked, stop=plan.seed + 1,
        test=plan.seed + 2, learners=report.learners, resting=resting, developed_on=", ".join(DEVELOPED_ON),
    )  # fmt: skip


def _losses(report: Report) -> str:
    best, last = report.updates
    head = "| people | half | model | " + " | ".join(VITAL_NAMES) + " |\n|---|---|---|" + "---|" * len(VITAL_NAMES)
    rows = []
    for people, losses in (("made", report.made), ("Stress-Predict", report.real)):
        for half, name in enumerate(("context", "innovation")):
            rows += [f"| {people} | {name} | {kind} | {_cells(found[half])} |" for kind, found in losses.items()]
    return "\n".join([_LOSSES.format(best=best, last=last), "", head, *rows])


def _cells(losses: Floats) -> str:
    return " | ".join("" if np.isnan(loss) else f"{loss:.3f}" for loss in losses)


def _thresholds(report: Report) -> str:
    plan = report.plan
    told = _THRESHOLDS.format(
        today=report.calibrated.isoformat(), people=plan.calibrated, days=plan.calibrated_days, seed=plan.seed + 3,
        wearer_days=report.wearer_days, kept=plan.kept, kept_days=plan.kept_days, kept_seed=plan.seed + 4,
    )  # fmt: skip
    lines = [
        told,
        "",
        "| model | alerts from day 8 | wearer-days | alerts a wearer-day | flag's limit |\n|---|---|---|---|---|",
    ]
    for kind, kept in report.kept.items():
        rate = kept.alerts / kept.wearer_days if kept.wearer_days else float("nan")
        lines.append(f"| {kind} | {kept.alerts:.0f} | {kept.wearer_days:.0f} | {rate:.3f} | {kept.flag:.3f} |")
    return "\n".join(lines)
