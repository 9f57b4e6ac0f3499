"""`pulsera dead-letters`: what could not be handled, one line each; its bytes into a file; and back onto its topic."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

dead_letters = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look at records that could not be handled, and try them again."
)

Name = Annotated[str, typer.Argument(help="FAMILY:TOPIC:PARTITION:OFFSET, as `list` prints it.")]


@dead_letters.command("list")
def list_letters(
    family: Annotated[str | None, typer.Option(help="Only what this family set aside.")] = None,
) -> None:
    """Print one line a dead letter: when, which record, why. What is in a record is not printed.

    Example: pulsera dead-letters list --family storage
    """
    from infra.dead_letters import all_letters
    from infra.settings import load_settings

    found = [letter for letter in asyncio.run(all_letters(load_settings())) if family in {None, letter.family}]
    for letter in found:
        at = datetime.fromtimestamp(letter.append_ms / 1000, UTC).isoformat(timespec="seconds")
        typer.echo(f"{at}  {letter.record_key.decode()}  {len(letter.value)} bytes  {letter.error}: {letter.detail}")
    typer.echo(f"{len(found)} dead letters" if found else "No dead letters.", err=True)


@dead_letters.command("show")
def show(
    name: Name, out: Annotated[Path, typer.Option(help="File for the record's bytes: they are health data.")]
) -> None:
    """Write the bytes of one dead letter to a file that only you can read.

    Example: pulsera dead-letters show storage:readings.v1:3:1207 --out record.arrow
    """
    from infra.dead_letters import all_letters, pick
    from infra.embedded.data_dir import write_private_bytes
    from infra.settings import load_settings

    letter = pick(asyncio.run(all_letters(load_settings())), name)
    write_private_bytes(out, letter.value)
    typer.echo(f"{letter.error}: {letter.detail} (family {letter.family}, version {letter.version}); written to {out}")


@dead_letters.command("retry")
def retry(name: Name) -> None:
    """Append one dead letter's record to its topic again; what was handled before does not count twice.

    Example: pulsera dead-letters retry storage:readings.v1:3:1207
    """
    from infra.dead_letters import all_letters, append_again, pick
    from infra.settings import load_settings

    settings = load_settings()
    letter = pick(asyncio.run(all_letters(settings)), name)
    asyncio.run(append_again(settings, letter))
    typer.echo(
        f"Appended to {letter.topic}, partition {letter.partition}. If it cannot be handled, it comes back here."
    )
