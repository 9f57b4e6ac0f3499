"""State as bytes: equal state gives equal bytes, and nothing in them can run."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import ContractError


class _Array(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    version: str
    scalars: dict[str, int]
    blobs: dict[str, bytes]
    arrays: dict[str, _Array]


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODER = msgspec.msgpack.Decoder(_Packed)


def pack(
    version: str, *, scalars: Mapping[str, int], blobs: Mapping[str, bytes], arrays: Mapping[str, npt.NDArray[Any]]
) -> bytes:
    """Return numbers, byte strings and arrays as one byte string."""
    packed = {name: _Array(array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}
    return _ENCODER.encode(_Packed(version, dict(scalars), dict(blobs), packed))


def unpack(
    versions: str | tuple[str, ...], data: bytes
) -> tuple[dict[str, int], dict[str, bytes], dict[str, npt.NDArray[Any]]]:
    """Return the scalars, byte strings and (writable) arrays of `pack`.

    Raises:
        ContractError: Not such bytes, or of none of these versions.
    """
    try:
        packed = _DECODER.decode(data)
        arrays = {
            name: np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape).copy()
            for name, array in packed.arrays.items()
        }
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise ContractError(f"The saved state cannot be read: {type(error).__name__}.") from error
    known = (versions,) if isinstance(versions, str) else versions
    if packed.version not in known:
        raise ContractError(f"The saved state has version {packed.version}, this process needs {known[0]}.")
    return packed.scalars, packed.blobs, arrays


def pack_parts(
    version: str,
    scalars: Mapping[str, int],
    blobs: Mapping[str, bytes],
    parts: Mapping[str, Mapping[str, npt.NDArray[Any]]],
) -> bytes:
    """Return a state whose arrays are those of several parts, named by part."""
    arrays = {f"{part}/{name}": array for part, found in parts.items() for name, array in found.items()}
    return pack(version, scalars=scalars, blobs=blobs, arrays=arrays)


def unpack_parts(
    version: str, data: bytes
) -> tuple[dict[str, int], dict[str, bytes], dict[str, dict[str, npt.NDArray[Any]]]]:
    """Return what `pack_parts` was given.

    Raises:
        ContractError: As `unpack`.
    """
    scalars, blobs, arrays = unpack(version, data)
    parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        part, column = name.split("/")
        parts.setdefault(part, {})[column] = array
    return scalars, blobs, parts
