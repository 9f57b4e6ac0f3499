"""Which detector judges, and what happens where its weights cannot be read."""

from pathlib import Path
from typing import Any

import pytest
import structlog

from inference.pulsenet.weights import loading
from infra.detectors import InstalledDetectors, shipped_detectors
from infra.metrics.meter import PrometheusMeter
from infra.models.installed import Models
from stream_processors.families.vitals import FORMAT, VitalsFamily
from stream_processors.operators.packing import unpack_parts
from stream_processors.operators.resting import FALLBACK
from stream_processors.ports import Roles
from tests.vitals_frames import T0_MS, LoggedState, reading

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
    assert detectors.detector(NETWORK) is None, "no model goes on where the simple detector is to"
    assert detectors.fallback == ""
    assert fallbacks(meter) == 0


def test_in_a_state_of_the_simple_detector_the_model_judges_once_it_can_be_read(tmp_path: Path) -> None:
    """Whether that one stood in or somebody had chosen it: the state goes on under the model."""
    models = shipped_detectors("pulsenet", PrometheusMeter())
    for wanted, folder in (("pulsenet", tmp_path), ("resting-rate", None)):
        before = VitalsFamily(models=shipped_detectors(wanted, PrometheusMeter(), folder=folder)).open(0, None)
        assert VitalsFamily(models=models).open(0, before.snapshot()).roles == models.roles()


@pytest.mark.parametrize("how", ["missing", "not readable", "changed"])
def test_weights_that_are_mended_go_on_where_they_were(tmp_path: Path, how: str) -> None:
    """Meanwhile the fallback judges the same state and is saved; nothing of what the model had learned is lost."""
    whole = VitalsFamily(models=shipped_detectors("pulsenet", PrometheusMeter()))
    log = LoggedState(whole.open(0, None))
    for second in range(0, 300, 20):
        log.append(T0_MS + second * 1000 + 50, [reading(T0_MS + second * 1000, heart_rate=64.0, steps=0.0)])
    saved = log.state.snapshot()
    lame = VitalsFamily(models=shipped_detectors("pulsenet", PrometheusMeter(), folder=broken(tmp_path, how)))
    stands_in = lame.open(0, saved)
    assert stands_in.roles == Roles(FALLBACK)
    back = whole.open(0, lame.open(0, stands_in.snapshot()).snapshot()).snapshot()
    now, before = (unpack_parts(FORMAT, state)[2]["detector"] for state in (back, saved))
    begun = {name for name in before if name == "minutes.minute" or name.startswith("runs.")}
    assert now.keys() == before.keys()
    assert all(now[name].tobytes() == before[name].tobytes() for name in before.keys() - begun)


def test_what_was_chosen_is_seen_without_a_restart(tmp_path: Path) -> None:
    """Roles that are written change what is wanted; who alerted can still be made, as a state of it may be open."""
    models = Models(tmp_path)
    detectors = InstalledDetectors("pulsenet", PrometheusMeter(), models=models)
    assert detectors.roles() == Roles(NETWORK)
    models.want(alerting=NETWORK, shadow=RIDGE)
    assert detectors.roles() == Roles(NETWORK, RIDGE)
    models.want(alerting=RIDGE, shadow=NETWORK)
    assert detectors.roles() == Roles(RIDGE, NETWORK)
    for name in (RIDGE, NETWORK):
        made = detectors.detector(name)
        assert made is not None
        assert made.name == name


def test_what_the_loop_asks_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was wanted when it was looked for is told from memory, also after somebody chose anew."""
    models = Models(tmp_path)
    detectors = InstalledDetectors("pulsenet", PrometheusMeter(), models=models)
    decided = detectors.roles()
    models.want(alerting=NETWORK, shadow=RIDGE)
    for name in ("changed", "wanted", "all"):
        monkeypatch.setattr(Models, name, lambda _self: pytest.fail("the folder of models is looked at"))
    assert detectors.decided == decided
    assert detectors.detector(decided.alerting) is not None
    assert detectors.reference(decided.alerting) is not None


@pytest.mark.parametrize(
    ("chosen", "then"),
    [(("", ""), Roles(NETWORK)), (("", NETWORK), Roles(NETWORK)), ((RIDGE, ""), Roles(RIDGE)),
     ((NETWORK, RIDGE), Roles(NETWORK, RIDGE))],
)  # fmt: skip
def test_what_was_chosen_under_a_release_that_shipped_the_linear_model_still_holds(
    tmp_path: Path, chosen: tuple[str, str], then: Roles
) -> None:
    """Who chose nobody gets what ships now, once where it was in shadow; a choice by name stays."""
    models = Models(tmp_path)
    models.want(alerting=chosen[0], shadow=chosen[1])
    detectors = InstalledDetectors("pulsenet", PrometheusMeter(), models=models)
    assert (detectors.roles(), detectors.fallback) == (then, "")


def test_a_state_of_the_linear_model_goes_on_while_the_network_learns_beside_it() -> None:
    """After the release that ships the network nothing is computed anew, and no wearer is judged by who knows less."""
    models = shipped_detectors("pulsenet", PrometheusMeter())
    family, made = VitalsFamily(models=models), models.detector(RIDGE)
    assert made is not None
    log = LoggedState(VitalsFamily(lambda: made).open(0, None))
    for second in range(0, 300, 20):
        log.append(T0_MS + second * 1000 + 50, [reading(T0_MS + second * 1000, heart_rate=64.0, steps=0.0)])
    state = family.open(0, log.state.snapshot())
    assert state.roles == Roles(RIDGE)
    seated = family.open(0, state.successor())
    assert seated.roles == Roles(RIDGE, NETWORK)
    assert seated.shadow.tally.lack == (1, 1)
    assert seated.successor() is None


@pytest.mark.parametrize("roles", ['{"alerting": "pulsenet 1+0000000", "shadow": ""}', "no JSON", '{"shadow": 1}'])
def test_where_the_choice_cannot_be_followed_the_shipped_model_alerts(tmp_path: Path, roles: str) -> None:
    """A model that is not there is stood in for and said so; roles that cannot be read choose nobody."""
    (tmp_path / "roles.json").write_text(roles)
    meter = PrometheusMeter()
    meter.begin("vitals")
    detectors = InstalledDetectors("pulsenet", meter, models=Models(tmp_path))
    assert detectors.roles().alerting == NETWORK
    assert bool(detectors.fallback) == ("0000000" in roles)
    assert fallbacks(meter) == int("0000000" in roles)
