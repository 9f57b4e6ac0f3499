"""The log of runs: a line for every evaluation that looked at wearers who are held out, also one that was cut short.

The log is data beside the shipped weights, a JSON object a line, appended before anything is scored. Equal lines stay.
A line that was not written so has a `note` that says how it came there.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from schemas.errors import RecordingError

FILE: Final = "runs.jsonl"
_KEYS: Final = {"at", "commit", "model", "weights", "data", "seed", "wearers", "rows", "quick"}
"""What every line tells; what is not known of a run is null."""


def append(log: Path, entry: Mapping[str, Any]) -> None:
    """Add a line in one write, so that runs beside one another keep theirs.

    Raises:
        OSError: The log cannot be written.
    """
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def read(log: Path) -> list[dict[str, Any]]:
    """Return the runs so far, oldest first; none where there is no log.

    Raises:
        RecordingError: A line is no run.
    """
    if not log.is_file():
        return []
    found = []
    for number, line in enumerate(log.read_text(encoding="utf-8").splitlines(), 1):
        try:
            told = json.loads(line)
        except ValueError as error:
            raise RecordingError(f"Line {number} of {log} is no run of an evaluation.") from error
        if not isinstance(told, dict) or not told.keys() >= _KEYS:
            raise RecordingError(f"Line {number} of {log} is no run of an evaluation.")
        found.append(told)
    return found


def joined(*logs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs of several logs, oldest first: one that stands in two is one, but as often as in either.

    A note on a run does not make it another.
    """
    runs: list[dict[str, Any]] = []
    for log in logs:
        known = Counter(map(_identity, runs))
        for one in log:
            if known[_identity(one)] > 0:
                known[_identity(one)] -= 1
            else:
                runs.append(dict(one))
    return sorted(runs, key=lambda one: str(one["at"]))


def alike(runs: Iterable[Mapping[str, Any]], entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the runs of the same weights that looked at any of the same wearers of the same data."""
    return [
        one
        for one in runs
        if all(one[key] is not None and one[key] == entry[key] for key in ("weights", "data"))
        and not set(one["wearers"]).isdisjoint(entry["wearers"])
    ]


def _identity(run: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in run.items() if key != "note"}, sort_keys=True)


def held_out(wearers: Sequence[str], developed_on: Sequence[str]) -> bool:
    """Whether a run looks at anybody on whom nothing was developed."""
    return not set(wearers) <= set(developed_on)


def digest(path: Path) -> str:
    """Return the beginning of a data file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
