"""Loads weights that are what their manifest says; a file that was changed or lost is named, never run."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from inference.pulsenet.calibration import Calibration, Population
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.network import Network
from inference.pulsenet.predictor import Predictor, Ridge
from inference.pulsenet.weights import graph
from schemas.errors import ContractError

Kind = Literal["network", "ridge"]
SHIPPED: Final[Kind] = "network"
"""What scores, where nobody asks for the other: the network, since it finds more of the smaller deviation than the
linear model in the same pipeline, outside the paired interval; of the larger one both find as many. A rule of one line,
the sustained rate at rest, finds still more of that (docs/models/pulsenet.md, docs/adr/0017, docs/adr/0023)."""
DEVELOPED_ON: Final = ("5553957443",)
"""Wearers of whom windows and gates of the engine were chosen (record 17), by their name in their recording: no weight
and no threshold has seen them, but what is measured on them is no test. The manifest keeps it with the weights."""
DECIDED_ON: Final = ("2022484408", "2347167796")
"""Wearers by whose figures, beside those of whom the model was developed on, `SHIPPED` was decided (record 17), and a
rule was thought of (23)."""
NAMES: Final[dict[Kind, str]] = {"network": "pulsenet 1", "ridge": "pulsenet-ridge 1"}
FILES: Final[dict[Kind, str]] = {"network": "pulsenet.onnx", "ridge": "ridge.npz"}
MANIFEST: Final = "manifest.json"
CARD: Final = "card.md"
EVALUATION: Final = "evaluation.json"
FOLDER: Final = Path(__file__).parent
NEXT_STEP: Final = "Install Pulsera again, or make new weights: pulsera train pulsenet."


def load(kind: Kind = SHIPPED, *, folder: Path = FOLDER) -> PulseNet:
    """Return a new engine with a model's weights and calibration.

    Raises:
        ContractError: A file is missing, or is not what the manifest says.
    """
    return PulseNet(predictor(kind, folder=folder), Calibration(population(kind, folder=folder)))


def predictor(kind: Kind = SHIPPED, *, folder: Path = FOLDER) -> Predictor:
    """Return a model of the context, named as `name_of` says.

    Raises:
        ContractError: As `load`.
    """
    path = _checked(folder, FILES[kind])
    name = name_of(kind, folder=folder)
    if kind == "network":
        return Network(path, name=name)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            return Ridge({part: kept[part] for part in kept.files}, name=name)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ContractError(f"{path} holds no linear model: {type(error).__name__}. {NEXT_STEP}") from error


def name_of(kind: Kind, *, folder: Path = FOLDER) -> str:
    """Return how a model is called in scores: other weights or thresholds, another model; another card, the same one.

    Raises:
        ContractError: There is no manifest.
    """
    return f"{NAMES[kind]}+{deciding(folder)[:7]}"


def weights_files() -> list[str]:
    """Return the names of the files that decide what a model says."""
    return [*FILES.values(), *(calibration_file(kind) for kind in FILES)]


def deciding(folder: Path = FOLDER, *, kinds: Sequence[Kind] = tuple(FILES)) -> str:
    """Return one SHA-256 of all that decides what some models of a folder say, of what its manifest tells so far.

    Raises:
        ContractError: There is no manifest, or it tells of no files.
    """
    try:
        told = manifest(folder)["files"]
        names = [*(FILES[kind] for kind in kinds), *(calibration_file(kind) for kind in kinds)]
        sums = "".join(f"{name} {told[name]}\n" for name in names if name in told)
    except (KeyError, TypeError) as error:
        raise ContractError(f"{folder / MANIFEST} does not tell of the weights. {NEXT_STEP}") from error
    return hashlib.sha256(sums.encode()).hexdigest()


def population(kind: Kind = SHIPPED, *, folder: Path = FOLDER) -> Population:
    """Return a model's calibration.

    Raises:
        ContractError: As `load`.
    """
    return Population.read(_checked(folder, calibration_file(kind)))


def parameters(kind: Kind = SHIPPED, *, folder: Path = FOLDER) -> int:
    """Return how many numbers a model learned, without the library that runs the network.

    Raises:
        ContractError: As `load`.
    """
    path = _checked(folder, FILES[kind])
    if kind == "network":
        try:
            return graph.learned(path.read_bytes())
        except ValueError as error:
            raise ContractError(f"{path} holds no network: {error} {NEXT_STEP}") from error
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
        return sum(int(kept[part].size) for part in kept.files)


def card(*, folder: Path = FOLDER) -> str:
    """Return the model card, as training wrote it.

    Raises:
        ContractError: As `load`.
    """
    return _checked(folder, CARD).read_text()


def calibration_file(kind: Kind) -> str:
    """Return the name of a model's calibration."""
    return f"calibration-{kind}.json"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        ContractError: It cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ContractError(f"The weights {path} cannot be read: {error.strerror}. {NEXT_STEP}") from error


def manifest(folder: Path = FOLDER) -> dict[str, Any]:
    """Return what the manifest tells: `trained`, `cost`, `developed_on`, `names`, `files`.

    Raises:
        ContractError: There is none.
    """
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise ContractError(f"{folder / MANIFEST} cannot be read: {type(error).__name__}. {NEXT_STEP}") from error
    return told


def _checked(folder: Path, name: str) -> Path:
    try:
        told = manifest(folder)["files"][name]
    except (KeyError, TypeError) as error:
        raise ContractError(f"{folder / MANIFEST} does not tell of {name}. {NEXT_STEP}") from error
    path = folder / name
    if digest(path) != told:
        raise ContractError(f"{path} is not the file that {MANIFEST} tells of. {NEXT_STEP}")
    return path
