"""The page's parts on the others than whom the model was developed on, labels of real people, and the earlier network.

And on what training took.
"""

from collections.abc import Mapping
from typing import Any, Final

from inference.pulsenet.earlier.evaluated import NAME
from inference.pulsenet.evaluation.injection import HEADLINE
from inference.pulsenet.evaluation.labelled.icu import DRIFT_BPM
from inference.pulsenet.evaluation.markdown import (
    alarms,
    difference,
    interval,
    number,
    paragraph,
    ratio,
    share,
    table,
    with_interval,
)
from inference.pulsenet.training.cost import BOUND_MIN, anew
from inference.pulsenet.weights.loading import DECIDED_ON

_NOT_ASKED: Final = "not asked"
_RECORD: Final = "docs/adr/0023-no-past-makes-a-heart-rate-unheard.md"
_TWO: Final = tuple(one.name for one in HEADLINE)
_UNSEEN: Final = """\
The weights name {who} as developed on: windows and gates were chosen there. The same figures of the others alone, as \
thin as they are ({days} wearer-days), and{independent}:"""
_BLIND: Final = """\
`pulsera models import pulsenet FILE.pt` takes a checkpoint of the earlier system for shadow mode, and
`pulsera evaluate pulsenet --shadow FILE.pt ...` adds its row and its cases to a page like this one.
{here} What follows from its layout with any weights, since both sides of a pair are told to it in the same numbers: the
largest difference of its last score over {sets} sets of weights drawn at random in that layout.

"""
_NO_WEIGHTS: Final = (
    "Its published weights lie neither here nor in the recordings, so that its row is not in the table."
)
_BEATS: Final = """\
Over and over, {drift:g} bpm are added minute by minute: else the gate takes the repeated minutes for a hanging sensor.
The model judges means of minutes, which a pause of seconds hardly moves: that a rhythm whose means lie far above those
of a slow heart raises no alert of one is no great feat.

"""
_NIGHT: Final = """\
- {people} people of Welltory, {with_onset} with a day on which symptoms began. PulseNet: {model}.
- In its place NightSignal's rule (4 bpm above the running median of at least 7 earlier days, two days running) on the
  wearable's own resting rate, which {usable} people have before and around that day: {found}
"""


def developed(report: Mapping[str, Any]) -> list[str]:
    """The wearers of a report on whom windows and gates of the model were chosen."""
    return [who for who in report["wearers"] if who in report.get("developed_on", ())]


def decided(report: Mapping[str, Any]) -> str:
    """On whom of the others it was decided what ships and by which rule; empty where on none of them."""
    others = [who for who in report["wearers"] if who not in developed(report)]
    on = [who for who in others if who in DECIDED_ON]
    if not on:
        return ""
    who = f"all {len(report['wearers'])}" if on == others else " and ".join(on)
    return (
        f"which model ships was decided on {who} (docs/adr/0017-what-lasts-decides.md), and that own days raise no "
        f"threshold of a heart rate was thought of by their figures ({_RECORD})"
    )


def unseen(report: Mapping[str, Any]) -> str:
    """Every detector without the wearers on whom the model was developed, where the file holds any."""
    chosen = developed(report)
    if not chosen or len(chosen) == len(report["wearers"]):
        return ""
    lines = []
    for name, row in report["detectors"].items():
        if "scenarios" not in row or name.endswith(" off"):
            continue
        found = [row["scenarios"].get(one, {}).get("unseen") for one in _TWO]
        rate = row["rules"][row["thresholds"]]["0.1"].get("unseen")
        delays = "/".join(_delay(one) for one in found)
        recalls = [_NOT_ASKED if one is None else with_interval(one, "0.1") for one in found]
        realised = (_NOT_ASKED, _NOT_ASKED) if rate is None else (alarms(rate), ratio(rate))
        lines.append((name, *recalls, delays, *realised))
    if not lines:
        return ""
    days = sum(one["test_days"] for who, one in report["wearers"].items() if who not in chosen)
    columns = ("detector, at .1 promised", *_TWO, "delay, min", "alarms/days", "realised / promised, exact 95 %")
    why = decided(report)
    independent = f" no independent test, since {why}" if why else " told apart"
    told = paragraph(_UNSEEN.format(who=" and ".join(chosen), days=days, independent=independent))
    return f"## Without whom it was developed on\n\n{told}{table(columns, lines)}\n{_unseen_paired(report)}"


def _delay(found: Mapping[str, Any] | None) -> str:
    """Return the median delay: of a row made before it is not known, though something was found."""
    if found is None or (found["delay_min"] is None and found["recall"]["0.1"]):
        return _NOT_ASKED
    return number(found["delay_min"], "g")


def _unseen_paired(report: Mapping[str, Any]) -> str:
    scenarios = report["paired"]
    names = dict.fromkeys(name for rows in scenarios.values() for name in rows if not name.endswith(" off"))
    lines = [
        (name, *(difference(rows.get(name, {}).get("unseen")) for rows in scenarios.values())) for name in names
    ]  # fmt: skip
    columns = (f"recall of {report['model']} at .1 less that of (95 %, paired days of these alone)", *scenarios)
    return f"{table(columns, lines)}\n" if lines else ""


def labelled(report: Mapping[str, Any]) -> str:
    """What recordings with labels of real people tell."""
    told = report.get("labelled")
    if told is None:
        return ""
    parts = [_stress(told["stress"]), _onsets(told["onsets"]), _false_alarm(told["false_alarm"])]
    return "## Labels of real people\n\n" + "\n".join(parts) + "\n"


def _stress(told: Mapping[str, Any]) -> str:
    head = "### Stress tasks (Stress-Predict; real)\n\n"
    if "no_estimate" in told:
        return f"{head}{told['no_estimate'].capitalize()}.\n"
    lines = []
    for name, one in told["during"].items():
        heart_rate = number(one["heart_rate_bpm"], "g")
        lines.append((name, one["minutes"], one["judged_min"], heart_rate, one["minutes_beyond"],
                      one["alerts"], interval(one["alerts_an_hour_ci95"])))  # fmt: skip
    columns = ("minutes of", "all", "judged", "median heart rate, bpm", "beyond the threshold of .1", "alerts",
               "alerts an hour, exact 95 %")  # fmt: skip
    who = f"{', '.join(told['people'])}, from whom nothing was learned. Stress is no fault that must alarm.\n\n"
    return f"{head}{who}{table(columns, lines)}"


def _onsets(told: Mapping[str, Any]) -> str:
    head = "### Onset of symptoms (Welltory; real)\n\n"
    if "people" not in told:
        return f"{head}{told['no_estimate'].capitalize()}.\n"
    if "no_estimate" in told:
        found = told["no_estimate"]
    else:
        low, high = told["found_ci95"]
        found = f"{told['found']} of {told['usable']} (exact 95 %: {low:.2f} to {high:.2f}) within 7 days of it."
        if told["by_chance"] is not None:
            rate = told["elsewhere_a_day_ci95"]
            inside = low <= told["by_chance"] / told["usable"] <= high
            found += (
                f"\n  It speaks {told['elsewhere']} times in {told['elsewhere_days']} other days ({rate[0]:.3f} to "
                f"{rate[1]:.3f} a day): as often around that day would\n  find {told['by_chance']:.1f}, which so few "
                f"people {'do not tell' if inside else 'tell'} from what was found."
            )
    words = {key: told[key] for key in ("people", "with_onset", "model", "usable")}
    return f"{head}{_NIGHT.format(**words, found=found)}"


def _false_alarm(told: Mapping[str, Any]) -> str:
    head = "### A monitor's alarm that experts called false (PhysioNet 2015)\n\n"
    if "no_estimate" in told:
        return f"{head}{told['no_estimate'].capitalize()}.\n"
    low, high = told["heart_rate_bpm"]
    what = (
        f"{told['record']} ({'; '.join(told['remarks'])}): {told['beats']} beats in lead {told['lead']}, "
        f"{low:.0f} to {high:.0f} bpm by the minute, longest pause {told['longest_pause_s']:.2f} s.\n\n"
    )
    lines = [
        (f"{name} ({one['data']})", one["minutes"], one["judged_min"], one["slow_heart"], _others(one["others"]))
        for name, one in (("as it is", told["as_it_is"]), ("over and over for an hour", told["for_an_hour"]))
    ]
    columns = ("the beats", "minutes", "judged", "alerts of a slow or standing heart", "other alerts")
    return f"{head}{what}{_BEATS.format(drift=DRIFT_BPM)}{table(columns, lines)}"


def _others(told: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in told.items()) or "none"


def earlier(report: Mapping[str, Any]) -> str:
    """What a network of the earlier system says where somebody gave one, and what none can see."""
    return _cases(report) + _blind(report)


def _cases(report: Mapping[str, Any]) -> str:
    cases = report.get("earlier", {})
    if not cases:
        return ""
    figures = ("mean", "elevated", "critical", "step_over_0.5")
    lines = [(name, *(f"{row[figure]:.3f}" for figure in figures)) for name, row in cases.items()]
    columns = ("200 made windows of 60 x 4 each", "mean score", "above .5", "above .8", "with a step above .5")
    return f"## The earlier network, case by case\n\n{table(columns, lines)}\n"


def _blind(report: Mapping[str, Any]) -> str:
    told = report.get("blind")
    if told is None:
        return ""
    lines = [(name, f"{value:.6f}") for name, value in told["same"].items()]
    lines.append(("for scale: heart rate 80 / 117 in the last ten minutes", f"{told['changed']:.6f}"))
    here = "" if "scenarios" in report["detectors"].get(NAME, {}) else _NO_WEIGHTS
    first = "is scored from its first minute on" if told["judged_from_the_first_minute"] else "waits for its window"
    rest = (
        f"It {first}, whoever it is about. Its status is the mean over 60 readings: the readings of a fault as long\n"
        f"as the longest of its training can make {share(told['most_of_a_trained_fault'])} of it, and it speaks above "
        f"{told['elevated_above']:g}.\n\n"
    )
    columns = ("two recordings", "largest difference of the score, 0 to 1")
    head = "## The earlier network, whatever its weights\n\n"
    return f"{head}{_BLIND.format(sets=told['sets'], here=here)}{table(columns, lines)}\n{rest}"


def training(report: Mapping[str, Any]) -> str:
    """What making the weights took, as their manifest tells."""
    told = report.get("trained", {})
    if not told.get("cost"):
        return ""
    cost, made = told["cost"], told["trained"]
    libraries = ", ".join(f"{name} {version}" for name, version in cost["libraries"].items())
    text = (
        f"`pulsera train pulsenet` made these weights on {made['trained']} (seed {made['seed']}, {made['people']} made "
        f"people, {made['last_update']} updates, of which that after {made['best_update']} was kept), thresholds and "
        f"card included: {cost['wall_s'] / 60:.1f} min on the clock, {cost['cpu_s'] / 60:.1f} min of processor time, "
        f"on {cost['cores']} cores of {cost['machine']}, with {libraries}. The bound is {BOUND_MIN} min on two cores"
        f"{', which the clock passed' if cost['wall_s'] > BOUND_MIN * 60 else ''}."
        f"{anew(cost)}"
    )
    return f"## Training\n\n{paragraph(text)}"
