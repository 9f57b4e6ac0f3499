"""A short seeded run of the fuzzing in this process; `pulsera fuzz --target all` is the long one."""

import warnings
from collections.abc import Callable

import pytest

from infra.fuzz.commands import Target, run
from infra.fuzz.figures import Figures
from infra.fuzz.session import SessionFuzz
from ingest.effects import Effect
from ingest.session import DeviceSession

SEED = 20261121


@pytest.mark.parametrize(
    ("target", "frames", "answers"),
    [
        (Target.session, 4_000, {"ack", "nack", "close 4400", "error unknown_type", "frames of it read"}),
        (Target.live, 4_000, {"snapshot", "error bad_message", "close 4400", "HTTP 400"}),
        (Target.topics, 256, {"refused by decode", "rows written", "control frames", "vitals set aside: FrameError"}),
    ],
)
def test_whatever_comes_is_answered_as_documented(target: Target, frames: int, answers: set[str]) -> None:
    """No exception escapes, every answer is a documented one, nothing implausible is taken, and memory stays flat."""
    with warnings.catch_warnings():
        # A signalling NaN among the spoiled numbers makes numpy warn where it is first copied.
        warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning)
        figures = run(target, frames, SEED)
    assert figures.faults == []
    assert figures.frames == frames
    assert answers <= set(figures.answers)


def test_an_exception_that_escapes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that fails now and then is a fault, so that a run without faults means something."""
    receive: Callable[[DeviceSession, bytes], list[Effect]] = DeviceSession.text

    def fragile(self: DeviceSession, data: bytes) -> list[Effect]:
        if b"heart_rate" in data[:60]:
            raise KeyError("heart_rate")
        return receive(self, data)

    monkeypatch.setattr(DeviceSession, "text", fragile)
    assert any("KeyError escaped" in fault for fault in SessionFuzz(SEED).run(600).faults)


def test_growing_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that keeps every message is a fault."""
    kept: list[bytes] = []
    receive: Callable[[DeviceSession, bytes], list[Effect]] = DeviceSession.text

    def greedy(self: DeviceSession, data: bytes) -> list[Effect]:
        kept.append(data * 20)
        return receive(self, data)

    monkeypatch.setattr(DeviceSession, "text", greedy)
    figures: Figures = SessionFuzz(SEED).run(1_500)
    assert any("memory grew" in fault for fault in figures.faults)
