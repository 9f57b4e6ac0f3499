"""Figures of a report as cells of a page's tables; what is null is never a number."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any, Final

WIDTH: Final = 118
NO_ESTIMATE: Final = "no estimate"


def table(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return a table with a line a row."""
    rows = [columns, ["---"] * len(columns), *lines]
    return "".join("| " + " | ".join(str(cell) for cell in row) + " |\n" for row in rows)


def paragraph(text: str) -> str:
    """Return text in lines of the page's width, and an empty line."""
    return f"{fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)}\n\n"


def number(value: float | None, form: str) -> str:
    """Return a number in a form, a dash where there is none."""
    return "-" if value is None else format(value, form)


def share(value: float | None) -> str:
    """Return a recall with two digits."""
    return NO_ESTIMATE if value is None else f"{value:.2f}"


def with_interval(scenario: Mapping[str, Any], rate: str) -> str:
    """Return the recall at a promised rate with its interval."""
    if scenario["recall"][rate] is None:
        return NO_ESTIMATE
    low, high = scenario["ci95"][rate]
    return f"{scenario['recall'][rate]:.2f} [{low:.2f}, {high:.2f}]"


def alarms(rate: Mapping[str, Any]) -> str:
    """Return alarms over wearer-days."""
    return f"{NO_ESTIMATE if rate['alarms'] is None else rate['alarms']}/{rate['wearer_days']}"


def ratio(rate: Mapping[str, Any]) -> str:
    """Return the interval of realised over promised."""
    return interval(rate.get("ratio_ci95"))


def interval(bounds: Sequence[float] | None) -> str:
    """Return an interval's bounds."""
    return NO_ESTIMATE if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"


def difference(one: Mapping[str, Any] | None) -> str:
    """Return a difference of recalls with its interval."""
    return "-" if one is None else f"{one['recall_difference']:+.3f} ({one['ci95'][0]:+.3f} to {one['ci95'][1]:+.3f})"
