"""A process loads its code early and starts only when tables and topics are ready."""

import threading
from pathlib import Path

import pytest

from infra.embedded.gate import VARIABLE, wait_for_start


def test_without_a_gate_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part started by hand begins at once and loads nothing early."""
    monkeypatch.delenv(VARIABLE, raising=False)
    wait_for_start(["there.is.no.such.module"])


def test_a_closed_gate_holds_until_it_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The wait ends when the file appears, not before."""
    gate = tmp_path / "migrated"
    monkeypatch.setenv(VARIABLE, str(gate))
    waiting = threading.Thread(target=wait_for_start, args=(["json"],))
    waiting.start()
    waiting.join(timeout=0.1)
    held = waiting.is_alive()
    gate.touch()
    waiting.join(timeout=10)
    assert held
    assert not waiting.is_alive()
