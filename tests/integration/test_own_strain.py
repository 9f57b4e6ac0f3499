"""`pulsera models import heart-risk`: tried in a process of its own, then kept."""

from pathlib import Path

import pytest

from inference.strain.model import FOLDER, GRAPH
from inference.strain.own import FILE
from infra.models.own_strain import keep
from schemas.errors import ContractError, SetupError


def test_a_good_model_is_kept_and_a_bad_one_leaves_it(tmp_path: Path) -> None:
    """The file is copied once it has been tried; one that is refused, slow or missing changes nothing."""
    folder = tmp_path / "models"
    kept = keep(FOLDER / GRAPH, folder)
    assert kept == folder / FILE
    assert kept.stat().st_mode & 0o077 == 0
    good = kept.read_bytes()
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    with pytest.raises(ContractError, match="no ONNX model"):
        keep(bad, folder)
    with pytest.raises(ContractError, match="says nothing"):
        keep(FOLDER / GRAPH, folder, within_s=0.01)
    with pytest.raises(SetupError, match="cannot be read"):
        keep(tmp_path / "none.onnx", folder)
    assert kept.read_bytes() == good
    assert [entry.name for entry in folder.iterdir()] == [FILE]


def test_a_model_that_ends_its_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the process that tries it ends no more than that."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(ContractError, match="ended the process"):
        keep(FOLDER / GRAPH, tmp_path)
