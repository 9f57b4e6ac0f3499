"""A whole training in small: the same seed gives the same weights, and what is written is what is served."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.network import Network
from inference.pulsenet.training.card import evaluation
from inference.pulsenet.training.pipeline import plan_of, reassess, recalibrate, train
from inference.pulsenet.training.plan import Plan
from inference.pulsenet.weights import loading
from inference.pulsenet.weights.loading import CARD, EVALUATION, MANIFEST, weights_files

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "onnx")), reason="torch and onnx come with the extra `train`"
)

_PLAN = Plan(people=2, days=0.15, updates=2, seed=3, calibrated_days=0.1, kept_days=0.1, assessed_days=0.1)
_TODAY = date(2026, 11, 21)


def _quiet(_name: str) -> Callable[[int, int], None]:
    return lambda _done, _total: None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny training."""
    made = tmp_path_factory.mktemp("weights")
    train(_PLAN, made, today=_TODAY, stage=_quiet)
    return made


def test_the_same_seed_gives_the_same_weights(folder: Path, tmp_path: Path) -> None:
    """A second run with the same plan is the same model, byte for byte; card and manifest differ in what it cost."""
    train(_PLAN, tmp_path, today=_TODAY, stage=_quiet)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*weights_files(), CARD, EVALUATION, MANIFEST])
    for name in (*weights_files(), EVALUATION):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    first, second = loading.manifest(folder), loading.manifest(tmp_path)
    assert first.pop("cost")["cpu_s"] > 0.0
    assert second.pop("cost").keys() == {"wall_s", "cpu_s", "machine", "cores", "libraries"}
    assert [one["files"].pop(CARD) for one in (first, second)] == [
        loading.digest(at / CARD) for at in (folder, tmp_path)
    ]
    assert first == second
    assert loading.name_of("network", folder=folder) == loading.name_of("network", folder=tmp_path)
    assert first["developed_on"] == list(loading.DEVELOPED_ON)
    for at in (folder, tmp_path):
        told = (at / CARD).read_text()
        assert told.count("## Cost\n") == 1
        assert "min of processor time (bound: 30 min on two cores)" in told


def test_what_is_written_loads(folder: Path) -> None:
    """Both kinds make an engine from the folder."""
    assert loading.load("network", folder=folder).name.startswith("pulsenet 1+")
    assert loading.load("ridge", folder=folder).name.startswith("pulsenet-ridge 1+")


def test_the_card_says_how_to_make_the_weights_again(folder: Path) -> None:
    """The command with its people, days and seed stands in the card."""
    assert "`pulsera train pulsenet --people 2 --days 0.15 --seed 3 --updates 2`" in (folder / CARD).read_text()


def test_the_graph_computes_what_the_trained_network_computes(tmp_path: Path) -> None:
    """Minute after minute, the exported step gives the trained network's answers to their rounding."""
    import torch

    from inference.pulsenet.training.export import export
    from inference.pulsenet.training.network import TwoNets

    torch.manual_seed(1)
    network = TwoNets()
    torch.nn.init.normal_(network.context.recalled.weight)
    torch.nn.init.normal_(network.innovation.recalled.weight)
    export(network, tmp_path / "network.onnx")
    served = Network(tmp_path / "network.onnx", name="trial")
    draw = np.random.default_rng(1)
    context, seen = draw.normal(size=(30, 5, CONTEXT)), draw.normal(size=(30, 5, SEEN))
    with torch.no_grad():
        given = (torch.from_numpy(one.astype(np.float32)) for one in (context, seen))
        expected, following = (one.numpy() for one in network(*given))
    state = np.zeros((5, served.width), dtype=np.float32)
    for minute in range(30):
        told = served.predict(context[minute], seen[minute], state)
        np.testing.assert_allclose(told.mean, expected[minute, :, :7], atol=6e-4)
        np.testing.assert_allclose(np.log(told.scale), expected[minute, :, 7:], atol=6e-4)
        np.testing.assert_allclose(told.next_mean, following[minute, :, :7], atol=6e-4)
        np.testing.assert_allclose(np.log(told.next_scale), following[minute, :, 7:], atol=6e-4)


def test_thresholds_alone_can_be_set_anew(folder: Path, tmp_path: Path) -> None:
    """The weights stay, the thresholds come out the same from the same engine, the card tells of the later day."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    other = replace(_PLAN, people=7, seed=8)
    recalibrate(other, tmp_path, today=date(2026, 12, 1), stage=_quiet)
    for name in weights_files():
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    assert "Of 2026-12-01" in (tmp_path / CARD).read_text()
    assert "Made on 2026-11-21" in (tmp_path / CARD).read_text()
    assert (tmp_path / CARD).read_text().count("## Cost\n") == 1, "what the weights took is still told"
    assert "made anew on 2026-12-01, which is not counted" in " ".join((tmp_path / CARD).read_text().split())
    assert loading.manifest(tmp_path)["cost"]["thresholds_since"] == "2026-12-01"


def test_weights_can_be_evaluated_anew(folder: Path, tmp_path: Path) -> None:
    """Beside them stands what the engine of now finds; weights and thresholds stay, card and manifest follow."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / EVALUATION).unlink()
    reassess(replace(plan_of(tmp_path), assessed_days=_PLAN.assessed_days), tmp_path, stage=_quiet)
    found = json.loads((tmp_path / EVALUATION).read_text())
    told = loading.manifest(tmp_path)
    assert found["files"] == {name: told["files"][name] for name in weights_files()}
    assert found["files"] == {name: loading.digest(folder / name) for name in weights_files()}
    assert (tmp_path / CARD).read_text().count(evaluation(found)) == 1
    assert told["files"][EVALUATION] == loading.digest(tmp_path / EVALUATION)
