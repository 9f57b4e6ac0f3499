"""The weights of the confidence, from a seed and the crops; the same command writes the same bytes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from inference.rppg.confidence import NAMES
from inference.rppg.fitting.cases import NO_CASES, Cases, cropped, crops, joined, rendered
from inference.rppg.fitting.logistic import Reliability, fit, probabilities, reliability
from inference.slots import Bools

SEED: Final = 3
SCENES: Final = 360
DIGITS: Final = 4
"""Of the weights: another processor's last bit changes none of them."""
FOLDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The file, and how reliable its probabilities are.

    Attributes:
        text: What the file holds.
        held_out: Reliability on scenes drawn from another seed.
        windows: Rendered windows that were learnt from, and those of crops.
        crops_over: Share of the crops' windows over each of `LEVELS`, by weights that never saw that person.
        scenes_over: Share of the held-out windows over each level, and of those that are right (None where none is).
    """

    text: str
    held_out: Reliability
    windows: tuple[int, int]
    crops_over: tuple[float, ...]
    scenes_over: tuple[tuple[float, float | None], ...]


LEVELS: Final = (0.5, 0.8, 0.9)


def fitted(
    skin: Path | None, *, scenes: int = SCENES, seed: int = SEED, stage: Callable[[str], object] = str
) -> Fitted:
    """Return weights learnt from rendered scenes and crops of real skin, and what they are worth on others.

    Args:
        skin: Folder of the crops; None learns from rendered scenes alone.
        scenes: How many scenes are rendered.
        seed: Decides everything that is drawn.
        stage: Is told what begins.

    Raises:
        RecordingError: The folder holds no crop.
    """
    stage("rendering scenes to learn from")
    made = rendered(scenes, seed)
    stage("reading crops of real skin")
    real = NO_CASES if skin is None else cropped(crops(skin))
    stage("fitting")
    weights = _weights([made, real])
    stage("rendering scenes held out")
    others = rendered(max(scenes // 2, 1), seed + 1)
    said = probabilities(others.features, weights)
    stored = {
        "fitted_on": f"{scenes} rendered scenes of seed {seed}, {len(made.right)} windows; "
        f"{len(real.right)} windows of crops of real skin without a readable pulse",
        "weights": dict(zip(NAMES, weights[:-1].tolist(), strict=True)),
        "constant": float(weights[-1]),
    }
    unseen = _unseen(made, real)
    return Fitted(
        text=json.dumps(stored, indent=1) + "\n",
        held_out=reliability(said, others.right),
        windows=(len(made.right), len(real.right)),
        crops_over=tuple(float((unseen >= level).mean()) for level in LEVELS) if len(unseen) else (),
        scenes_over=tuple((float((said >= level).mean()), _share(others.right[said >= level])) for level in LEVELS),
    )


def _share(right: Bools) -> float | None:
    return float(right.mean()) if len(right) else None


def _weights(parts: list[Cases]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    together = joined(parts)
    exact = fit(together.features, together.right)
    return np.array([float(f"{weight:.{DIGITS}g}") for weight in exact])


def _unseen(made: Cases, real: Cases) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the probability of every crop's window by weights that were fitted without that person."""
    said = np.zeros(len(real.right))
    for fold in range(FOLDS):
        held = real.recording % FOLDS == fold
        rest = Cases(features=real.features[~held], right=real.right[~held], recording=real.recording[~held])
        said[held] = probabilities(real.features[held], _weights([made, rest]))
    return said
