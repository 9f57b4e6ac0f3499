"""`pulsera fuzz`: spoiled messages, frames and handshakes against every door, from a seed."""

import asyncio
import json
import logging
import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.fuzz.figures import Figures  # psutil would slow every command down


class Target(StrEnum):
    """What is fuzzed: the first three in this process, the others through sockets of a temporary system."""

    session = "session"
    live = "live"
    topics = "topics"
    device_socket = "device-socket"
    live_socket = "live-socket"
    all = "all"


_IN_PROCESS = (Target.session, Target.live, Target.topics)


def fuzz(
    frames: Annotated[int, typer.Option(help="Spoiled messages or records for each target.", min=2)] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed spoils in the same way.")] = 1,
    target: Annotated[Target, typer.Option(help="What to feed.")] = Target.session,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as well.")] = None,
) -> None:
    """Feed spoiled messages to a decoder, a family or a running socket, and hold every answer to its protocol.

    Exits 1 when an exception escaped, an answer was not a documented one, a value outside its range was taken, a
    process died, or memory grew.

    Example: pulsera fuzz --frames 100000 --seed 1 --target session
    """
    quiet()
    targets = tuple(one for one in Target if one is not Target.all) if target is Target.all else (target,)
    found = [run(one, frames, seed) for one in targets if one in _IN_PROCESS]
    sockets = [one for one in targets if one not in _IN_PROCESS]
    if sockets:
        from infra.fuzz.sockets import fuzz_a_system

        names = [one.value for one in sockets]
        found += asyncio.run(fuzz_a_system(names, frames=frames, seed=seed))
    for figures in found:
        typer.echo("\n".join(figures.lines()))
    if json_file is not None:
        json_file.write_text(json.dumps([figures.as_json() for figures in found], indent=2) + "\n")
    if any(figures.faults for figures in found):
        raise typer.Exit(code=1)


def quiet() -> None:
    """Leave out the lines that every record set aside writes: there are thousands, and they are what is wanted."""
    from infra.logs import configure_logging

    configure_logging("fuzz", level="error")
    for room in ("stream_processors", "api"):
        logging.getLogger(room).setLevel(logging.CRITICAL)
    # A signalling NaN among the spoiled numbers makes numpy warn where it is first copied.
    warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning)


def run(target: Target, frames: int, seed: int) -> "Figures":
    """Fuzz one target of this process."""
    from infra.fuzz.live import LiveFuzz
    from infra.fuzz.session import SessionFuzz
    from infra.fuzz.topics import TopicsFuzz

    if target is Target.session:
        return SessionFuzz(seed).run(frames)
    if target is Target.live:
        return asyncio.run(LiveFuzz(seed).run(frames))
    return asyncio.run(TopicsFuzz(seed).run(frames))
