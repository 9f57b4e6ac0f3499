"""Reads the tensors of a `.pt` file without torch, and without running anything that the file asks for.

A checkpoint is a zip: one pickle that names the tensors, and one file of plain numbers for each storage. A pickle can
name any function of the computer and have it called. Here it can name only those that put tensors together, and these
are our own; whatever else it names ends the reading.
"""

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.earlier.shapes import TENSORS
from schemas.errors import ContractError

MOST_BYTES: Final = 32 * 1024 * 1024
"""The published file has half a megabyte of weights; a file that unpacks to more is not read."""
_MOST_PARTS: Final = 2_000
_NEXT_STEP: Final = "Save the weights alone, torch.save(model.state_dict(), FILE), and import that file."
_NESTED: Final = ("model_state_dict", "state_dict", "model")
_PREFIXES: Final = ("module.", "_orig_mod.", "model.")

Weights = dict[str, npt.NDArray[np.float32]]


class _Kind:
    """Stands for a class of storages: the type of its numbers."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _Table(dict[Any, Any]):
    """Stands for an ordered dictionary: takes items, and no attribute."""

    __slots__ = ()

    def __setstate__(self, _: Any) -> None:
        """Keeps nothing."""


class _Inert:
    """Stands for a number that some library wrapped: taken in, never looked at."""

    def __init__(self, *_: Any) -> None:
        """Takes whatever it is given."""

    def __setstate__(self, _: Any) -> None:
        """Keeps nothing."""


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> npt.NDArray[Any]:
    """Return a tensor as an array of its own, every place of it inside its storage."""
    if not isinstance(storage, np.ndarray) or not _whole((offset, *size, *stride)) or len(size) != len(stride):
        raise ContractError("A tensor of the file is described wrongly.")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 in size or last >= len(storage) or np.prod(size, dtype=np.float64) > len(storage):
        raise ContractError("A tensor of the file reaches beyond its numbers.")
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), steps).copy()


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


_ALLOWED: Final[dict[tuple[str, str], Callable[..., Any] | _Kind]] = {
    ("collections", "OrderedDict"): _Table,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "FloatStorage"): _Kind("<f4"),
    ("torch", "DoubleStorage"): _Kind("<f8"),
    ("torch", "HalfStorage"): _Kind("<f2"),
    ("torch", "LongStorage"): _Kind("<i8"),
    ("numpy.core.multiarray", "scalar"): _Inert,
    ("numpy._core.multiarray", "scalar"): _Inert,
    ("numpy", "dtype"): _Inert,
    ("_codecs", "encode"): _Inert,
}


class _Unpickler(pickle.Unpickler):  # noqa: S301 - what it finds is listed above, and is ours
    """Finds what is listed, and no other name."""

    def __init__(self, told: bytes, storages: Callable[[str, str], npt.NDArray[Any]]) -> None:
        super().__init__(io.BytesIO(told))
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name, or end the reading."""
        found = _ALLOWED.get((module, name))
        if found is None:
            raise ContractError(f"It asks for {module}.{name}, which may run code: nothing of it was run.")
        return found

    def persistent_load(self, told: Any) -> npt.NDArray[Any]:
        """Return the numbers of a storage."""
        match told:
            case ("storage", _Kind() as kind, str(key), *_):
                return self._storages(key, kind.dtype)
        raise ContractError("It names numbers in another way than torch does.")


def read(path: Path) -> Weights:
    """Return the weights of the published architecture by name, float32.

    A state_dict or a checkpoint that holds one is read, with or without the prefix of a wrapper.

    Raises:
        ContractError: It is no such file, or holds anything else; one sentence says what, another what to do.
    """
    try:
        return _fitting(_state(_load(path)))
    except OSError as error:
        raise ContractError(f"{path} cannot be read: {error.strerror}.") from error
    except ContractError as error:
        raise ContractError(f"{path.name} is not taken. {error} {_NEXT_STEP}") from error


def _load(path: Path) -> Any:
    if path.stat().st_size > MOST_BYTES:
        raise ContractError(f"It is larger than {MOST_BYTES // 2**20} MiB.")
    content = path.read_bytes()
    if not content.startswith(b"PK"):
        raise ContractError("It is no checkpoint of torch 1.6 or newer.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            return _unpickled(parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ContractError("The file is cut off or damaged.") from error


def _unpickled(parts: zipfile.ZipFile) -> Any:
    entries = parts.infolist()
    if len(entries) > _MOST_PARTS or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise ContractError(f"It unpacks to more than {MOST_BYTES // 2**20} MiB.")
    names = [entry.filename for entry in entries]
    pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ContractError("It holds no weights that torch saved.")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in names and parts.read(f"{folder}byteorder") != b"little":
        raise ContractError("Its numbers are big-endian.")

    def storage(key: str, dtype: str) -> npt.NDArray[Any]:
        if f"{folder}data/{key}" not in names:
            raise ContractError("The numbers of a tensor are missing.")
        return np.frombuffer(parts.read(f"{folder}data/{key}"), dtype=dtype)

    try:
        return _Unpickler(parts.read(pickles[0]), storage).load()
    except ContractError:
        raise
    except Exception as error:  # a pickle that is none can raise anything
        raise ContractError(f"What it holds cannot be read ({type(error).__name__}).") from error


def _state(told: Any) -> Mapping[Any, Any]:
    if not isinstance(told, dict):
        raise ContractError("It holds no table of tensors.")
    for name in _NESTED:
        if isinstance(told.get(name), dict):
            told = told[name]
            break
    state: Mapping[Any, Any] = told
    for prefix in _PREFIXES:
        if state and all(isinstance(name, str) and name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _fitting(told: Mapping[Any, Any]) -> Weights:
    unknown = [str(name) for name in told if name not in TENSORS]
    missing = [name for name in TENSORS if name not in told]
    if missing:
        raise ContractError(f"It lacks {missing[0]} and is of another architecture ({len(missing)} tensors missing).")
    if unknown:
        raise ContractError(f"It holds {unknown[0][:60]}, which the published architecture has not.")
    weights: Weights = {}
    for name, shape in TENSORS.items():
        tensor = told[name]
        if not isinstance(tensor, np.ndarray) or tensor.shape != shape or tensor.dtype.kind != "f":
            found = getattr(tensor, "shape", type(tensor).__name__)
            raise ContractError(f"{name} is {found}, the published architecture has {shape}.")
        with np.errstate(over="ignore"):
            weights[name] = tensor.astype(np.float32)
        if not np.isfinite(weights[name]).all():
            raise ContractError(f"{name} holds values that are no numbers.")
    return weights


def _whole(numbers: tuple[Any, ...]) -> bool:
    return all(isinstance(one, int) and 0 <= one <= MOST_BYTES for one in numbers)
