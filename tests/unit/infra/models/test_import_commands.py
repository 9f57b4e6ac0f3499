"""The commands that list, import and choose models."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.earlier.shapes import TENSORS
from inference.pulsenet.weights import loading
from infra.models.import_commands import models
from infra.models.installed import Models
from schemas.errors import ContractError, SetupError

RIDGE, NETWORK = loading.name_of("ridge"), loading.name_of("network")


def asked(folder: Path, *words: str) -> Any:
    """Return what a command answered."""
    return CliRunner().invoke(models, [*words, "--data-dir", str(folder)])


def refused(folder: Path, *words: str) -> str:
    """Return the sentence with which a command refused."""
    answer = asked(folder, *words)
    assert answer.exit_code == 1
    assert isinstance(answer.exception, SetupError | ContractError)
    return str(answer.exception)


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a network of the earlier system with made-up weights, installed."""
    draw = np.random.default_rng(5)
    weights = {name: draw.normal(0.0, 0.1, shape).astype(np.float32) for name, shape in TENSORS.items()}
    monkeypatch.setattr("infra.models.installed.checkpoint.read", lambda _path: weights)
    answer = asked(tmp_path, "import", "pulsenet", str(tmp_path / "made.pt"))
    assert answer.exit_code == 0, answer.output
    return Models(tmp_path / "models").all()[-1].id


def test_what_ships_is_listed_with_its_role(tmp_path: Path) -> None:
    """The shipped models and the simple detector, the network alerting."""
    told = asked(tmp_path, "list").output
    assert next(line for line in told.splitlines() if NETWORK in line).endswith("alerting")
    assert RIDGE in told
    assert next(line for line in told.splitlines() if "resting-rate 1" in line).endswith("fallback")


def test_a_network_of_the_earlier_system_runs_in_shadow_alone(tmp_path: Path, earlier: str) -> None:
    """It is listed, seated in shadow by the beginning of its id, never promoted, and its detectors can be made."""
    assert asked(tmp_path, "shadow", "earlier").exit_code == 0
    book = Models(tmp_path / "models")
    assert book.wanted() == ("", book.find(earlier).name), "what ships goes on alerting, also after an upgrade"
    assert book.find(earlier).maker()().name == book.find(earlier).name
    assert "shadow alone" in refused(tmp_path, "promote", "earlier")
    assert asked(tmp_path, "shadow", "none").exit_code == 0
    assert book.wanted() == ("", "")


def test_weights_that_were_changed_after_the_import_are_not_used(tmp_path: Path, earlier: str) -> None:
    """The digest of the import is held against the file at every start."""
    model = Models(tmp_path / "models").find(earlier)
    assert model.folder is not None
    other = {name: np.ones(shape, dtype=np.float32) for name, shape in TENSORS.items()}
    EarlierNetwork(other).write(model.folder / "network.npz")
    with pytest.raises(ContractError, match="not the file that was imported"):
        model.maker()


def test_a_model_alerts_after_it_ran_in_shadow_and_the_way_back_is_the_same(tmp_path: Path) -> None:
    """Promotion takes who is in shadow, and seats there who alerted."""
    assert "does not run in shadow" in refused(tmp_path, "promote", "ridge")
    assert asked(tmp_path, "shadow", "ridge").exit_code == 0
    assert asked(tmp_path, "promote", RIDGE).exit_code == 0
    book = Models(tmp_path / "models")
    assert book.wanted() == (RIDGE, NETWORK)
    assert "alerts already" in refused(tmp_path, "shadow", "ridge")
    assert asked(tmp_path, "promote", "network").exit_code == 0
    assert book.wanted() == ("", RIDGE)


def trained(folder: Path, *, evaluated: bool) -> Path:
    """Return a folder of weights as training writes it: the shipped ones, their thresholds from another source."""
    shutil.copytree(loading.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py", "evaluation.json"))
    told = loading.manifest(folder)
    told["files"].pop("evaluation.json", None)
    told["trained"]["seed"] = 99
    for name in map(loading.calibration_file, loading.NAMES):
        said = json.loads((folder / name).read_text()) | {"source": "another seed"}
        (folder / name).write_text(json.dumps(said))
        told["files"][name] = loading.digest(folder / name)
    if evaluated:
        (folder / "evaluation.json").write_text("{}")
        told["files"]["evaluation.json"] = loading.digest(folder / "evaluation.json")
    (folder / loading.MANIFEST).write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("evaluated", [True, False])
def test_only_a_model_with_an_evaluation_is_promoted(tmp_path: Path, *, evaluated: bool) -> None:
    """Weights that were trained here are installed under names of their own; without an evaluation they never alert."""
    folder = trained(tmp_path / "weights", evaluated=evaluated)
    assert asked(tmp_path, "import", "pulsenet", str(folder)).exit_code == 0
    digest = loading.deciding(folder)[:7]
    assert "may be several" in refused(tmp_path, "shadow", "ridge")
    assert asked(tmp_path, "shadow", f"ridge-{digest}").exit_code == 0
    if evaluated:
        assert asked(tmp_path, "promote", f"ridge-{digest}").exit_code == 0
        assert Models(tmp_path / "models").wanted() == (f"pulsenet-ridge 1+{digest}", NETWORK)
    else:
        assert "without the evaluation" in refused(tmp_path, "promote", f"ridge-{digest}")


def test_weights_that_are_not_what_their_manifest_says_are_not_installed(tmp_path: Path) -> None:
    """Nothing is left of them in the folder of models."""
    folder = trained(tmp_path / "weights", evaluated=False)
    (folder / "ridge.npz").write_bytes(b"something else")
    assert "manifest" in refused(tmp_path, "import", "pulsenet", str(folder))
    assert {one.origin for one in Models(tmp_path / "models").all()} == {"shipped", "built in"}
    assert "is not installed" in refused(tmp_path, "shadow", "nothing")
    assert "installed already" in refused(tmp_path, "import", "pulsenet", str(loading.FOLDER))
