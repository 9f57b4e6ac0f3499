"""Where rows stem from: by which commit and of which weights, and which rows of an earlier report may stand beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.pulsenet.evaluation.detectors.variants import MAIN, VARIANTS
from inference.pulsenet.weights.loading import NAMES, Kind, deciding
from schemas.errors import RecordingError

PROTOCOL: Final = 3
"""Raised with every change of what is an event, an alarm or a hit, or of what a row means."""
OLDER: Final = (2,)
"""Protocols whose rows may stand beside, marked as theirs, since their hits are the same: up to 2 a rate without a
threshold had the recall 0, and nobody was asked without whom the model was developed on."""
FAULTS: Final = "faults"
"""The task that puts every fault into made people."""
LABELLED: Final = "labelled"
"""The task that looks at recordings with labels of real people."""
BLIND: Final = "blind"
"""The task that shows what a network of the earlier system cannot see, whatever its weights."""
EARLIER: Final = "earlier"
"""What a network of the earlier system says case by case; comes with its row."""
EXAMPLE: Final = "example"
"""One episode; comes with the model's row."""
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    FAULTS: (FAULTS, "untouched"),
    LABELLED: (LABELLED,),
    BLIND: (BLIND,),
    EARLIER: (EARLIER,),
    EXAMPLE: (EXAMPLE,),
}
"""Parts of a report that are no rows, and the keys of each."""
_DIGITS: Final = 12
_NOT_TOLD: Final = "not told"
_MUST_AGREE: Final = ("seed", "quick", "wearers", "given")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a report made before gives to another.

    Attributes:
        rows: By name, each with what made it.
        parts: Keys of the report.
        made: What made each part; a digest of weights that nobody told is None.
        left: Names of rows and parts that read other weights than those of now, and are left out.
    """

    rows: dict[str, Any]
    parts: dict[str, Any]
    made: dict[str, Any]
    left: tuple[str, ...]


def kinds_of(name: str) -> tuple[Kind, ...]:
    """Return which weights a row or a part reads."""
    if name == FAULTS:
        return tuple(dict.fromkeys(one.kind for one in VARIANTS if one.whole))
    if name in {LABELLED, EXAMPLE}:
        return (MAIN.kind,)
    return tuple(one.kind for one in VARIANTS if one.name == name)


def origin(name: str, folder: Path, commit: str | None) -> dict[str, Any]:
    """Return what makes a row or a part now: protocol, commit, and a digest of each kind of weights that it reads."""
    weights = {kind: deciding(folder, kinds=(kind,))[:_DIGITS] for kind in kinds_of(name)}
    return {"protocol": PROTOCOL, "commit": commit, "weights": weights}


def carried(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> Carried:
    """Return what a report made before can give to one of the same study: all that reads the same weights, or none.

    Raises:
        RecordingError: It is of other recordings, places, people, or of a protocol that cannot stand beside.
    """
    if before.get("protocol") not in {PROTOCOL, *OLDER}:
        _refuse("protocol")
    parts = [name for name, keys in PARTS.items() if keys[0] in before]
    of_model = any(kinds_of(name) for name in (*before["detectors"], *parts))
    for key in (*_MUST_AGREE, *(("model",) if of_model else ())):
        if before.get(key) != now[key]:
            _refuse(key)
    rows: dict[str, Any] = {}
    left: list[str] = []
    for name, row in before["detectors"].items():
        made = _made(name, row.get("made"), before, folder)
        if made is None:
            left.append(name)
        else:
            rows[name] = dict(row) if "absent" in row else {**row, "made": made}
    origins = {name: _made(name, before.get("made", {}).get(name), before, folder) for name in parts}
    kept = {name: made for name, made in origins.items() if made is not None}
    return Carried(
        rows=rows,
        parts={key: before[key] for name in kept for key in PARTS[name] if key in before},
        made=kept,
        left=(*left, *(name for name in parts if name not in kept)),
    )


def _made(name: str, told: Mapping[str, Any] | None, before: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """Return what made a row, None where that were other weights than those of now."""
    now = origin(name, folder, None)
    if told is not None:
        same = all(told["weights"].get(kind) in {digest, None} for kind, digest in now["weights"].items())
        return dict(told) if same else None
    if now["weights"] and before.get("weights") != deciding(folder)[:_DIGITS]:
        return None
    vague = "carried" in before and (name in PARTS or name in before["carried"]["rows"])
    weights = dict.fromkeys(now["weights"]) if vague else now["weights"]
    return {"protocol": before["protocol"], "commit": None, "weights": weights}


def _refuse(key: str) -> None:
    raise RecordingError(
        f"The report to add to differs in {key!r}: its rows cannot stand beside these. Make all rows anew, "
        "without --add-to."
    )


def groups(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return protocol, commit, weights and names of all that one run made, in the order of the report's rows."""
    told: dict[tuple[str, str, str], list[str]] = {}
    rows = [(name, row.get("made")) for name, row in report["detectors"].items() if "absent" not in row]
    parts = [(name, report.get("made", {}).get(name)) for name, keys in PARTS.items() if keys[0] in report]
    for name, made in (*rows, *parts):
        weights = {} if made is None else made["weights"]
        key = (
            str((made or report).get("protocol", _NOT_TOLD)),
            _NOT_TOLD if made is None or made["commit"] is None else made["commit"],
            ", ".join(f"{NAMES[kind]} {digest or _NOT_TOLD}" for kind, digest in weights.items()),
        )
        told.setdefault(key, []).append(name)
    return [(*key, ", ".join(names)) for key, names in told.items()]


def by_other_code(report: Mapping[str, Any]) -> list[str]:
    """Return the rows and parts of a model that another commit made than the row of the model itself."""
    main = report["detectors"].get(report["model"], {}).get("made")
    if main is None:
        return []
    rows = {name: row.get("made") for name, row in report["detectors"].items() if "absent" not in row}
    made = rows | {name: report.get("made", {}).get(name) for name, keys in PARTS.items() if keys[0] in report}
    return [name for name, of in made.items() if of and of["weights"] and of["commit"] != main["commit"]]


def left_out(all_carried: Sequence[Carried], names: Sequence[str]) -> list[str]:
    """Return what of reports made before nobody gives, neither another of them nor this run."""
    given = {name for one in all_carried for name in (*one.rows, *one.made)} | set(names)
    return list(dict.fromkeys(name for one in all_carried for name in one.left if name not in given))
