"""Of somebody's `.pt` file the weights are taken and nothing is run; anything else is refused in a sentence."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.pulsenet.earlier.checkpoint import read
from inference.pulsenet.earlier.shapes import TENSORS
from schemas.errors import ContractError
from tests.unit.inference.pulsenet.earlier import made

pytestmark = pytest.mark.story

NAME = "anomaly_head.0.weight"


@pytest.fixture
def torch() -> Any:
    """Torch, loaded for those who ask for it."""
    import torch

    return torch


def prefixed(prefix: str, weights: dict[str, Any]) -> dict[str, Any]:
    """Return weights under the names of a wrapper."""
    return {prefix + name: tensor for name, tensor in weights.items()}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda _, weights: weights,
        lambda _, weights: {"model_state_dict": weights, "epoch": 14},
        lambda _, weights: {"state_dict": prefixed("module.", weights)},
        lambda _, weights: prefixed("_orig_mod.", weights),
        lambda torch, weights: {name: torch.nn.Parameter(tensor) for name, tensor in weights.items()},
        lambda _, weights: {name: tensor.double() for name, tensor in weights.items()},
        lambda _, weights: {
            name: tensor.T.contiguous().T if tensor.dim() == 2 else tensor for name, tensor in weights.items()
        },
    ],
    ids=["plain", "nested", "data parallel", "compiled", "parameters", "double", "strided"],
)
def test_the_weights_are_found(tmp_path: Path, torch: Any, wrapped: Callable[[Any, Any], dict[str, Any]]) -> None:
    """The same weights are read, however they were wrapped or laid out."""
    told = made.weights()
    torch.save(wrapped(torch, made.weights()), tmp_path / "made.pt")
    weights = read(tmp_path / "made.pt")
    assert weights.keys() == TENSORS.keys()
    for name, tensor in told.items():
        assert (weights[name] == tensor.numpy()).all()


class Runs:
    """Asks a pickle's reader to make a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        """Name a function that leaves a trace."""
        return (os.mkdir, (str(self.path),))


def test_nothing_that_a_file_asks_for_is_run(tmp_path: Path, torch: Any) -> None:
    """A file that names a function to call is refused by that name, and the function is not called."""
    torch.save({"model_state_dict": made.weights(), "extra": Runs(tmp_path / "trace")}, tmp_path / "made.pt")
    with pytest.raises(ContractError, match=r"posix\.mkdir.*nothing of it was run.*torch\.save"):
        read(tmp_path / "made.pt")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("name", [b"cbuiltins\neval\n", b"cos\nsystem\n", b"ctorch\nload\n", b"cnumpy\nload\n"])
def test_no_name_is_found_but_those_of_tensors(tmp_path: Path, name: bytes) -> None:
    """What is named beyond the list is refused even where it belongs to torch or numpy."""
    with zipfile.ZipFile(tmp_path / "made.pt", "w") as parts:
        parts.writestr("archive/data.pkl", name + b"(S'x'\ntR.")
    with pytest.raises(ContractError, match="may run code"):
        read(tmp_path / "made.pt")


def test_a_whole_model_is_no_table_of_weights(tmp_path: Path, torch: Any) -> None:
    """A pickled module names its class, so it is refused with what to save instead."""
    torch.save(torch.nn.Linear(2, 2), tmp_path / "made.pt")
    with pytest.raises(ContractError, match="state_dict"):
        read(tmp_path / "made.pt")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    """However much of it is there, a part is not read as a whole."""
    path = made.checkpoint(tmp_path / "made.pt")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ContractError):
        read(path)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    """A flipped byte of the numbers does not become a weight."""
    path = made.checkpoint(tmp_path / "made.pt")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(ContractError):
        read(path)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (lambda torch: torch.zeros(31, 64), r"\(31, 64\), the published architecture has \(32, 64\)"),
        (lambda torch: torch.full((32, 64), torch.nan), "no numbers"),
        (lambda torch: torch.full((32, 64), torch.inf), "no numbers"),
        (lambda torch: torch.full((32, 64), 1e300, dtype=torch.float64), "no numbers"),
        (lambda torch: torch.zeros(32, 64, dtype=torch.int64), r"the published architecture has \(32, 64\)"),
        (lambda _: "weights", "is str"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, torch: Any, tensor: Callable[[Any], Any], said: str
) -> None:
    """Another shape, another kind, or values that are no numbers: the tensor is named."""
    with pytest.raises(ContractError, match=rf"{NAME} .*{said}"):
        read(made.checkpoint(tmp_path / "made.pt", **{NAME: tensor(torch)}))


def test_another_architecture_is_refused(tmp_path: Path, torch: Any) -> None:
    """A tensor too few and one too many are named, with how many are missing."""
    told = made.weights()
    del told["positional_embedding"]
    torch.save(told, tmp_path / "few.pt")
    with pytest.raises(ContractError, match=r"lacks positional_embedding.*1 tensors missing"):
        read(tmp_path / "few.pt")
    with pytest.raises(ContractError, match=r"holds fourth\.weight"):
        read(made.checkpoint(tmp_path / "many.pt", **{"fourth.weight": torch.zeros(1)}))


@pytest.mark.parametrize(
    ("size", "stride"), [((2_000_000, 1), (1, 1)), ((3, 3), (0, 0)), ((2, 2), (4, 1)), ((-1, 2), (1, 1)), ("x", "y")]
)
def test_a_tensor_stays_inside_its_numbers(tmp_path: Path, torch: Any, size: Any, stride: Any) -> None:
    """A shape that reaches beyond the storage, or repeats it, is refused before anything is read there."""

    class Tensor:
        def __reduce__(self) -> tuple[Any, ...]:
            return (torch._utils._rebuild_tensor_v2, (Storage(), 0, size, stride, False, {}))

    class Storage:
        """Told in torch's words."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, told: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", 4) if isinstance(told, Storage) else None

    with zipfile.ZipFile(tmp_path / "made.pt", "w") as parts, parts.open("archive/data.pkl", "w") as told:
        Pickler(told, protocol=2).dump({NAME: Tensor()})
    with zipfile.ZipFile(tmp_path / "made.pt", "a") as parts:
        parts.writestr("archive/data/0", np.zeros(4, dtype="<f4").tobytes())
    with pytest.raises(ContractError, match=r"beyond its numbers|described wrongly|cannot be read"):
        read(tmp_path / "made.pt")


def test_a_file_that_unpacks_without_end_is_not_unpacked(tmp_path: Path) -> None:
    """What the file says it holds is added up before any of it is read."""
    with zipfile.ZipFile(tmp_path / "made.pt", "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("archive/data.pkl", b"\0" * 40_000_000)
    with pytest.raises(ContractError, match="unpacks to more"):
        read(tmp_path / "made.pt")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """A missing file, and one of another kind, are told apart."""
    with pytest.raises(ContractError, match="No such file"):
        read(tmp_path / "made.pt")
    (tmp_path / "made.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ContractError, match=r"no checkpoint of torch 1\.6"):
        read(tmp_path / "made.pt")
