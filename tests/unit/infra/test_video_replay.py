"""What the last line of a replayed video says, and how long it is waited for."""

import asyncio
from typing import Any

from infra.video_replay import Results
from ingest.client.messages import Told

END_MS = 1_795_000_021_000


def told(time_ms: int, heart_rate: float | None = None, **fields: Any) -> Told:
    """Return one instruction about the pulse."""
    said = {"confidence": 0.9, "reason": "ok", "advice": "none"} | fields
    return Told("instruction", {"kind": "pulse", "time": time_ms, "heart_rate": heart_rate, **said})


def test_the_last_line_tells_how_many_values_and_the_last() -> None:
    """The heart rates are counted, and the last stands there with its confidence, also if it ended without one."""
    results = Results()
    results.take(told(END_MS - 3_000, None, reason="warming_up", advice="wait"))
    results.take(told(END_MS - 2_000, 71.0))
    results.take(told(END_MS - 1_000, 72.34, confidence=0.876))
    results.take(told(END_MS, None, reason="motion", advice="hold_still"))
    assert results.summary(complete=True) == "2 heart rates, the last: 72.3 beats/min, confidence 0.88."


def test_the_last_line_tells_one_value() -> None:
    """A single heart rate is told as one."""
    results = Results()
    results.take(told(END_MS, 72.34))
    assert results.summary(complete=True) == "1 heart rate: 72.3 beats/min, confidence 0.90."


def test_without_a_value_the_last_line_tells_the_reason() -> None:
    """A video without a heart rate ends with the reason and what helps."""
    results = Results()
    results.take(told(END_MS, None, reason="low_light", advice="more_light"))
    assert results.summary(complete=True) == "No heart rate was found (low_light); more_light."


def test_what_is_still_to_come_is_said() -> None:
    """Where results lack, or none came at all, the last line says that they are stored all the same."""
    results = Results()
    assert results.summary(complete=False).startswith("No result came within 10 s; what is found later is stored")
    results.take(told(END_MS - 9_000, 70.0))
    assert results.summary(complete=False).endswith("have not come yet; they are stored all the same.")


async def test_results_that_come_late_are_waited_for() -> None:
    """Results that come only after the video are taken in, up to the last, before the waiting ends."""
    results = Results()
    waiting = asyncio.create_task(results.settled(END_MS, patience_s=30.0, quiet_s=0.2))
    for late_ms in (9_000, 5_000, 1_900, 900):
        await asyncio.sleep(0)
        results.take(told(END_MS - late_ms, 70.0))
    assert await waiting
    assert results.summary(complete=True).startswith("4 heart rates")


async def test_results_that_never_come_are_given_up() -> None:
    """Where the results stop before the video's end the waiting ends by itself, and says so."""
    results = Results()
    results.take(told(END_MS - 9_000, 70.0))
    assert not await results.settled(END_MS, patience_s=0.05, quiet_s=0.05)
