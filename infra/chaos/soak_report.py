"""What `pulsera soak` tells: a table for people, JSON for programs, a section of a page and its drawing."""

from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from infra.chaos.report import audit_lines, audited_json, ending_lines, show_audit
from infra.chaos.soak import SLOPE_MOST_PERCENT, Course, SoakOutcome

_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 40
_CHART_PX: Final = (640, 60)


def as_json(outcome: SoakOutcome) -> dict[str, Any]:
    """Return the JSON that `pulsera soak --json` writes."""
    return {
        "minutes": outcome.minutes,
        "window_min": outcome.window_s / 60,
        "judged": outcome.is_judged,
        **audited_json(outcome.audited),
        "highest_lag_records": outcome.highest_lag(),
        "memory": {
            one.name: {
                "mean_mib": round(one.mean_mib, 1),
                "change_percent": round(one.change_percent, 2),
                "highest_mib": round(one.highest_mib, 1),
            }
            for one in outcome.courses()
        },
        "samples": [
            {
                "at_s": round(one.at_s, 1),
                "uss_mib": rounded(one.uss_mib),
                "pss_mib": rounded(one.pss_mib),
                "lag": one.lag,
            }
            for one in outcome.samples
        ],
    }


def rounded(values: Any) -> dict[str, float]:
    """Return the values with one decimal."""
    return {name: round(value, 1) for name, value in values.items()}


def show(outcome: SoakOutcome, facts: dict[str, Any]) -> None:
    """Print the table for people, a line of bars for each process's own memory."""
    console = Console()
    table = Table(
        "process", "own memory MiB", f"change in {facts['window_min']:g} min", "highest", "most waiting", "course"
    )
    for one in outcome.courses():
        waiting = facts["highest_lag_records"].get(one.name)
        table.add_row(
            one.name, f"{one.mean_mib:.0f}", f"{one.change_percent:+.2f} %", f"{one.highest_mib:.0f}",
            "" if waiting is None else f"{waiting:.0f}", bars(one.values_mib),
        )  # fmt: skip
    console.print(table)
    if not outcome.is_judged:
        console.print("Too short to judge whether memory is flat: it takes 40 min.")
    show_audit(console, facts)


def bars(values: tuple[float, ...]) -> str:
    """Return a line of bars from 0 to the largest value, at most 40."""
    step = max(1, -(-len(values) // _WIDTH))
    means = [sum(values[at : at + step]) / len(values[at : at + step]) for at in range(0, len(values), step)]
    top = max(means) or 1.0
    return "".join(_BARS[min(len(_BARS) - 1, int(mean / top * len(_BARS)))] for mean in means)


def markdown(outcome: SoakOutcome, facts: dict[str, Any]) -> str:
    """Return the results as a section of a page."""
    rows = [
        f"| {one.name} | {one.mean_mib:.0f} | {one.change_percent:+.2f} % | {one.highest_mib:.0f} | "
        f"{facts['highest_lag_records'].get(one.name, '')} |"
        for one in outcome.courses()
    ]
    lines = [
        *audit_lines(facts, f"{facts['minutes']:g} min, "),
        "",
        f"| process | own memory, MiB | change in {facts['window_min']:g} min | highest MiB | most records waiting |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"Own memory is USS. The change may be {SLOPE_MOST_PERCENT:g} %; a run of less than 40 min is not judged.",
        "",
        *ending_lines(facts),
    ]
    return "\n".join(lines)


def drawing(outcome: SoakOutcome) -> str:
    """Return an SVG with one line a process: own memory over time, each from 0 to its own maximum."""
    width, height = _CHART_PX
    courses = outcome.courses()
    charts = "".join(_chart(one, top=at * (height + 24), minutes=outcome.minutes) for at, one in enumerate(courses))
    total = len(courses) * (height + 24)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" font-family="sans-serif" '
        'font-size="12">'
        f"<title>Own memory of each process over {outcome.minutes:g} min</title>{charts}</svg>\n"
    )


def _chart(course: Course, *, top: int, minutes: float) -> str:
    width, height = _CHART_PX
    values = course.values_mib
    step = width / max(1, len(values) - 1)
    points = " ".join(
        f"{at * step:.1f},{top + 20 + height * (1 - value / course.highest_mib):.1f}" for at, value in enumerate(values)
    )
    words = f"{course.name}: up to {course.highest_mib:.0f} MiB, {minutes:g} min"
    return (
        f'<text x="0" y="{top + 14}">{words}</text>'
        f'<line x1="0" y1="{top + 20 + height}" x2="{width}" y2="{top + 20 + height}" stroke="#999"/>'
        f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>'
    )


def write_drawing(outcome: SoakOutcome, file: Path) -> None:
    """Write the SVG."""
    file.write_text(drawing(outcome), encoding="utf-8")
