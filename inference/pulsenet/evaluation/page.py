"""The page of a report: every figure comes from it, and the log of runs grows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from inference.pulsenet.evaluation.injection import GRID
from inference.pulsenet.evaluation.plots import EPISODE, RELIABILITY, SURFACE
from inference.pulsenet.weights.loading import NAMES, SHIPPED

_PLUS_40: Final = "rest_+40bpm_20min"
_PLUS_25: Final = "rest_+25bpm_30min"
_RATES: Final = ("1", "0.1", "0.01")
_TIERS: Final = (
    ("tier 1, told to the wearer", "0.1", "judged"),
    ("tier 2, told to a carer", "0.01", "shown only: so few days cannot judge it"),
)
RUNS: Final = "## Runs"
_SHOWS: Final = {
    SURFACE: "Share of injected events found, by change of heart rate and duration, at rest, asleep and lightly active",
    RELIABILITY: "Realised against promised alarms a wearer-day, with exact intervals",
    EPISODE: "Heart rate, what was expected of it, steps and score around a tachycardia put into a made person",
}
_HEAD: Final = """# PulseNet: what it is worth

Written by `pulsera evaluate pulsenet --json REPORT --page THIS --plots docs/images` from a report that
`pulsera evaluate pulsenet --fitbit FILE --stress-predict DIR --json REPORT` made; nobody types figures here.
Not a medical device.

## How it was measured

Events are added to real heart rates of wearers on whom no weight was fitted and no threshold set ("semi"); false
alarms are counted on the same wearers' untouched days ("real"). Of one of them, 5553957443, windows and gates were
chosen (ADR 17): where the file holds that wearer, read the others' columns as those of unseen people. Each wearer's
first seven worn days are the own past; everything is judged from the eighth on. Places are drawn with the seed, the
same for every detector: at rest, awake, after at least 15 step-free minutes; asleep; in light activity; 2-minute
ramps, never two within 3 h in one copy of a recording. An event is found by an alarm that opens between its start and
5 min after its end, by the thresholds that the untouched recording has at the same minutes. What stays at its
threshold, or comes back to it within 180 min, is one alarm. Thresholds promise a rate of false alarms a wearer-day:
of the population (made people and Stress-Predict S01 to S20; split conformal on daily maxima), half shrunk to the own
past. The model brings its own thresholds for 0.1 and 0.01, which it calibrates in the same way (for 1 a day it has
none, and gets those of its rivals); each of its alerts counts, whatever it is about. Nothing is read off test days.
Repeated values are masked (runs from the fourth equal minute on); Fitbit's `intensity` is never read. AUC-PR and
VUS-PR count event minutes against untouched minutes, weighted to one event a wearer-day. Intervals of recall:
bootstrap of paired wearer-days; of rates: exact Poisson. Microseconds a step are processor time beside whatever else
ran; rows of the model's parts step fewer recordings at once, which costs more. `pulsera bench network` times the
engine alone.

"""
_WORTH: Final = """\
Thresholds were calibrated for the whole model. With a part taken away scores are others, so the last two columns set
thresholds anew from the same made people, half shrunk to the own past, as for the rivals. Parts that were taken away
from the other model bear its name.

"""
_MISSED: Final = """\
A minute is settled at rest from the eighth step-free one on; what is averaged over minutes or an hour is asked in such
minutes alone. A score that stays below 1 of its threshold was held back by the threshold, which the person's own days
have set with the population's; one of a few minutes at rest by movement.

"""
_LIMITS: Final = """## Limits

- Few wearers and few days: 0.1 alarms a wearer-day is judged by its Poisson interval, 0.01 is only shown.
- Recordings hold heart rate and steps alone. What several vitals are worth together rests on made people.
- The 8 h and two-night rules rest on the one wearer with nights, and on made people.
- What befalls somebody who keeps moving is told once there are minutes at rest: a fast or a slow heart takes 7 to 12 of
  them that agree, breathing some ten, and the first is the eighth step-free one. Asked in movement too, the model is
  worth less ("rest gate off"). So two hours with a few steps every ten minutes are missed, and 20 min with some steps.
- The level of the hour before, which is taken from a score of minutes, holds the fault itself once that has lasted: who
  comes to rest only in its second half hour may stay just below a threshold ("level off": what else would be lost).
- A resting rate that is up by 9 bpm for two days lies within what days and nights of many people do. The 8 h and
  two-night rules have a hundredth of the promise each, and miss many such rises.
- A vital that few devices measure is tried on few people: of seven, one missed is a seventh.
- Injected events are shifts of the rate; illness also changes its variability and course.
- Step-free exercise looks like an event, and is counted as a false alarm.
- "Sustained rate at rest", one line of a rule, finds more of +40 bpm over 20 min at this promise than what ships, and
  tells it three minutes later. An LSTM autoencoder is not in the table: it has not been run.
- Rivals are as their papers have them, with gates and windows chosen on 5553957443 alone. What looks for
  unusual vectors or shapes is asked only after ten step-free minutes: else movement is what it finds.

"""


def written(report: Mapping[str, Any], *, before: str = "", pictures: str = "") -> str:
    """The page of a report; the log of the page that was there before goes on.

    Args:
        report: What the command wrote.
        before: The page that was there.
        pictures: Folder of the pictures as seen from the page; empty for none.
    """
    parts = [
        _HEAD,
        _bars(report),
        _detectors(report),
        _promises(report),
        _picture(pictures, RELIABILITY) if pictures else "",
        _worth(report),
        _grid(report),
        _picture(pictures, SURFACE) if pictures and report["model"] in report["detectors"] else "",
        f"## One episode\n\n{_picture(pictures, EPISODE)}" if pictures and "example" in report else "",
    ]
    return "".join([*parts, _faults(report), _earlier(report), _LIMITS, _runs(report, before)])


def _picture(folder: str, name: str) -> str:
    return f"![{_SHOWS[name]}]({folder}/{name})\n\n"


def _bars(report: Mapping[str, Any]) -> str:
    row = report["detectors"].get(report["model"])
    if row is None:
        return ""
    lines = []
    for name, bar, aim in ((_PLUS_40, 0.88, 0.92), (_PLUS_25, 0.70, 0.85)):
        told = row["scenarios"].get(name)
        if told:
            low, high = told["ci95"]["0.1"]
            own = ", ".join(f"{who} {share:.2f}" for who, share in told["by_wearer"].items())
            found = f"{told['recall']['0.1']:.2f} [{low:.2f}, {high:.2f}]"
            lines.append((name, found, f"{bar:.2f} ({aim:.2f})", _number(told["delay_min"], "g"), told["events"], own))
    columns = ("at 0.1 promised", "recall", "must (aim)", "median delay, min", "events", "by wearer")
    rate = report["rate"]
    low, high = rate["ratio_ci95"]
    sentence = (
        f"False alarms on untouched days: {rate['alarms']} in {rate['wearer_days']} wearer-days, "
        f"{rate['realised']:.3f} a wearer-day where {rate['promised']:g} are promised "
        f"(realised / promised, exact 95 % interval: {low:.2f} to {high:.2f}). "
        f"{report['us_per_step']:g} microseconds of one core a step, the whole engine.\n\n"
    )
    ships = "What judges where nobody chose another.\n\n" if report["model"] == NAMES[SHIPPED] else ""
    return f"## {report['model']}\n\n{ships}{_table(columns, lines)}\n{sentence}{_paired(report)}"


def _paired(report: Mapping[str, Any]) -> str:
    scenarios = report["paired"]
    names = dict.fromkeys(name for rows in scenarios.values() for name in rows)
    lines = [(name, *(_difference(rows.get(name)) for rows in scenarios.values())) for name in names]
    if not lines:
        return ""
    columns = ("recall at .1 less that of (95 %, paired days)", *scenarios)
    return f"{_table(columns, lines)}\n"


def _difference(one: Mapping[str, Any] | None) -> str:
    return "-" if one is None else f"{one['recall_difference']:+.3f} ({one['ci95'][0]:+.3f} to {one['ci95'][1]:+.3f})"


def _detectors(report: Mapping[str, Any]) -> str:
    lines = []
    for name, row in report["detectors"].items():
        if "absent" in row:
            lines.append((name, row["absent"], "", "", "", "", "", ""))
            continue
        scenarios = row["scenarios"]
        recalls = [
            "/".join(f"{scenarios[one]['recall'][rate]:.2f}" for rate in _RATES) if one in scenarios else "-"
            for one in (_PLUS_40, _PLUS_25)
        ]
        delay = scenarios.get(_PLUS_40, {}).get("delay_min")
        rate = row["rules"][row["thresholds"]]["0.1"]
        realised = f"{rate['alarms']}/{rate['wearer_days']}"
        figures = (f"{row['auc_pr']:.2f}", f"{row['vus_pr']:.2f}", *recalls, _number(delay, "g"), realised)
        lines.append((name, *figures, f"{row['us_per_step']:g}"))
    columns = ("detector (semi)", "AUC-PR", "VUS-PR", "+40/20 at 1/.1/.01", "+25/30 at 1/.1/.01",
               "delay +40/20", "alarms/days at .1", "us a step")  # fmt: skip
    reads = [(name, row["reads"]) for name, row in report["detectors"].items() if "reads" in row]
    inputs = f"{_table(('detector', 'what it reads of the believed minutes'), reads)}\n" if reads else ""
    return f"## Every detector by the same protocol\n\n{_table(columns, lines)}\n{inputs}"


def _promises(report: Mapping[str, Any]) -> str:
    lines = []
    for name, row in report["detectors"].items():
        for rule, rates in row.get("rules", {}).items():
            one = rates["0.1"]
            if name == report["model"] or rule == row["thresholds"]:
                own = ", ".join(f"{who} {it['alarms']}/{it['wearer_days']}" for who, it in one["wearers"].items())
                low, high = one.get("ratio_ci95", (float("nan"), float("nan")))
                lines.append((name, rule, f"{one['alarms']}/{one['wearer_days']}", f"{low:.2f} to {high:.2f}", own))
    columns = ("detector (real)", "thresholds", "alarms/days at .1", "realised / promised, 95 %", "by wearer")
    return f"## Promised and realised\n\n{_tiers(report)}{_table(columns, lines)}\n"


def _tiers(report: Mapping[str, Any]) -> str:
    """The model's promises to a wearer and to a carer: the second is so rare that it can be shown only."""
    row = report["detectors"].get(report["model"])
    if row is None:
        return ""
    lines = []
    for tier, rate, worth in _TIERS:
        told = row["rules"][row["thresholds"]][rate]
        own = ", ".join(f"{who} {_alarms(it)}" for who, it in told["wearers"].items())
        low, high = told["ratio_ci95"]
        lines.append((tier, rate, told["alarms"], told["wearer_days"], f"{low:.2f} to {high:.2f}", own, worth))
    columns = (f"{report['model']} (real)", "promised a wearer-day", "alarms", "wearer-days",
               "realised / promised, exact 95 %", "by wearer", "")  # fmt: skip
    return f"{_table(columns, lines)}\n"


def _worth(report: Mapping[str, Any]) -> str:
    row = report["detectors"].get(report["model"])
    lines = []
    whole = {report["model"], *NAMES.values()}
    for name, other in report["detectors"].items():
        if row is None or not (name.endswith(" off") or name in whole) or "scenarios" not in other:
            continue
        found = [other["scenarios"][one] for one in (_PLUS_40, _PLUS_25) if one in other["scenarios"]]
        own = [f"{one['recall']['0.1']:.2f}" for one in found]
        anew = "/".join(f"{one['recall_by_rule']['shr']:.2f}" for one in found)
        alarms = [_alarms(other["rules"][rule]["0.1"]) for rule in (other["thresholds"], "shr")]
        lines.append((name, *own, alarms[0], f"{other['auc_pr']:.2f}", anew, alarms[1]))
    columns = ("without", "+40/20", "+25/30", "alarms/days at .1", "AUC-PR", "set anew: +40/+25", "alarms/days")
    if not lines:
        return ""
    return f"## What its parts are worth\n\n{_WORTH}{_table(columns, lines)}\n"


def _alarms(rate: Mapping[str, Any]) -> str:
    return f"{rate['alarms']}/{rate['wearer_days']}"


def _grid(report: Mapping[str, Any]) -> str:
    row = report["detectors"].get(report["model"])
    if row is None:
        return ""
    durations = sorted({one.minutes for one in GRID})
    lines = []
    for context in dict.fromkeys(one.context for one in GRID):
        for delta in dict.fromkeys(one.delta_bpm for one in GRID):
            cells = []
            for minutes in durations:
                told = row["scenarios"].get(f"{context}_{delta:+d}bpm_{minutes}min")
                cells.append(f"{told['recall']['0.1']:.2f} ({told['events']})" if told else "no place")
            lines.append((f"{context} {delta:+d} bpm", *cells))
    columns = ("recall at .1 (events)", *(f"{minutes} min" for minutes in durations))
    return f"## What is detectable\n\n{_table(columns, lines)}\n"


def _faults(report: Mapping[str, Any]) -> str:
    if "faults" not in report:
        return ""
    lines = [
        (name, model, "must" if one["must_alarm"] else "must not", one["events"],
         one["found"] if one["must_alarm"] else "-", one["alerts"], one["untouched"])
        for model, rows in report["faults"].items()
        for name, one in rows.items()
    ]  # fmt: skip
    columns = (
        "fault (simulated)",
        "model",
        "alarm",
        "put in",
        "found",
        "alerts during it",
        "in the same minutes without it",
    )
    return f"## Faults and decoys, in made people\n\n{_table(columns, lines)}\n{_unprovoked(report)}{_missed(report)}"


def _unprovoked(report: Mapping[str, Any]) -> str:
    lines = []
    for model, rates in report.get("untouched", {}).items():
        for promised, one in rates.items():
            low, high = one.get("ratio_ci95", (float("nan"), float("nan")))
            lines.append((model, promised, one["alarms"], one["wearer_days"], f"{low:.2f} to {high:.2f}"))
    columns = ("the same people without faults (simulated)", "promised a wearer-day", "alarms", "wearer-days",
               "realised / promised, exact 95 %")  # fmt: skip
    return f"{_table(columns, lines)}\n" if lines else ""


def _missed(report: Mapping[str, Any]) -> str:
    """Each fault that must alarm and did not, with what held it back."""
    lines = []
    for name, row in report["faults"].get(report["model"], {}).items():
        for one in row.get("missed", ()):
            near = "never judged" if one["nearest"] is None else f"{one['nearest']:.2f} ({one['channel']})"
            rest = f"{one['at_rest']} of {one['minutes']}"
            who = f"{one['person']}, {one['local_time']}"
            lines.append((name, who, rest, one["longest_at_rest"], one["measured_at_rest"], near))
    columns = (f"missed by {report['model']}", "person, local time", "minutes settled at rest", "longest such stretch",
               "settled and measured", "highest score / threshold")  # fmt: skip
    return f"### What was missed, and what held it back\n\n{_MISSED}{_table(columns, lines)}\n" if lines else ""


def _earlier(report: Mapping[str, Any]) -> str:
    cases = report.get("earlier", {})
    if not cases:
        return ""
    figures = ("mean", "elevated", "critical", "step_over_0.5")
    lines = [(name, *(f"{row[figure]:.3f}" for figure in figures)) for name, row in cases.items()]
    columns = ("200 made windows of 60 x 4 each", "mean score", "above .5", "above .8", "with a step above .5")
    return f"## The earlier network, case by case\n\n{_table(columns, lines)}\n"


def _runs(report: Mapping[str, Any], before: str) -> str:
    kept = [line for line in before.partition(RUNS)[2].splitlines() if line.startswith("| 2")]
    wearers = " ".join(report["wearers"])
    judged = report["model"] if report["model"] in report["detectors"] else "rivals alone"
    model = judged + (" (quick)" if report["quick"] else "")
    line = f"| {report['date']} | {model} | {report['seed']} | {wearers} | {len(report['detectors'])} |"
    lines = [*kept, *([] if line in kept else [line])]
    head = "| date | model | seed | wearers | detectors |\n|---|---|---|---|---|\n"
    return f"{RUNS}\n\nEvery run that this page was written from.\n\n{head}" + "\n".join(lines) + "\n"


def _table(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rows = [columns, ["---"] * len(columns), *lines]
    return "".join("| " + " | ".join(str(cell) for cell in row) + " |\n" for row in rows)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
