"""The network that ships: an answer is the wearer's own, whoever else is asked about; broken weights are refused."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.network import Network
from inference.pulsenet.predictor import PAD_ROWS, Prediction, Predictor
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.weights import loading
from inference.pulsenet.weights.loading import FILES, FOLDER, MANIFEST, Kind
from inference.slots import Floats, Ints
from schemas.errors import ContractError

_WEARERS = 700
_MINUTES = 4


@pytest.fixture(scope="module")
def network() -> Predictor:
    """The shipped network."""
    return loading.predictor("network")


def _made(seed: int) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(_MINUTES, _WEARERS, CONTEXT)), draw.normal(size=(_MINUTES, _WEARERS, SEEN))


def _walk(network: Predictor, groups: list[Ints], seed: int = 1) -> tuple[Floats, Floats]:
    """Return all answers and the last state when the wearers are asked about in these groups."""
    context, seen = _made(seed)
    state = np.zeros((_WEARERS, network.width), dtype=np.float32)
    told = np.zeros((_MINUTES, 4, _WEARERS, VITAL_COUNT))
    for minute in range(_MINUTES):
        for group in groups:
            held = state[group]
            told[minute][:, group] = _stacked(network.predict(context[minute, group], seen[minute, group], held))
            state[group] = held
    return told, state.astype(np.float64)


def _stacked(told: Prediction) -> Floats:
    return np.stack([told.mean, told.scale, told.next_mean, told.next_scale])


def test_an_answer_does_not_depend_on_the_row_or_on_who_else_is_asked_about(network: Predictor) -> None:
    """Any order and any division into batches gives the same answers and the same state, bit for bit."""
    draw = np.random.default_rng(2)
    together = _walk(network, [np.arange(_WEARERS)])
    for cuts in ([1, 5, 300], [511], [512, 513, 699]):
        apart = _walk(network, list(np.split(draw.permutation(_WEARERS), cuts)))
        for one, other in zip(together, apart, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_expected_of_the_context_never_knows_what_was_seen(network: Predictor) -> None:
    """Other values of the vitals change the next minute's prediction, never the context's, minute after minute."""
    context, seen = _made(3)
    states = np.zeros((2, _WEARERS, network.width), dtype=np.float32)
    for minute in range(_MINUTES):
        first = network.predict(context[minute], seen[minute], states[0])
        second = network.predict(context[minute], seen[minute] + 3.0, states[1])
        np.testing.assert_array_equal(first.mean, second.mean)
        np.testing.assert_array_equal(first.scale, second.scale)
        assert (first.next_mean != second.next_mean).any()
    assert (states[0] != states[1]).any()


def test_the_state_matters(network: Predictor) -> None:
    """The same minute is judged otherwise after another past."""
    context, seen = _made(4)
    past = np.zeros((_WEARERS, network.width), dtype=np.float32)
    network.predict(context[1], seen[1], past)
    assert past.any()
    fresh = np.zeros_like(past)
    assert (network.predict(context[0], seen[0], past).mean != network.predict(context[0], seen[0], fresh).mean).any()


def test_nobody_asked_about_gives_no_rows(network: Predictor) -> None:
    """A wave without wearers has an answer without rows."""
    nobody = network.predict(np.zeros((0, CONTEXT)), np.zeros((0, SEEN)), np.zeros((0, network.width), np.float32))
    assert nobody.mean.shape == (0, VITAL_COUNT)


@pytest.mark.parametrize("kind", ["network", "ridge"])
def test_the_shipped_weights_make_an_engine(kind: Kind) -> None:
    """Both kinds load, under their own names, within the sizes that may ship."""
    assert loading.load(kind).name.startswith(f"{loading.NAMES[kind]}+")
    assert (FOLDER / FILES["network"]).stat().st_size <= 1_000_000
    assert (FOLDER / FILES["ridge"]).stat().st_size <= 50_000


@pytest.mark.parametrize("kind", ["network", "ridge"])
def test_a_changed_file_is_refused(kind: Kind, tmp_path: Path) -> None:
    """A file that is not what the manifest says is named, with what to do."""
    folder = tmp_path / "weights"
    shutil.copytree(FOLDER, folder)
    with (folder / FILES[kind]).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ContractError, match=rf"{FILES[kind]} is not the file .* pulsera train pulsenet"):
        loading.load(kind, folder=folder)


@pytest.mark.parametrize("kind", ["network", "ridge"])
def test_a_missing_file_is_refused(kind: Kind, tmp_path: Path) -> None:
    """A file that is not there is named, with what to do; so is a manifest."""
    folder = tmp_path / "weights"
    shutil.copytree(FOLDER, folder)
    (folder / FILES[kind]).unlink()
    with pytest.raises(ContractError, match=rf"{FILES[kind]} cannot be read.* pulsera train pulsenet"):
        loading.load(kind, folder=folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(ContractError, match=rf"{MANIFEST} cannot be read.* pulsera train pulsenet"):
        loading.load(kind, folder=folder)


@pytest.mark.parametrize("kind", ["network", "ridge"])
def test_bytes_that_are_no_model_are_refused(kind: Kind, tmp_path: Path) -> None:
    """Even where the manifest tells of them."""
    (tmp_path / FILES[kind]).write_bytes(b"not a model")
    told = {"files": {FILES[kind]: hashlib.sha256(b"not a model").hexdigest()}}
    (tmp_path / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(ContractError, match=r"holds no .* pulsera train pulsenet"):
        loading.predictor(kind, folder=tmp_path)


def test_the_numbers_of_a_network_are_counted_without_running_it() -> None:
    """As many as two gated recurrent units of its width and their read-outs have; so is the linear model's."""
    hidden, told = loading.predictor("network").width // 2, 2 * VITAL_COUNT
    halves = [3 * hidden * (inputs + hidden + 2) + told * (inputs + hidden + 1) for inputs in (CONTEXT, CONTEXT + SEEN)]
    assert loading.parameters("network") == sum(halves)
    assert loading.parameters("ridge") == 2 * VITAL_COUNT * ((CONTEXT + 1) + (CONTEXT + SEEN + 1))


@pytest.mark.parametrize("data", [b"", b"\x3a", b"\x3a\x05\x2a", b"\x3b\x00", b"\xff" * 12, b"not a model"])
def test_the_numbers_of_what_is_no_network_are_not_counted(data: bytes, tmp_path: Path) -> None:
    """Bytes that are cut off, or of another format, are refused by name even where the manifest tells of them."""
    (tmp_path / FILES["network"]).write_bytes(data)
    told = {"files": {FILES["network"]: hashlib.sha256(data).hexdigest()}}
    (tmp_path / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(ContractError, match=r"holds no network.* pulsera train pulsenet"):
        loading.parameters("network", folder=tmp_path)


def test_a_network_of_other_inputs_is_refused(tmp_path: Path) -> None:
    """Weights of a release with other features do not run."""
    onnx = pytest.importorskip("onnx", reason="onnx comes with the extra `train`")
    model = onnx.load(FOLDER / FILES["network"])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = PAD_ROWS + 1
    path = tmp_path / "other.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ContractError, match=r"of other inputs|holds no network"):
        Network(path, name="other")
