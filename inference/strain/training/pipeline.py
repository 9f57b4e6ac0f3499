"""Trains the strain model, says what it is worth, and lets it ship only if that is enough."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from inference.recordings.stress_predict import people
from inference.strain.features import Windows, windows
from inference.strain.model import GRAPH, MANIFEST, WINDOW_S, Manifest, session
from inference.strain.training.card import KNOWN, LEAST_LOW, MEDIUM, STRONG, written
from inference.strain.training.forest import exported, fitted, strain
from inference.strain.training.worth import Worth, worth

CARD: Final = "card.md"
_SAME: Final = 1e-5

Stage = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of a training: the figures, and whether the weights were written."""

    worth: Worth
    ships: bool
    card: str


def train(stress_predict: Path, out: Path, *, seed: int, stage: Stage) -> Trained:
    """Fit, measure, and write weights, manifest and card into a folder; without enough worth only the card.

    Raises:
        RecordingError: The folder is not the recordings.
        ValueError: There are too few people or windows.
    """
    stage("reading the recordings")
    found = people(stress_predict)
    short, longer = windows(found), windows(found, window_s=2 * WINDOW_S)
    figures = worth(short, longer, seed=seed, progress=stage("judging each person by the others"))
    ships = figures.area.low > LEAST_LOW
    out.mkdir(parents=True, exist_ok=True)
    for name in (GRAPH, MANIFEST):
        (out / name).unlink(missing_ok=True)
    manifest = None
    if ships:
        stage("fitting all people together")
        data = _graph(short)
        manifest = _manifest(short, figures, data)
        (out / GRAPH).write_bytes(data)
        (out / MANIFEST).write_text(json.dumps(msgspec.to_builtins(manifest), indent=1) + "\n")
    card = written(figures, short, manifest, seed=seed)
    (out / CARD).write_text(card)
    return Trained(worth=figures, ships=ships, card=card)


def _graph(found: Windows) -> bytes:
    """Return the graph of all windows, which tells what the fitted trees tell.

    Raises:
        ValueError: It does not.
    """
    model = fitted(found.features, found.stressed)
    data = exported(model)
    told = session(data).run(None, {"features": found.features.astype(np.float32)})[0][:, 0]
    if not np.allclose(told, strain(model, found.features), atol=_SAME, rtol=0):
        raise ValueError("The graph tells something else than the trees that it was made of.")
    return data


def _manifest(found: Windows, figures: Worth, data: bytes) -> Manifest:
    digest = hashlib.sha256(data).hexdigest()
    low, high = np.percentile(found.features, KNOWN, axis=0).round(2)
    rest = figures.held_out[found.stressed == 0]
    medium, strong = np.quantile(rest, [MEDIUM, STRONG])
    return msgspec.convert(
        {
            "name": f"strain 1+{digest[:7]}",
            "sha256": digest,
            "area": round(figures.area.value, 3),
            "area_low": round(figures.area.low, 3),
            "area_high": round(figures.area.high, 3),
            "low": low.tolist(),
            "high": high.tolist(),
            "medium": round(float(medium), 4),
            "strong": round(float(strong), 4),
        },
        Manifest,
    )
