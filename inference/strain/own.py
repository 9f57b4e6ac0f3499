"""Somebody's own model over the same four numbers: only as ONNX, checked before it is kept, run in a bounded process.

Such a model is nobody's but its owner's: whatever it tells is shown as not validated.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from inference.protobuf import fields
from inference.strain.model import FEATURES, session
from schemas.errors import ContractError

MOST_BYTES: Final = 16 * 1024 * 1024
OPSETS: Final = {"": range(9, 25), "ai.onnx": range(9, 25), "ai.onnx.ml": range(1, 6)}
FILE: Final = "heart-risk.onnx"
LEVELS: Final = (1 / 3, 2 / 3)
"""Edges of low, medium and high for a model of which nothing else is known."""

_TYPICAL: Final = ((70.0, 4.0, 40.0, 15.0), (95.0, 6.0, 20.0, 2.0))
_OPSET_IMPORT, _DOMAIN, _VERSION = 8, 1, 2


class OwnModel:
    """A checked model; the last column of its first output of numbers is the strain."""

    def __init__(self, data: bytes) -> None:
        """Load it; a graph given as bytes can name no other file.

        Raises:
            ContractError: It is none that may be kept; the sentence says why.
        """
        if len(data) > MOST_BYTES:
            raise ContractError(f"The model has over {MOST_BYTES // 1_048_576} MiB.")
        for domain, version in opsets(data):
            if version not in OPSETS.get(domain, ()):
                raise ContractError(
                    f"The model wants operators {domain or 'ai.onnx'} {version}, which are not run here."
                )
        try:
            self._session = session(data)
        except Exception as error:  # onnxruntime's errors share no base of their own
            raise ContractError("onnxruntime cannot load the model; weights in a second file are not read.") from error
        self._input, self._output = _input(self._session), _output(self._session)
        for features in _TYPICAL:
            self.strain(features)

    def strain(self, features: tuple[float, float, float, float]) -> float:
        """Return what it tells of four numbers, 0 to 1.

        Raises:
            ContractError: It tells something else.
        """
        row = np.array([features], dtype=np.float32)
        try:
            told = self._session.run([self._output], {self._input: row})[0]
        except Exception as error:  # as above
            raise ContractError("The model fails on four plain numbers.") from error
        told = np.asarray(told, dtype=np.float64)
        if told.size not in {1, 2} or not np.isfinite(told).all() or not 0 <= told.flat[-1] <= 1:
            raise ContractError("The model must tell one probability of strain a row, or those of both classes.")
        return float(told.flat[-1])


def opsets(data: bytes) -> Iterator[tuple[str, int]]:
    """Yield domain and version of the operators that a graph imports, without running or loading it.

    Raises:
        ContractError: The bytes are no ONNX model.
    """
    found = False
    try:
        for field, value in fields(data):
            if field == _OPSET_IMPORT and isinstance(value, bytes):
                named = dict(fields(value))
                domain, version = named.get(_DOMAIN, b""), named.get(_VERSION, 0)
                if not isinstance(domain, bytes) or not isinstance(version, int):
                    raise ContractError("The file is no ONNX model.")
                found = True
                yield domain.decode(), version
    except ValueError as error:
        raise ContractError("The file is no ONNX model.") from error
    if not found:
        raise ContractError("The file is no ONNX model: it names no operators.")


def _input(loaded: Any) -> str:
    inputs = loaded.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        raise ContractError("The model must take one input of 32-bit floats.")
    shape = inputs[0].shape
    # A dimension that is not fixed has a name, or None.
    if len(shape) != 2 or shape[1] != len(FEATURES) or (isinstance(shape[0], int) and shape[0] != 1):  # noqa: PLR2004
        raise ContractError(f"The model must take {len(FEATURES)} numbers a row: {', '.join(FEATURES)}.")
    name: str = inputs[0].name
    return name


def _output(loaded: Any) -> str:
    """Return the first output of numbers; classifiers have the label before it."""
    for output in loaded.get_outputs():
        if output.type == "tensor(float)":
            name: str = output.name
            return name
    raise ContractError(
        "The model tells no 32-bit floats; export a classifier's probabilities as a tensor (no ZipMap)."
    )
