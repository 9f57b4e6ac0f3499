"""The page's limits: what the method cannot tell, and whatever finds more than the model, as the report has it."""

from collections.abc import Mapping
from typing import Any, Final

from inference.pulsenet.evaluation.injection import GRID
from inference.pulsenet.evaluation.markdown import difference
from inference.pulsenet.evaluation.page_real import developed

_RISE: Final = "resting_rate_rise"
_LIMITS: Final = """## Limits

- Few wearers and few days: 0.1 alarms a wearer-day is judged by its Poisson interval, 0.01 is only shown.
- Recordings hold heart rate and steps alone. What several vitals are worth together rests on made people.
- Events put into recordings last up to {longest} min: what the 8 h and two-night rules find rests on made people.
- What befalls somebody who keeps moving is told once there are minutes at rest: a fast or a slow heart takes 7 to 12 of
  them that agree, breathing some ten, and the first is the eighth step-free one. Asked in movement too, the model is
  worth less ("rest gate off"). So two hours with a few steps every ten minutes are missed, and 20 min with some steps.
- The level of the hour before, which is taken from a score of minutes, holds the fault itself once that has lasted: who
  comes to rest only in its second half hour may stay just below a threshold ("level off": what else would be lost).
"""
_REST: Final = """\
- Injected events are shifts of the rate; illness also changes its variability and course.
- Step-free exercise looks like an event, and is counted as a false alarm.
- Rivals are as their papers have them, with gates and windows chosen where the model's were. What looks for
  unusual vectors or shapes is asked only after ten step-free minutes: else movement is what it finds.
"""


def limits(report: Mapping[str, Any]) -> str:
    """Limits, among them the rivals and the lacks of parts that find more than the model."""
    head = _LIMITS.format(longest=max(one.minutes for one in GRID))
    surely = [f"{name} ({where}: {difference(one)})" for name, where, one in _better(report) if one["ci95"][1] < 0]
    apart = " and ".join(developed(report))
    maybe = [
        f"{name} ({where}: {difference(one)})"
        for name, where, one in _better(report)
        if one["ci95"][1] >= 0 and "without" in where
    ]
    more = f"- Finds more than what ships, outside the paired interval: {'; '.join(surely)}.\n" if surely else ""
    more += f"- Ahead without {apart}, inside the paired interval: {'; '.join(maybe)}.\n" if maybe else ""
    return f"{head}{_of_faults(report)}{_REST}{more}\n"


def ahead(report: Mapping[str, Any]) -> str:
    """Whatever finds more than the model, outside the paired interval, as a sentence; empty where nothing does."""
    names = dict.fromkeys(name for name, _, one in _better(report) if one["ci95"][1] < 0)
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f"In a headline scenario these find more than it does, outside the paired interval: {listed} (Limits)."
        if names
        else ""
    )


def _better(report: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return name, where, and the difference of everything that finds more than the model."""
    apart = f", without {' and '.join(developed(report))}"
    return [
        (name, f"{scenario}{of}", one)
        for scenario, rows in report["paired"].items()
        for name, row in rows.items()
        for of, one in (("", row), (apart, row.get("unseen")))
        if one and one["recall_difference"] < 0
    ]


def _of_faults(report: Mapping[str, Any]) -> str:
    """What the faults put into made people tell of rises of the resting rate, and of vitals that few measure."""
    rows = report.get("faults", {}).get(report["model"], {})
    told = ""
    if _RISE in rows:
        rise = rows[_RISE]
        told += (
            f"- A small rise of the resting rate for days lies within what days and nights of many people do. The 8 h "
            f"and\n  two-night rules have a hundredth of the promise each: {rise['found']} of {rise['events']} such "
            "rises were found.\n"
        )
    few = {name: one["events"] for name, one in rows.items() if one["must_alarm"] and one["events"]}
    if few and min(few.values()) < max(few.values()):
        least = min(few.values())
        names = ", ".join(name for name, count in few.items() if count == least)
        told += (
            f"- A vital that few devices measure is tried on few people: {names} on {least}, where one is "
            f"{1 / least:.2f}.\n"
        )
    return told
