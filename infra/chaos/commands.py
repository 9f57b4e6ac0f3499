"""`pulsera chaos` and `pulsera soak`."""

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from infra.chaos.plan import TARGETS, chosen_targets

Result = TypeVar("Result")

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
            help="Rounds for each target: 20 with seven targets are 140 faults, one after the other. A target is first "
            "killed, stopped for 10 s and restarted alone, then together with another.",
            min=1,
        ),
    ] = 1,
    seed: Annotated[int | None, _SeedOption] = None,
    rate: Annotated[int, _RateOption] = 3_000,
    connections: Annotated[int, _ConnectionsOption] = 300,
    json_file: Annotated[Path | None, _JsonOption] = None,
    markdown: Annotated[Path | None, _MarkdownOption] = None,
) -> None:
    """Strike a temporary system under load, then audit every acknowledged reading and every injected episode.

    Devices are cut off, repeat, split and reorder messages and send late bursts the whole time. Exits 1 when a reading
    was lost, doubled or changed, an alert missed or doubled, or the system not well again within 60 s of a fault.

    Example: pulsera chaos --kill kafka,gateway,postgres --rounds 3 --seed 7 --json chaos.json
    """
    from infra.chaos import report
    from infra.chaos.run import ChaosPlan, run_chaos

    chosen = secrets.randbelow(2**31) if seed is None else seed
    plan = ChaosPlan(targets=chosen_targets(kill), rounds=rounds, seed=chosen, rate=rate, connections=connections)
    _say(f"seed {chosen}")
    facts = report.as_json(_run(run_chaos(plan, _say)))
    report.show(facts)
    if json_file is not None:
        report.write_json(facts, json_file)
    if markdown is not None:
        report.write_between(markdown, "chaos", report.markdown(facts))
    if facts["breaches"]:
        raise typer.Exit(code=1)


def _say(words: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {words}", err=True)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the work; SIGTERM ends it like Ctrl-C: processes ended, folder removed."""
    terminated = False

    async def main() -> Result:
        task = asyncio.ensure_future(work)

        def terminate() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await task

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        if not terminated:
            raise
        sys.exit(128 + signal.SIGTERM)
