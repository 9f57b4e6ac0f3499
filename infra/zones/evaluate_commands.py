"""`pulsera evaluate zones`: how often zones alarm without cause, and what they see, in a made city."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from infra.written_files import check_written
from schemas.errors import SetupError

BEGIN: Final = "<!-- zones:begin -->"
END: Final = "<!-- zones:end -->"
BEGIN_SHIFT: Final = "<!-- common-shift:begin -->"
END_SHIFT: Final = "<!-- common-shift:end -->"
LEAST_PROMISED: Final = 1.0
"""Where fewer alarms are promised in all the years, their number says nothing of how often they come."""
RINGS: Final = 4
"""Radius of the city that lives in a whole system: 100 wearers are not many for more."""


def zones(  # noqa: PLR0913 - each is an option of the command line
    *,
    json_file: Annotated[Path | None, typer.Option("--json", help="Report to write.")] = None,
    wearers: Annotated[int, typer.Option(help="People of the made city.", min=200, max=50_000)] = 2_000,
    rings: Annotated[int, typer.Option(help="Its radius in cells of 0.74 km2.", min=3, max=26)] = 8,
    years: Annotated[float, typer.Option(help="Clean years that are judged.", min=0.05, max=20.0)] = 1.0,
    learn_days: Annotated[int, typer.Option(help="Days before, from which thresholds are learned.", min=14)] = 56,
    trials: Annotated[int, typer.Option(help="Events of each size and strength; a quarter for shifts.", min=10)] = 100,
    seed: Annotated[int, typer.Option(help="Decides the city and the events.", min=0)] = 1,
    page: Annotated[Path | None, typer.Option(help="Page whose figures are replaced.")] = None,
    end_to_end: Annotated[
        float | None,
        typer.Option(
            help="Instead: minutes of a made city through a whole temporary system, in real time. 60 are worth it.",
            min=10,
            max=1_440,
        ),
    ] = None,
    common_shift: Annotated[
        bool, typer.Option("--common-shift", help="Instead: +6 bpm in 100 wearers at rest, through the vitals' model.")
    ] = False,
    people: Annotated[int, typer.Option(help="Of a whole system: its wearers.", min=20, max=500)] = 100,
    event: Annotated[
        str | None, typer.Option(help="Of it: what happens (heat, smoke, crush); crush if not told.")
    ] = None,
    decoy: Annotated[
        str | None, typer.Option(help="Of it: what is none (firmware, backfill, activity); activity if not told.")
    ] = None,
) -> None:
    """Follow a made city in which nothing happens, then let things happen in it.

    Everything is simulated at the level of scores. Takes about 5 min of one core for a year of 2,000 wearers.

    Example: pulsera evaluate zones --years 1 --json zones.json

    Example: pulsera evaluate zones --common-shift --json shift.json

    Example: pulsera evaluate zones --end-to-end 60 --people 100 --seed 7 --json hour.json
    """
    if end_to_end is None and (event or decoy):
        raise typer.BadParameter("--event and --decoy are of a whole system: add --end-to-end 60.")
    if end_to_end is not None and common_shift:
        raise typer.BadParameter("Either --end-to-end or --common-shift: each is a run of its own.")
    check_written(json_file, page)
    if page is not None and end_to_end is None:
        _check_page(page, *((BEGIN_SHIFT, END_SHIFT) if common_shift else (BEGIN, END)))
    if end_to_end is not None:
        _whole_system(end_to_end, people, seed, event or "crush", decoy or "activity", json_file)
        return
    if common_shift:
        _common_shift(seed, json_file, page)
        return
    report = _made_city(wearers, rings, years=years, learn_days=learn_days, trials=trials, seed=seed)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    text = told(report)
    typer.echo(text)
    if page is not None:
        _replace(page, text, BEGIN, END)


def _made_city(wearers: int, rings: int, *, years: float, learn_days: int, trials: int, seed: int) -> dict[str, Any]:
    from inference.zones import befallen, evaluation
    from inference.zones.city import CityPlan
    from infra.models.progress import Stages

    typer.echo(f"seed {seed}; {wearers} wearers, {years:g} clean years after {learn_days} days", err=True)
    with Stages() as stages:
        begun: dict[str, Callable[[int, int], None]] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in begun:
                begun[stage] = stages.begin(stage)
            begun[stage](done, total)

        plan = CityPlan(wearers=wearers, rings=rings, seed=seed)
        rates, monitor, city = evaluation.clean_years(plan, years=years, learn_days=learn_days, progress=progress)
        seen = evaluation.power(monitor, city, trials=trials, seed=seed, progress=progress)
        often = max(trials * 3 // 5, 10)
        fooled = befallen.decoys(monitor, city, trials=often, seed=seed, progress=progress)
        real = befallen.events(monitor, city, trials=often, seed=seed, progress=progress)
        times = evaluation.scan_times()
    judged = rates[f"{evaluation.JUDGED_DAYS:g}"]
    return {
        "data": "simulated",
        "seed": seed,
        "wearers": wearers,
        "cells": len(city.cells),
        "years": years,
        "false_alarms_per_year": judged["per_year"],
        "promised_per_year": judged["promised_per_year"],
        "ratio_ci95": judged["ratio_ci95"],
        "rates": rates,
        "power": seen["count"],
        "shift": seen["shift"],
        "decoys": fooled,
        "events": real,
        "scan_ms": times,
    }


def _common_shift(seed: int, json_file: Path | None, page: Path | None) -> None:
    from infra.models.progress import Stages
    from infra.zones import common_shift

    typer.echo(f"seed {seed}", err=True)
    with Stages() as stages:
        progress = stages.begin("minutes of made wearers")
        report = common_shift.common_shift(common_shift.ShiftPlan(seed=seed), progress=progress)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    text = common_shift.told(report)
    typer.echo(text)
    if page is not None:
        _replace(page, text, BEGIN_SHIFT, END_SHIFT)


def _whole_system(minutes: float, people: int, seed: int, event: str, decoy: str, json_file: Path | None) -> None:
    from ingest.client.happenings import DECOYS, EVENTS

    if event not in EVENTS or decoy not in DECOYS:
        raise typer.BadParameter(f"An event is one of {', '.join(EVENTS)}; a decoy one of {', '.join(DECOYS)}.")
    from infra.zones import end_to_end

    typer.echo(f"seed {seed}; {people} wearers, {minutes:g} min in real time", err=True)
    report = asyncio.run(
        end_to_end.end_to_end(minutes=minutes, people=people, rings=RINGS, seed=seed, event=event, decoy=decoy)
    )
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    typer.echo(end_to_end.told(report))


def told(report: dict[str, Any]) -> str:
    """Return the report in tables."""
    city = f"{report['wearers']:,} made wearers, {report['cells']} cells, {report['years']:g} clean years"
    lines = [
        f"{city}, seed {report['seed']}. All simulated.",
        "",
        "| threshold: once in | promised a year | alarms a year | realised / promised [95 %] |",
        "|---|---|---|---|",
    ]
    for days, rate in report["rates"].items():
        lines.append(
            f"| {days} days | {rate['promised_per_year']:.1f} | {rate['per_year']:.1f} | "
            f"{_ratio(rate, report['years'])} |"
        )
    lines += ["", *_power_table(report["power"], "extra", "flags raised in one bin, share of the wearers"), ""]
    lines += [
        *_power_table(
            report["shift"], "shift", "everybody's deviate raised for an hour, by (minutes until told, median)"
        ),
        "",
    ]
    lines += _befallen_table("what is no distress", report["decoys"], ("labelled", "notices"))
    lines += [
        "",
        *_befallen_table(
            "distress of 100 wearers, a fifth of them flagged in each bin", report["events"], ("alerts", "possible")
        ),
    ]
    times = report["scan_ms"]
    size = f"{times['cells']} cells with {times['shapes']} shapes"
    lines += [
        "",
        f"One bin of 50,000 wearers in {size}: {times['p50']:.1f} ms of one core ({times['max']:.1f} at most).",
    ]
    return "\n".join(lines)


def _ratio(rate: dict[str, Any], years: float) -> str:
    if rate["promised_per_year"] * years < LEAST_PROMISED:
        return f"no estimate: {years:g} years are too short"
    low, high = rate["ratio_ci95"]
    return f"{rate['ratio']:.2f} [{low:.2f}, {high:.2f}]"


def _power_table(rows: list[dict[str, Any]], amount: str, words: str) -> list[str]:
    amounts = sorted({row[amount] for row in rows})
    least, most = (pick(row["trials"] for row in rows) for pick in (min, max))
    trials = f"{most}" if least == most else f"{least} to {most}"
    found = [
        f"Seen at the once-a-year threshold, share of {trials} events each; {words}:",
        "",
        "| active wearers | " + " | ".join(f"{one:g}" for one in amounts) + " |",
    ]
    found.append("|---" * (len(amounts) + 1) + "|")
    for active in sorted({row["active"] for row in rows}):
        cells = {row[amount]: row for row in rows if row["active"] == active}
        shown = [_seen(cells[one], after=amount == "shift") if one in cells else "" for one in amounts]
        found.append(f"| {active} | " + " | ".join(shown) + " |")
    return found


def _seen(row: dict[str, Any], *, after: bool) -> str:
    minutes = f" ({row['delay_min']:g})" if after and row["delay_min"] is not None else ""
    return f"{row['detected']:.2f}{minutes}"


def _befallen_table(what: str, rows: dict[str, dict[str, int]], kept: tuple[str, str]) -> list[str]:
    columns = ("trials", "alarms", *kept)
    told = [f"| {name} | " + " | ".join(str(row[one]) for one in columns) + " |" for name, row in rows.items()]
    return [f"| {what} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|", *told]


def _check_page(page: Path, begin: str, end: str) -> None:
    if not page.is_file() or end not in page.read_text().partition(begin)[2]:
        raise SetupError(
            f"{page} has no place for the figures.", next_step=f"Write {begin} and {end} into it, each on its line."
        )


def _replace(page: Path, text: str, begin: str, end: str) -> None:
    before = page.read_text()
    head, rest = before.split(begin, 1)
    page.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")
