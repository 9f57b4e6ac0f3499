"""Which detector judges, and what happens where its weights cannot be read."""

from pathlib import Path
from typing import Any

import pytest
import structlog

from inference.pulsenet.weights import loading
from infra.detectors import InstalledDetectors, shipped_detectors
from infra.metrics.meter import PrometheusMeter
from infra.models.installed import Models
from schemas.errors import ContractError
from stream_processors.families.vitals import VitalsFamily
from stream_processors.operators.resting import FALLBACK
from stream_processors.ports import Roles

RIDGE = loading.name_of("ridge")
NETWORK = loading.name_of("network")
SIMPLE = "resting-rate 1"


def fallbacks(meter: PrometheusMeter) -> float | None:
    """Return how many fallbacks were counted."""
    return meter.registry.get_sample_value("pulsera_detector_fallbacks_total")


def broken(folder: Path, how: str) -> Path:
    """Return a folder with weights that are not there, not told of, or not what was told."""
    if how != "missing":
        (folder / "manifest.json").write_text(
            "no JSON" if how == "not readable" else '{"files": {"pulsenet.onnx": "00", "ridge.npz": "00"}}'
        )
        (folder / "pulsenet.onnx").write_bytes(b"no network")
        (folder / "ridge.npz").write_bytes(b"no weights")
    return folder


@pytest.mark.parametrize("how", ["missing", "not readable", "changed"])
def test_weights_that_cannot_be_read_are_said_counted_and_stood_in_for(tmp_path: Path, how: str) -> None:
    """The simple detector judges under the name of a fallback; the reason is logged once, and counted once."""
    meter = PrometheusMeter()
    meter.begin("vitals")
    with structlog.testing.capture_logs() as told:
        detectors = shipped_detectors("pulsenet", meter, folder=broken(tmp_path, how))
        names = {detectors.roles().alerting for _ in range(3)}
    assert names == {FALLBACK}
    made = detectors.detector(FALLBACK)
    assert made is not None
    assert made.name == FALLBACK
    said: list[Any] = [line for line in told if line["event"] == "detector_fallback"]
    assert [line["reason"] for line in said] == [detectors.fallback]
    assert detectors.fallback
    assert fallbacks(meter) == 1


def test_the_simple_detector_by_choice_is_no_fallback() -> None:
    """Chosen by name, it is called by its own name and nothing is counted."""
    meter = PrometheusMeter()
    meter.begin("vitals")
    detectors = shipped_detectors("resting-rate", meter)
    assert detectors.roles() == Roles(SIMPLE)
    assert detectors.detector(SIMPLE) is not None
    assert detectors.detector(RIDGE) is None, "a state of the model is computed anew"
    assert detectors.fallback == ""
    assert fallbacks(meter) == 0


def test_a_state_of_a_fallback_is_not_gone_on_with_once_the_model_can_be_read(tmp_path: Path) -> None:
    """It is computed anew from the topic; so is one of the simple detector that somebody chose before."""
    for wanted, folder in (("pulsenet", tmp_path), ("resting-rate", None)):
        before = VitalsFamily(models=shipped_detectors(wanted, PrometheusMeter(), folder=folder)).open(0, None)
        with pytest.raises(ContractError, match="resting-rate"):
            VitalsFamily(models=shipped_detectors("pulsenet", PrometheusMeter())).open(0, before.snapshot())


def test_what_was_chosen_is_seen_without_a_restart(tmp_path: Path) -> None:
    """Roles that are written change what is wanted; who alerted can still be made, as a state of it may be open."""
    models = Models(tmp_path)
    detectors = InstalledDetectors("pulsenet", PrometheusMeter(), models=models)
    assert detectors.roles() == Roles(RIDGE)
    models.want(alerting=RIDGE, shadow=NETWORK)
    assert detectors.roles() == Roles(RIDGE, NETWORK)
    models.want(alerting=NETWORK, shadow=RIDGE)
    assert detectors.roles() == Roles(NETWORK, RIDGE)
    for name in (RIDGE, NETWORK):
        made = detectors.detector(name)
        assert made is not None
        assert made.name == name


@pytest.mark.parametrize("roles", ['{"alerting": "pulsenet 1+0000000", "shadow": ""}', "no JSON", '{"shadow": 1}'])
def test_where_the_choice_cannot_be_followed_the_shipped_model_alerts(tmp_path: Path, roles: str) -> None:
    """A model that is not there is stood in for and said so; roles that cannot be read choose nobody."""
    (tmp_path / "roles.json").write_text(roles)
    meter = PrometheusMeter()
    meter.begin("vitals")
    detectors = InstalledDetectors("pulsenet", meter, models=Models(tmp_path))
    assert detectors.roles().alerting == RIDGE
    assert bool(detectors.fallback) == ("0000000" in roles)
    assert fallbacks(meter) == int("0000000" in roles)
