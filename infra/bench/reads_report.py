"""What `pulsera bench reads` prints: tables that stand in docs/performance.md."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.bench import machine
from infra.bench.reads import Outcome


def show(outcome: Outcome) -> None:
    """Print the tables, the machine and the date."""
    console, facts = Console(), outcome.as_json()
    console.print(f"{facts['database']}: {facts['rows']} readings stored, {facts['rate']} messages/s while asking")
    answers = Table("question", "asked", "p50 ms", "p99 ms", "max ms")
    for name, (asked, spans) in outcome.answers.items():
        answers.add_row(name, str(asked), *(f"{value:.1f}" for value in (spans.p50, spans.p99, spans.max)))
    console.print(answers)
    sizes = Table("MiB per million readings", "rows", "indexes", "sums")
    for name, parts in facts["mib_per_million_rows"].items():
        sizes.add_row(name, *(f"{parts[part]:.1f}" for part in ("rows", "indexes", "sums")))
    console.print(sizes)
    if facts["compression"]:
        console.print(f"compressed days are {facts['compression']} times smaller than they were")
    writing = Table("writing", "rows/s")
    writing.add_row("COPY of new rows", f"{facts['copy_rows_s']}")
    for name, value in facts["merge_rows_s"].items():
        writing.add_row(f"COPY and merge, {name}", f"{value}")
    console.print(writing)
    for name, seconds in facts["settled_s"].items():
        console.print(f"{name}: {seconds} s")
    console.print("cores: " + ", ".join(f"{name} {cores:.2f}" for name, cores in facts["cpu"].items()))
    console.print(machine.line())


def write(outcome: Outcome, file: Path) -> None:
    """Write the figures as JSON."""
    file.write_text(json.dumps(outcome.as_json(), indent=2) + "\n")
