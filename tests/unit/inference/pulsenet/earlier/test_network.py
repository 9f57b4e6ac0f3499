"""The earlier network in numpy says what torch says."""

from pathlib import Path

import numpy as np
import pytest

from inference.pulsenet.earlier.checkpoint import read
from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.earlier.shapes import TENSORS
from schemas.errors import ContractError
from tests.unit.inference.pulsenet.earlier import made

pytestmark = pytest.mark.story


def test_the_architecture_is_the_published_one() -> None:
    """It has the published number of parameters."""
    assert sum(int(np.prod(shape)) for shape in TENSORS.values()) == 106_961


def test_numpy_says_what_torch_says(tmp_path: Path) -> None:
    """Step scores, their mean and the reconstruction agree with torch's parts to 1e-5."""
    network = EarlierNetwork(read(made.checkpoint(tmp_path / "made.pt")))
    windows = made.windows(8)
    told = network.infer(windows)
    scores, again = made.by_torch(made.weights(), windows)
    assert scores.std() > 0.01
    assert np.abs(told.steps - scores).max() < 1e-5
    assert np.abs(told.overall - scores.mean(axis=1)).max() < 1e-5
    assert (np.abs(told.reconstruction - again) / np.abs(again).mean(axis=(0, 1))).max() < 1e-5
    assert (told.discrepancy > 0).all()


def test_an_answer_depends_on_its_window_alone(tmp_path: Path) -> None:
    """A window gets the same answer alone and among others."""
    network = EarlierNetwork(read(made.checkpoint(tmp_path / "made.pt")))
    windows = made.windows(5)
    together = network.infer(windows)
    for number in range(5):
        alone = network.infer(windows[number : number + 1])
        assert (alone.steps == together.steps[number]).all()
        assert alone.discrepancy == together.discrepancy[number]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Weights that were written as plain arrays give the same network."""
    network = EarlierNetwork(read(made.checkpoint(tmp_path / "made.pt")))
    network.write(tmp_path / "network.npz")
    windows = made.windows(2)
    again = EarlierNetwork.read(tmp_path / "network.npz")
    assert (again.infer(windows).overall == network.infer(windows).overall).all()


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_holds_no_network_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty or other file is a contract broken."""
    if content is not None:
        (tmp_path / "network.npz").write_bytes(content)
    with pytest.raises(ContractError):
        EarlierNetwork.read(tmp_path / "network.npz")


@pytest.mark.parametrize("shape", [(1, 59, 4), (1, 60, 3), (60, 4)])
def test_a_window_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A window is 60 rows of four numbers."""
    network = EarlierNetwork(read(made.checkpoint(tmp_path / "made.pt")))
    with pytest.raises(ContractError, match="60 rows of 4"):
        network.infer(np.zeros(shape))
