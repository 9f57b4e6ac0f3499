"""Which detector judges, and what happens where its weights cannot be read."""

from pathlib import Path
from typing import Any

import pytest
import structlog

from infra.detectors import choose_detector
from infra.metrics.meter import PrometheusMeter
from stream_processors.families.vitals import VitalsFamily


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
        make = choose_detector("pulsenet", meter, folder=broken(tmp_path, how))
        names = [make().name for _ in range(3)]
    assert names == ["resting-rate 1 (fallback)"] * 3
    said: list[Any] = [line for line in told if line["event"] == "detector_fallback"]
    assert len(said) == 1
    assert said[0]["reason"]
    assert fallbacks(meter) == 1


def test_the_simple_detector_by_choice_is_no_fallback() -> None:
    """Chosen by name, it is called by its own name and nothing is counted."""
    meter = PrometheusMeter()
    meter.begin("vitals")
    assert choose_detector("resting-rate", meter)().name == "resting-rate 1"
    assert fallbacks(meter) == 0


def test_a_state_tells_a_fallback_from_the_choice(tmp_path: Path) -> None:
    """A fallback's state is another version: when the model can be read again it is computed anew from the topic."""
    fallback = choose_detector("pulsenet", PrometheusMeter(), folder=tmp_path)
    assert VitalsFamily(fallback).version != VitalsFamily().version
