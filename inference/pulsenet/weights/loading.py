"""Loads weights that are what their manifest says; a file that was changed or lost is named, never run."""

import hashlib
import io
import json
import zipfile
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
"""What scores, where nobody asks for the other: the network, since it finds more than the linear model in the same
pipeline, outside the paired interval (docs/models/pulsenet.md, docs/adr/0017-what-lasts-decides.md)."""
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
    """Return a model of the context, named with the beginning of its manifest's digest: other weights, another model.

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
    """Return how a model is called in scores: by its manifest too.

    Raises:
        ContractError: There is no manifest.
    """
    return f"{NAMES[kind]}+{digest(folder / MANIFEST)[:7]}"


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
    """Return what the manifest tells: `trained`, `names`, `files`.

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
