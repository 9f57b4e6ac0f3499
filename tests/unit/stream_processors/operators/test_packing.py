"""State as bytes."""

import numpy as np
import pytest

from schemas.errors import ContractError
from stream_processors.operators.packing import pack, unpack


def test_what_is_packed_comes_back_exactly() -> None:
    """Numbers, byte strings and arrays of any shape survive, NaN bits and emptiness included."""
    arrays = {"a": np.array([[1.5, np.nan]]), "none": np.zeros((0, 3), dtype=np.int64)}
    data = pack("v1", scalars={"n": -3}, blobs={"b": b"xyz"}, arrays=arrays)
    scalars, blobs, back = unpack("v1", data)
    assert (scalars, blobs) == ({"n": -3}, {"b": b"xyz"})
    assert all(back[name].tobytes() == array.tobytes() for name, array in arrays.items())
    assert back["none"].shape == (0, 3)


def test_equal_state_gives_equal_bytes() -> None:
    """The order in which parts were named does not show."""
    one = pack("v1", scalars={"a": 1, "b": 2}, blobs={}, arrays={})
    other = pack("v1", scalars={"b": 2, "a": 1}, blobs={}, arrays={})
    assert one == other


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x93\xa2v1"])
def test_other_bytes_are_refused(data: bytes) -> None:
    """What is no packed state raises a ContractError."""
    with pytest.raises(ContractError):
        unpack("v1", data)


def test_another_version_is_refused() -> None:
    """A state names its version, and another one is not read."""
    with pytest.raises(ContractError, match="v1"):
        unpack("v2", pack("v1", scalars={}, blobs={}, arrays={}))


def test_an_earlier_version_is_read_by_who_knows_it() -> None:
    """A reader that names several versions reads each of them, and refuses a third by the name of its own."""
    for version in ("v2", "v1"):
        assert unpack(("v2", "v1"), pack(version, scalars={"a": 1}, blobs={}, arrays={}))[0] == {"a": 1}
    with pytest.raises(ContractError, match="version v0, this process needs v2"):
        unpack(("v2", "v1"), pack("v0", scalars={}, blobs={}, arrays={}))
