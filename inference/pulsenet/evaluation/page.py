"""The page of a report: every figure comes from it, or from the log of runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inference.pulsenet.evaluation.injection import GRID
from inference.pulsenet.evaluation.markdown import (
    alarms,
    difference,
    number,
    paragraph,
    ratio,
    share,
    table,
    with_interval,
)
from inference.pulsenet.evaluation.page_limits import ahead, limits
from inference.pulsenet.evaluation.page_log import log, origins
from inference.pulsenet.evaluation.page_real import decided, developed, earlier, labelled, training, unseen
from inference.pulsenet.evaluation.plots import EPISODE, RELIABILITY, SURFACE
from inference.pulsenet.weights.loading import NAMES, SHIPPED

_PLUS_40: Final = "rest_+40bpm_20min"
_PLUS_25: Final = "rest_+25bpm_30min"
_RATES: Final = ("1", "0.1", "0.01")
_TIERS: Final = (
    ("tier 1, told to the wearer", "0.1", "judged"),
    ("tier 2, told to a carer", "0.01", "shown only: so few days cannot judge it"),
)
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
alarms are counted on the same wearers' untouched days ("real"). {developed} Each wearer's first seven worn days are
the own past; everything is judged from the eighth on. Places are drawn with the seed, the same for every detector: at
rest, awake, after at least 15 step-free minutes; asleep; in light activity; 2-minute ramps, never two within 3 h in
one copy of a recording. An event is found by an alarm that opens between its start and 5 min after its end, by the
thresholds that the untouched recording has at the same minutes. What stays at its threshold, or comes back to it
within 180 min, is one alarm. Thresholds promise a rate of false alarms a wearer-day: of a population by split
conformal on daily maxima, shrunk to the own past. That of the rivals: {rivals}; half of it, half of the own past. The
model brings its own thresholds for 0.1 and 0.01, of {model}, with the own past taking over as days accrue; it raises
no threshold of a heart rate. For 1 a day it has none: a figure marked * is by the thresholds of its rivals, set on
its scores, and so is no step of the same ladder. Each of its alerts counts, whatever it is about. Nothing is read off
test days. Repeated values are masked (runs from the fourth equal minute on); Fitbit's `intensity` is never read.
AUC-PR and VUS-PR count event minutes against untouched minutes, weighted to one event a wearer-day. Intervals of
recall: bootstrap of paired wearer-days; of rates: exact Poisson. Microseconds a step are processor time beside
whatever else ran; rows of the model's parts step fewer recordings at once, which costs more. `pulsera bench network`
times the engine alone.

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


def written(report: Mapping[str, Any], *, runs: Sequence[Mapping[str, Any]] = (), pictures: str = "") -> str:
    """The page of a report.

    Args:
        report: What the command wrote.
        runs: The log as it is now.
        pictures: Folder of the pictures as seen from the page; empty for none.
    """
    parts = [
        _head(report),
        _bars(report),
        unseen(report),
        _detectors(report),
        _promises(report),
        _picture(pictures, RELIABILITY) if pictures else "",
        _worth(report),
        _grid(report),
        _picture(pictures, SURFACE) if pictures and report["model"] in report["detectors"] else "",
        f"## One episode\n\n{_picture(pictures, EPISODE)}" if pictures and "example" in report else "",
    ]
    return "".join(
        [*parts, _faults(report), labelled(report), earlier(report), limits(report), training(report), log(runs)]
    )


def _head(report: Mapping[str, Any]) -> str:
    """How it was measured, with whose days set which thresholds, as the report tells."""
    told = report.get("thresholds_from", {})
    chosen = developed(report)
    known = f"Of {' and '.join(chosen)} windows and gates were chosen: figures without are beside the pooled ones"
    known += f"; {decided(report)}." if decided(report) else "."
    none = "On none of them was anything of the model developed, as far as its weights tell."
    text = _HEAD.format(
        developed=known if chosen else none,
        rivals=told.get("rivals", "not told by this report"),
        model=told.get(report["model"], "a population that this report does not tell"),
    )
    head, _, method = text.rpartition("\n\n")[0].rpartition("\n\n")
    return f"{head}\n\n{paragraph(method)}"


def _picture(folder: str, name: str) -> str:
    return f"![{_SHOWS[name]}]({folder}/{name})\n\n"


def _bars(report: Mapping[str, Any]) -> str:
    row = report["detectors"].get(report["model"])
    if row is None:
        return ""
    without = f"without {' and '.join(developed(report))}"
    lines = []
    for name, bar, aim in ((_PLUS_40, 0.88, 0.92), (_PLUS_25, 0.70, 0.85)):
        told = row["scenarios"].get(name)
        if told:
            own = ", ".join(f"{who} {found:.2f}" for who, found in told["by_wearer"].items())
            lines.append((name, *_against(told, bar, aim), own))
            if told.get("unseen") and told["unseen"]["events"] < told["events"]:
                lines.append((f"{name}, {without}", *_against(told["unseen"], bar, aim), ""))
    columns = ("at 0.1 promised", "recall", "must (aim)", "median delay, min", "events", "by wearer")
    rate = report["rate"]
    rest = rate.get("unseen")
    apart = f"{without[0].upper()}{without[1:]}, on whom windows were chosen: {_realised(rest)}. " if rest else ""
    if apart and decided(report):
        apart += f"These are no independent test: {decided(report)}. "
    sentence = (
        f"False alarms on untouched days: {_realised(rate)}. "
        + (apart if rest and rest["wearer_days"] < rate["wearer_days"] else "")
        + f"{report['us_per_step']:g} microseconds of one core a step, the whole engine.\n\n"
    )
    ships = "What judges where nobody chose another." if report["model"] == NAMES[SHIPPED] else ""
    top = " ".join(one for one in (ships, ahead(report)) if one)
    head = paragraph(top) if top else ""
    return f"## {report['model']}\n\n{head}{table(columns, lines)}\n{sentence}{_paired(report)}"


def _against(told: Mapping[str, Any], bar: float, aim: float) -> tuple[object, ...]:
    delay = number(told["delay_min"], "g")
    recall = told["recall"]["0.1"]
    short = ", not reached" if recall is None or recall < bar else ""
    return (with_interval(told, "0.1"), f"{bar:.2f} ({aim:.2f}){short}", delay, told["events"])


def _realised(rate: Mapping[str, Any]) -> str:
    if rate.get("realised") is None:
        return str(rate.get("no_estimate", "no estimate, because there are no wearer-days"))
    return (
        f"{rate['alarms']} in {rate['wearer_days']} wearer-days, {rate['realised']:.3f} a wearer-day where "
        f"{rate['promised']:g} are promised (realised / promised, exact 95 % interval: {ratio(rate)})"
    )


def _paired(report: Mapping[str, Any]) -> str:
    scenarios = report["paired"]
    names = dict.fromkeys(name for rows in scenarios.values() for name in rows)
    lines = [(name, *(difference(rows.get(name)) for rows in scenarios.values())) for name in names]
    if not lines:
        return ""
    columns = ("recall at .1 less that of (95 %, paired days)", *scenarios)
    return f"{table(columns, lines)}\n"


def _detectors(report: Mapping[str, Any]) -> str:
    lines = []
    for name, row in report["detectors"].items():
        if "absent" in row:
            lines.append((name, row["absent"], "", "", "", "", "", ""))
            continue
        scenarios = row["scenarios"]
        recalls = [
            "/".join(_at(scenarios[one], rate, row) for rate in _RATES) if one in scenarios else "-"
            for one in (_PLUS_40, _PLUS_25)
        ]
        delay = scenarios.get(_PLUS_40, {}).get("delay_min")
        rate = row["rules"][row["thresholds"]]["0.1"]
        realised = alarms(rate)
        figures = (f"{row['auc_pr']:.2f}", f"{row['vus_pr']:.2f}", *recalls, number(delay, "g"), realised)
        lines.append((name, *figures, f"{row['us_per_step']:g}"))
    columns = ("detector (semi)", "AUC-PR", "VUS-PR", "+40/20 at 1/.1/.01", "+25/30 at 1/.1/.01",
               "delay +40/20", "alarms/days at .1", "us a step")  # fmt: skip
    reads = [(name, row["reads"]) for name, row in report["detectors"].items() if "reads" in row]
    inputs = f"{table(('detector', 'what it reads of the believed minutes'), reads)}\n" if reads else ""
    return f"## Every detector by the same protocol\n\n{origins(report)}{table(columns, lines)}\n{inputs}"


def _at(scenario: Mapping[str, Any], rate: str, row: Mapping[str, Any]) -> str:
    recall = scenario["recall"][rate]
    return share(recall) + ("*" if recall is not None and rate in row.get("borrowed", ()) else "")


def _promises(report: Mapping[str, Any]) -> str:
    lines = []
    for name, row in report["detectors"].items():
        for rule, rates in row.get("rules", {}).items():
            one = rates["0.1"]
            if name == report["model"] or rule == row["thresholds"]:
                own = ", ".join(f"{who} {alarms(it)}" for who, it in one["wearers"].items())
                lines.append((name, rule, alarms(one), ratio(one), own))
    columns = ("detector (real)", "thresholds", "alarms/days at .1", "realised / promised, 95 %", "by wearer")
    return f"## Promised and realised\n\n{_tiers(report)}{table(columns, lines)}\n"


def _tiers(report: Mapping[str, Any]) -> str:
    """The model's promises to a wearer and to a carer: the second is so rare that it can be shown only."""
    row = report["detectors"].get(report["model"])
    if row is None:
        return ""
    lines = []
    for tier, rate, worth in _TIERS:
        told = row["rules"][row["thresholds"]][rate]
        own = ", ".join(f"{who} {alarms(it)}" for who, it in told["wearers"].items())
        lines.append((tier, rate, told["alarms"], told["wearer_days"], ratio(told), own, worth))
    columns = (f"{report['model']} (real)", "promised a wearer-day", "alarms", "wearer-days",
               "realised / promised, exact 95 %", "by wearer", "")  # fmt: skip
    return f"{table(columns, lines)}\n"


def _worth(report: Mapping[str, Any]) -> str:
    row = report["detectors"].get(report["model"])
    lines = []
    whole = {report["model"], *NAMES.values()}
    for name, other in report["detectors"].items():
        if row is None or not (name.endswith(" off") or name in whole) or "scenarios" not in other:
            continue
        found = [other["scenarios"][one] for one in (_PLUS_40, _PLUS_25) if one in other["scenarios"]]
        own = [share(one["recall"]["0.1"]) for one in found]
        anew = "/".join(f"{one['recall_by_rule']['shr']:.2f}" for one in found)
        counts = [alarms(other["rules"][rule]["0.1"]) for rule in (other["thresholds"], "shr")]
        lines.append((name, *own, counts[0], f"{other['auc_pr']:.2f}", anew, counts[1]))
    columns = ("without", "+40/20", "+25/30", "alarms/days at .1", "AUC-PR", "set anew: +40/+25", "alarms/days")
    if not lines:
        return ""
    return f"## What its parts are worth\n\n{_WORTH}{table(columns, lines)}\n"


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
                cells.append(f"{share(told['recall']['0.1'])} ({told['events']})" if told else "no place")
            lines.append((f"{context} {delta:+d} bpm", *cells))
    columns = ("recall at .1 (events)", *(f"{minutes} min" for minutes in durations))
    return f"## What is detectable\n\n{table(columns, lines)}\n"


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
    return f"## Faults and decoys, in made people\n\n{table(columns, lines)}\n{_unprovoked(report)}{_missed(report)}"


def _unprovoked(report: Mapping[str, Any]) -> str:
    lines = []
    for model, rates in report.get("untouched", {}).items():
        for promised, one in rates.items():
            lines.append((model, promised, one["alarms"], one["wearer_days"], ratio(one)))
    columns = ("the same people without faults (simulated)", "promised a wearer-day", "alarms", "wearer-days",
               "realised / promised, exact 95 %")  # fmt: skip
    return f"{table(columns, lines)}\n" if lines else ""


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
    return f"### What was missed, and what held it back\n\n{_MISSED}{table(columns, lines)}\n" if lines else ""
