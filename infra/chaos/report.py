"""What `pulsera chaos` tells: a table for people, JSON for programs, and its place in a page of the documentation."""

import json
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.bench import machine
from infra.chaos.run import Outcome, Round
from infra.chaos.scene import Audited
from schemas.errors import SetupError


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON that `pulsera chaos --json` writes."""
    return {
        "faults": len(outcome.rounds),
        "kills": sum(len(one.fault.targets) for one in outcome.rounds if one.fault.kind == "kill"),
        **audited_json(outcome.audited),
        "rounds": [_round(number, one) for number, one in enumerate(outcome.rounds, start=1)],
    }


def audited_json(audited: Audited) -> dict[str, Any]:
    """Return what every run under load says."""
    found, alerts, load = audited.findings, audited.alerts, audited.load
    return {
        "seed": audited.plan.seed,
        "rate": audited.plan.rate,
        "connections": audited.plan.connections,
        "sent": found.sent,
        "acked": found.acked,
        "stored": found.stored,
        "lost": found.lost,
        "doubled": found.doubled,
        "wrong": found.wrong,
        "scored": found.scored,
        "late": found.late,
        "neither": found.neither,
        "pulses_expected": audited.pulse.expected,
        "pulses_lost": audited.pulse.lost,
        "pulses_doubled": audited.pulse.doubled,
        "pulses_wrong": audited.pulse.wrong,
        "zone_bins_expected": audited.zones.expected,
        "zone_bins_judged": audited.zones.judged,
        "zone_bins_lost": audited.zones.lost,
        "zone_bins_doubled": audited.zones.doubled,
        "zone_bins_wrong": audited.zones.wrong,
        "alerts_expected": alerts.expected,
        "alerts_missed": alerts.missed,
        "alerts_doubled": alerts.doubled,
        "alerts_unexpected": alerts.unexpected,
        "messages": load.get("acked_messages", 0),
        "made_per_s": round(audited.made_per_s, 1),
        "never_acknowledged": load.get("waiting", 0),
        "lasted_s": round(audited.lasted_s, 1),
        "clients": load.get("counts", {}),
        "refused": load.get("refused", []),
        "carer": audited.carer,
        "breaches": audited.breaches,
        "shown": [*found.shown, *audited.pulse.shown, *audited.zones.shown, *alerts.shown],
        "kept": str(audited.kept) if audited.kept else None,
        **origin(),
    }


def _round(number: int, one: Round) -> dict[str, Any]:
    return {
        "round": number,
        "fault": one.fault.kind,
        "targets": list(one.fault.targets),
        "recovery_s": None if one.recovery_s is None else round(one.recovery_s, 2),
        "worst_ack_s": round(one.worst_ack_s, 2),
        "trouble": one.trouble,
        "waited_for": one.waits,
    }


def origin() -> dict[str, str]:
    """Return where, when and of which code figures are."""
    told = machine.facts()
    return {
        "machine": f"{told['cores']} cores, {told['processor']}, Python {told['python']}",
        "date": f"{told['at'][:16].replace('T', ' ')} UTC",
        "commit": told["commit"] or "unknown",
    }


def show(facts: dict[str, Any]) -> None:
    """Print the tables for people."""
    console = Console()
    rounds = Table("fault", "rounds", "well again s: median", "worst", "slowest ack s")
    for row in by_fault(facts["rounds"]):
        rounds.add_row(*row)
    console.print(rounds)
    console.print(f"{facts['faults']} faults, {facts['kills']} processes killed")
    show_audit(console, facts)


def show_audit(console: Console, facts: dict[str, Any]) -> None:
    """Print what became of the readings and alerts, and every breach."""
    console.print(
        f"{facts['messages']} messages with {facts['acked']} readings acknowledged in {facts['lasted_s']:.0f} s: "
        f"{facts['lost']} lost, {facts['doubled']} doubled, {facts['wrong']} wrong\n"
        f"{facts['made_per_s']:.0f} messages/s made; {facts['neither']} readings neither scored nor counted as late\n"
        f"{facts['pulses_expected']} seconds with a pulse of a camera: {facts['pulses_lost']} lost, "
        f"{facts['pulses_doubled']} doubled, {facts['pulses_wrong']} wrong\n"
        f"{facts['zone_bins_expected']} bins of zones due: {facts['zone_bins_lost']} lost, "
        f"{facts['zone_bins_doubled']} told in two ways, {facts['zone_bins_wrong']} of {facts['zone_bins_judged']} "
        "with enough wearers judged told as if nobody were there\n"
        f"{facts['alerts_expected']} alerts expected: {facts['alerts_missed']} missed, "
        f"{facts['alerts_doubled']} doubled ({facts['alerts_unexpected']} others)"
    )
    console.print(f"clients: {counted(facts['clients'])}", markup=False)
    console.print(f"seed {facts['seed']}, {facts['machine']}, {facts['date']}, commit {facts['commit']}", markup=False)
    for line in (*facts["refused"], *facts["shown"]):
        console.print(line, markup=False)
    if facts["breaches"]:
        console.print(
            f"BROKEN: {', '.join(facts['breaches'])}. Data and logs are kept in {facts['kept']}", markup=False
        )


def by_fault(rounds: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return a row for each kind and target, pairs together: rounds, recovery (median, worst), slowest ack."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in rounds:
        alone = len(one["targets"]) == 1
        groups.setdefault(f"{one['fault']} {one['targets'][0] if alone else 'of two at once'}", []).append(one)
    rows: list[tuple[str, ...]] = []
    for name, ones in sorted(groups.items(), key=lambda item: ("two" in item[0], item[0])):
        times = [one["recovery_s"] for one in ones if one["recovery_s"] is not None]
        worst = "not in time" if len(times) < len(ones) else f"{max(times):.1f}"
        ack = f"{max(one['worst_ack_s'] for one in ones):.1f}"
        rows.append((name, str(len(ones)), f"{median(times):.1f}" if times else "", worst, ack))
    return rows


def counted(counts: dict[str, int]) -> str:
    """Return counts in words."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))


def write_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; raises SetupError without them."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    content = page.read_text(encoding="utf-8")
    before, found, rest = content.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SetupError(f"{page} has no place for the figures.", next_step=f"Put {begin} and {end} into it.")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def markdown(facts: dict[str, Any]) -> str:
    """Return the results as a section of a page."""
    lines = [
        *audit_lines(facts, f"{facts['faults']} faults ({facts['kills']} processes killed), "),
        "",
        "| fault | rounds | well again, median s | worst s | slowest ack s |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in by_fault(facts["rounds"])),
        "",
        *ending_lines(facts),
    ]
    return "\n".join(lines)


def audit_lines(facts: dict[str, Any], what: str) -> list[str]:
    """Return how much was sent, and the table of what became of it."""
    made = f"(made: {facts['made_per_s']:,.0f})"
    load = f"at {facts['rate']:,} messages/s {made} over {facts['connections']} devices"
    amount = (
        f"{facts['messages']:,} messages with {facts['acked']:,} readings acknowledged in {facts['lasted_s']:,.0f} s"
    )
    names = ("lost", "doubled", "wrong", "alerts_expected", "alerts_missed", "alerts_doubled")
    return [
        f"{amount} {load}, {what}seed {facts['seed']}.",
        "",
        "| lost | doubled | wrong | alerts expected | missed | doubled |",
        "|---|---|---|---|---|---|",
        f"| {' | '.join(f'{facts[name]:,}' for name in names)} |",
    ]


def ending_lines(facts: dict[str, Any]) -> list[str]:
    """Return what the clients did, and where the figures come from."""
    return [
        f"The clients meanwhile: {counted(facts['clients'])}.",
        "",
        f"{facts['machine']}, {facts['date']}, commit {facts['commit']}.",
    ]


def write_json(facts: dict[str, Any], file: Path) -> None:
    """Write the figures as JSON."""
    file.write_text(json.dumps(facts, indent=2) + "\n")
