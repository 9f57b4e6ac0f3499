"""How far what a model meets has moved from what it was made on: the population stability index over fixed scales.

The index is the sum over places of (met - made) x ln(met / made), met and made being shares of minutes. Those who use
it call less than 0.1 no shift, and more than 0.25 a large one. It compares crowds: of two or three wearers it tells
that they are not the crowd, which is no fault of the model.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.pulsenet.series import VITAL_COUNT, VITAL_NAMES
from inference.slots import Floats, Ints
from schemas.errors import ContractError

PLACES: Final = 25
LARGE: Final = 0.25
LEAST_MIN: Final = 4_320
"""Fewer minutes than those of three wearer-days tell of nothing."""
SHARE_LEAST: Final = 0.01
"""Added to every share in the logarithm: a place that is hardly ever met tells little."""


def _scale(low: float, high: float) -> Floats:
    return np.linspace(low, high, PLACES - 1)


SCORES: Final = _scale(-1.0, 2.0)[None, :]
"""Limits between the places of a score over its tier-1 threshold, shape (1, PLACES - 1)."""
INPUTS: Final = np.stack([
    _scale(40.0, 170.0), _scale(5.0, 150.0), _scale(10.0, 200.0), _scale(84.5, 99.5), _scale(7.0, 35.0),
    _scale(26.0, 38.0), _scale(35.0, 40.0),
])  # fmt: skip
"""Limits between the places of each vital in the registry's units, shape (VITAL_COUNT, PLACES - 1)."""


def count(into: Ints, limits: Floats, values: Floats) -> None:
    """Add values, shape (n, k), NaN counting nowhere, to `into`, shape (k, PLACES), by the limits of each column."""
    for column, scale in enumerate(limits):
        known = values[:, column]
        known = known[~np.isnan(known)]
        if len(known):
            into[column] += np.bincount(np.searchsorted(scale, known, side="right"), minlength=PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a model met where it was made.

    Attributes:
        model: Name of the model that the scores are of.
        source: Who they were.
        scores: Minutes by place, shape (PLACES,).
        inputs: Minutes by vital and place, shape (VITAL_COUNT, PLACES); nothing where the vital was not measured.
    """

    model: str
    source: str
    scores: Ints
    inputs: Ints

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        inputs = {name: row.tolist() for name, row in zip(VITAL_NAMES, self.inputs, strict=True)}
        told = {"model": self.model, "source": self.source, "scores": self.scores.tolist(), "inputs": inputs}
        path.write_text(json.dumps(told) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Reference":
        """Return what `write` wrote.

        Raises:
            ContractError: The file is missing or holds something else.
        """
        try:
            told: dict[str, Any] = json.loads(path.read_text())
            scores = np.array(told["scores"], dtype=np.int64)
            inputs = np.array([told["inputs"][name] for name in VITAL_NAMES], dtype=np.int64)
            model, source = str(told["model"]), str(told["source"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{path} holds no reference of a model: {type(error).__name__}.") from error
        if scores.shape != (PLACES,) or inputs.shape != (VITAL_COUNT, PLACES) or min(scores.min(), inputs.min()) < 0:
            raise ContractError(f"{path} holds a reference of another shape.")
        return cls(model=model, source=source, scores=scores, inputs=inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far scores and inputs have moved; None where too little was met, or nothing is known to compare with.

    Attributes:
        scores: Index of the scores.
        inputs: The largest index among the vitals; `vital` names it.
    """

    scores: float | None = None
    inputs: float | None = None
    vital: str | None = None

    @property
    def most(self) -> float | None:
        """The larger of both."""
        return max((one for one in (self.scores, self.inputs) if one is not None), default=None)


def file_of(kind: str) -> str:
    """Return the name of the file beside a model's weights."""
    return f"reference-{kind}.json"


def drift(reference: Reference | None, scores: Ints, inputs: Ints) -> Drift:
    """Compare what was met, shapes as in `Reference`, with the reference."""
    if reference is None:
        return Drift()
    by_vital = {
        name: index
        for name, met, made in zip(VITAL_NAMES, inputs, reference.inputs, strict=True)
        if (index := stability(met, made)) is not None
    }
    vital = max(by_vital, key=lambda name: by_vital[name], default=None)
    return Drift(
        scores=stability(scores, reference.scores), inputs=None if vital is None else by_vital[vital], vital=vital
    )


def stability(met: Ints, made: Ints) -> float | None:
    """Return the population stability index of two counts by place, None where either has too few minutes."""
    if min(int(met.sum()), int(made.sum())) < LEAST_MIN:
        return None
    shares = [counts / counts.sum() for counts in (met, made)]
    ratio = (shares[0] + SHARE_LEAST) / (shares[1] + SHARE_LEAST)
    return round(float(((shares[0] - shares[1]) * np.log(ratio)).sum()), 4)
