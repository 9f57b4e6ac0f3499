"""The network on onnxruntime: one thread, one fixed shape, so that an answer depends on its wearer alone."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.predictor import PAD_ROWS, Prediction, rounded, scale_of
from inference.pulsenet.series import VITAL_COUNT
from inference.slots import Floats
from schemas.errors import ContractError

_TOLD: Final = ("mean", "next_mean", "log_scale", "next_log_scale")
_NEXT_STEP: Final = "Install Pulsera again, or make new weights: pulsera train pulsenet."
_F32 = npt.NDArray[np.float32]


class Network:
    """The trained network; `predictor.Predictor` says what it answers."""

    def __init__(self, path: Path, *, name: str) -> None:
        """Load the graph that `training.export` wrote.

        Raises:
            ContractError: There is no such file, or it holds another graph.
        """
        self.name = name
        self._session = _open(path)
        shapes = {one.name: list(one.shape) for one in self._session.get_inputs()}
        self.width = _width(shapes, path)

    def predict(self, context: Floats, seen: Floats, state: _F32) -> Prediction:
        """Return what is expected, and move `state` on in place."""
        told = np.empty((len(_TOLD), len(context), VITAL_COUNT))
        for start in range(0, len(context), PAD_ROWS):
            rows = slice(start, start + PAD_ROWS)
            self._piece(context[rows], seen[rows], state[rows], told[:, rows])
        (mean, next_mean), (scale, next_scale) = rounded(told[:2]), scale_of(told[2:])
        return Prediction(mean, scale, next_mean, next_scale)

    def _piece(self, context: Floats, seen: Floats, state: _F32, told: Floats) -> None:
        """Write what is told of a piece, shape (4, n, VITAL_COUNT)."""
        count = len(context)
        inputs = {"context": _padded(context), "seen": _padded(seen), "state": _padded(state)}
        *answers, new = self._session.run([*_TOLD, "new_state"], inputs)
        state[:] = new[:count]
        for number, answer in enumerate(answers):
            told[number] = answer[:count]


def _padded(rows: npt.NDArray[Any]) -> _F32:
    """Return the rows in the one shape; none is kept: partitions share a network and may step in two threads."""
    if len(rows) == PAD_ROWS:
        return np.ascontiguousarray(rows, dtype=np.float32)
    padded = np.zeros((PAD_ROWS, rows.shape[1]), dtype=np.float32)
    padded[: len(rows)] = rows
    return padded


def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ContractError(f"The network's weights {path} cannot be read: {error}. {_NEXT_STEP}") from error
    except Exception as error:  # its own exceptions share no class but this, and all of them are about these bytes
        raise ContractError(f"{path} holds no network: {type(error).__name__}. {_NEXT_STEP}") from error


def _width(shapes: dict[str, list[Any]], path: Path) -> int:
    state = shapes.get("state", [0, 0])
    expected = {"context": [PAD_ROWS, CONTEXT], "seen": [PAD_ROWS, SEEN], "state": [PAD_ROWS, state[-1]]}
    if shapes != expected or not isinstance(state[-1], int):
        raise ContractError(f"{path} holds a network of other inputs than this release's. {_NEXT_STEP}")
    return state[-1]
