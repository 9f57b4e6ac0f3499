"""`pulsera chaos` and `pulsera soak`."""

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.chaos.plan import TARGETS, chosen_targets, draw_plan, with_evictions
from infra.termination import run_until_terminated

if TYPE_CHECKING:
    from infra.chaos.scene import LoadPlan  # numpy and pyarrow would slow every command down

_RateOption = typer.Option(help="Messages a second over all devices.", min=1)
_ConnectionsOption = typer.Option(help="Devices, one wearer each.", min=2)
_SeedOption = typer.Option(help="Draws the same faults, values and trouble again. Default: a new one, printed.")
_JsonOption = typer.Option("--json", help="Write the result to this file as well.")
_MarkdownOption = typer.Option(help="Put the result into this page, at the place marked for it.")


def chaos(
    kill: Annotated[str, typer.Option(help="What to strike, separated by commas.")] = ",".join(TARGETS),
    rounds: Annotated[
        int,
        typer.Option(
            help="Rounds for each target: 20 with nine targets are 180 faults, one after the other. A target is first "
            "killed, stopped for 10 s and restarted alone, then together with another.",
            min=1,
        ),
    ] = 1,
    evict: Annotated[
        int,
        typer.Option(
            help="Further rounds for each of storage, vitals and care, in which its worker is stopped for 40 s, longer "
            "than its group waits: a second worker takes over, and the first must notice.",
            min=0,
        ),
    ] = 0,
    seed: Annotated[int | None, _SeedOption] = None,
    rate: Annotated[int, _RateOption] = 3_000,
    connections: Annotated[int, _ConnectionsOption] = 300,
    json_file: Annotated[Path | None, _JsonOption] = None,
    markdown: Annotated[Path | None, _MarkdownOption] = None,
) -> None:
    """Strike a temporary system under load, then audit every acknowledged reading and every injected episode.

    Devices are cut off, repeat, split and reorder messages and send late bursts the whole time; where the worker of
    video is among what is struck, a camera films; where that of zones is, a second one runs on standby and everybody
    tells where they are. Exits 1 when a reading, a second of the camera's pulse or a bin of a zone was lost, doubled or
    changed, an alert missed or doubled, or the system not well again within 60 s of a fault.

    Example: pulsera chaos --kill kafka,gateway,postgres --rounds 3 --seed 7 --json chaos.json
    """
    from infra.chaos import report
    from infra.chaos.run import run_chaos
    from infra.logs import configure_logging

    targets = chosen_targets(kill)
    configure_logging("chaos", level="error")  # that the camera loses its connection is what the run is for
    plan = _load_plan(seed, rate, connections)
    faults = with_evictions(draw_plan(targets, rounds=rounds, seed=plan.seed), evictions=evict, seed=plan.seed)
    facts = report.as_json(run_until_terminated(run_chaos(plan, faults, _say)))
    report.show(facts)
    if json_file is not None:
        report.write_json(facts, json_file)
    if markdown is not None:
        report.write_between(markdown, "chaos", report.markdown(facts))
    if facts["breaches"]:
        raise typer.Exit(code=1)


def soak(
    minutes: Annotated[float, typer.Option(help="How long; memory is judged from 40 min on.", min=0.5)] = 60.0,
    rate: Annotated[int, _RateOption] = 3_000,
    connections: Annotated[int, _ConnectionsOption] = 300,
    seed: Annotated[int | None, _SeedOption] = None,
    json_file: Annotated[Path | None, _JsonOption] = None,
    markdown: Annotated[Path | None, _MarkdownOption] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw each process's memory into this SVG file.")] = None,
) -> None:
    """Load a temporary system for an hour: is memory flat, is the lag bounded, is anything lost or doubled?

    The clients make the same trouble as in `pulsera chaos`; nothing is struck. Memory of every process and the records
    that wait are sampled each 10 s. Exits 1 on a breach, or when a process's own memory grew by more than 1 % of its
    mean over the last 30 min.

    Example: pulsera soak --minutes 60 --rate 3000 --json soak.json --plot soak.svg
    """
    from infra.chaos import report, soak_report
    from infra.chaos.soak import run_soak

    outcome = run_until_terminated(run_soak(_load_plan(seed, rate, connections), minutes, _say))
    facts = soak_report.as_json(outcome)
    soak_report.show(outcome, facts)
    if json_file is not None:
        report.write_json(facts, json_file)
    if markdown is not None:
        report.write_between(markdown, "soak", soak_report.markdown(outcome, facts))
    if plot is not None:
        soak_report.write_drawing(outcome, plot)
    if facts["breaches"]:
        raise typer.Exit(code=1)


def _load_plan(seed: int | None, rate: int, connections: int) -> "LoadPlan":
    from infra.chaos.scene import LoadPlan

    chosen = secrets.randbelow(2**31) if seed is None else seed
    _say(f"seed {chosen}")
    return LoadPlan(seed=chosen, rate=rate, connections=connections)


def _say(words: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {words}", err=True)
