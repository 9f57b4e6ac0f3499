"""What `pulsera bench reads` prints: tables that stand in docs/performance.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.bench import machine
from infra.bench.reads import Outcome


def show(outcome: Outcome) -> None:
    """Print the tables, the machine and the date."""
    console, facts = Console(), outcome.as_json()
    console.print(f"{facts['database']}: {facts['rows']} readings stored, {facts['rate']} messages/s while asking")
    answers = Table("question", "asked", "p50 ms", "p99 ms", "max ms")
    for name, told in facts["answers_ms"].items():
        answers.add_row(name, str(told["asked"]), *(f"{told[part]:.1f}" for part in ("p50", "p99", "max")))
    console.print(answers)
    console.print(_spent(facts["answers_ms"]))
    sizes = Table("MiB per million readings", "rows", "indexes", "sums")
    for name, parts in facts["mib_per_million_rows"].items():
        sizes.add_row(name, *(f"{parts[part]:.1f}" for part in ("rows", "indexes", "sums")))
    console.print(sizes)
    if facts["compression"]:
        console.print(f"compressed days are {facts['compression']} times smaller than they were")
    writing = Table("writing", "rows/s")
    writing.add_row("COPY of new rows", f"{facts['copy_rows_s']}")
    for name, value in facts["merge_rows_s"].items():
        writing.add_row(f"storage's transaction, {name}", f"{value}")
    console.print(writing)
    for name, seconds in facts["settled_s"].items():
        console.print(f"{name}: {seconds} s")
    console.print("cores: " + ", ".join(f"{name} {cores:.2f}" for name, cores in facts["cpu"].items()))
    console.print(machine.line())


def _spent(answers: Mapping[str, Any]) -> Table:
    """Return where answers spent their time on average: the quicker half of each question, the slowest hundredth."""
    table = Table("ms spent", "in all", "API's loop ran", "it waited for a core", "the asker did", "rest")
    for name, told in answers.items():
        for which, of in (("quicker half", "usual"), ("slowest 1 %", "slowest")):
            parts = told["spent"][of]
            shown = (parts[part] for part in ("took", "api_ran", "api_waited", "asker_waited", "rest"))
            table.add_row(f"{name}, {which}", *("no figure" if value is None else f"{value:.2f}" for value in shown))
    return table


def write(outcome: Outcome, file: Path) -> None:
    """Write the figures as JSON."""
    file.write_text(json.dumps(outcome.as_json(), indent=2) + "\n")
