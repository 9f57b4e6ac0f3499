"""The page's parts on what made which row, and on every run that looked at wearers held out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inference.pulsenet.evaluation.markdown import paragraph, table
from inference.pulsenet.evaluation.origin import OLDER, by_other_code, groups

RUNS: Final = "## Runs"
_MADE: Final = """\
What made which rows and parts of this page, as each tells. Weights: the beginning of a digest of all that the row reads
of a model; nothing where it reads none. A plus: the code was changed since the commit.

"""
_OLDER: Final = """\
Up to protocol {protocol} a rate without a threshold had the recall 0, and nobody was asked without whom the model was
developed on: such figures follow from the events found and the alarms, where those are told, without a delay.

"""
_OTHER: Final = (
    "Other code than that of {model}'s own row made {names}: what was changed in between is in the differences too."
)
_LABELS_SINCE: Final = "2026-11-22 09:30 (UTC)"
_LOG: Final = """\
Every run with this log that looked at wearers held out: `runs.jsonl` beside the shipped weights, to which the command
adds a line before it scores anything, read when this page was written. A run by changed code that writes no log, or
where the package may not be written, is not in it. Equal lines stay. A plus: the code was changed since the commit.
Weights: the beginning of one digest of all that decides; data: of the digest of the file of minutes. People of
recordings with labels are named in lines from {since} on: an earlier line does not tell whether it looked at them.

"""
_LOOKS: Final = """\
Wearers held out are meant to be looked at once by each released model. So often they were:

"""


def origins(report: Mapping[str, Any]) -> str:
    """Which commit and which weights made what."""
    told = groups(report)
    if not told:
        return ""
    columns = ("protocol", "commit", "weights", "rows and parts")
    older = [protocol for protocol, *_ in told if protocol in map(str, OLDER)]
    lines = [(protocol, commit, weights or "-", names) for protocol, commit, weights, names in told]
    others = by_other_code(report)
    other = paragraph(_OTHER.format(model=report["model"], names=", ".join(others))) if others else ""
    return f"{_MADE}{table(columns, lines)}\n{_OLDER.format(protocol=max(older)) if older else ''}{other}"


def log(runs: Sequence[Mapping[str, Any]]) -> str:
    """All runs, and how many of them looked with the same weights."""
    columns = ("at (UTC)", "commit", "model", "weights", "data", "seed", "wearers", "rows", "note")
    lines = [
        (
            one["at"].removesuffix("+00:00"),
            one["commit"] or "-",
            one["model"] + (" (quick)" if one["quick"] else ""),
            one["weights"] or "-",
            one["data"] or "-",
            one["seed"],
            " ".join(one["wearers"]),
            one["rows"],
            one.get("note", ""),
        )
        for one in runs
    ]
    return f"{RUNS}\n\n{_LOG.format(since=_LABELS_SINCE)}{table(columns, lines)}{_looks(runs)}"


def _looks(runs: Sequence[Mapping[str, Any]]) -> str:
    counted: dict[tuple[str, str], list[str]] = {}
    for one in runs:
        counted.setdefault((one["weights"] or "not noted", one["data"] or "not noted"), []).append(one["model"])
    lines = [
        (weights, data, len(models), ", ".join(f"{name} {models.count(name)}" for name in dict.fromkeys(models)))
        for (weights, data), models in counted.items()
    ]
    return f"\n{_LOOKS}{table(('weights', 'data', 'runs', 'of these of'), lines)}" if lines else ""
