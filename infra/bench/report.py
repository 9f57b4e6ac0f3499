"""What `pulsera bench path` prints: one table that stands beside the one in docs/performance.md."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.bench import machine
from infra.bench.path import Outcome
from infra.bench.scrape import Percentiles


def show(outcome: Outcome) -> None:
    """Print the table, the machine and the date."""
    console = Console()
    facts = outcome.as_json()
    console.print(
        f"{facts['sent']} readings sent in {facts['sent_rate']:.0f} messages/s (asked for {facts['rate']}), "
        f"{facts['acked']} acknowledged, {facts['stored']} stored: "
        f"{facts['lost']} lost, {facts['doubled']} doubled, {facts['wrong']} wrong"
    )
    spans = Table("span", "p50 ms", "p99 ms", "max ms", "of")
    for name, span in outcome.spans.items():
        if isinstance(span, Percentiles):
            spans.add_row(name, f"{span.p50:.0f}", f"{span.p99:.0f}", f"{span.max:.0f}", str(span.count))
        else:
            spans.add_row(name, span, "", "", "")
    console.print(spans)
    processes = Table("process", "cores", "memory MiB")
    for name, usage in outcome.usage.items():
        processes.add_row(name, f"{usage.cores:.2f}", f"{usage.rss_mib:.0f}")
    processes.add_row("all", f"{sum(usage.cores for usage in outcome.usage.values()):.2f}", "")
    console.print(processes)
    disks = Table("on disk", "MiB", "bytes a reading")
    for kind in facts["sizes"].values():
        for name, size in sorted(kind.items(), key=lambda item: -item[1]["bytes"]):
            disks.add_row(name, f"{size['bytes'] / 1_048_576:.1f}", f"{size['per_reading']:.1f}")
    console.print(disks)
    for line in outcome.refused:
        console.print(f"refused: {line}", markup=False)
    console.print(machine.line())


def write(outcome: Outcome, file: Path) -> None:
    """Write the figures as JSON."""
    file.write_text(json.dumps(outcome.as_json(), indent=2) + "\n")
