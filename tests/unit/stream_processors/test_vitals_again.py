"""What happens when a deviation that was told comes again: the same alert, unless it is worse, or data had ended."""

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
import pytest

from inference.pulsenet.calibration import REFRACTORY_MIN
from schemas.episodes import Episode
from stream_processors.families.vitals import VitalsFamily
from tests.made_model import detector
from tests.vitals_frames import T0_MS, LoggedState, reading

pytestmark = pytest.mark.story

KNOWN_MIN: Final = 60
AGAIN_MIN: Final = 30
"""The second time begins so long after the first."""
LASTS_MIN: Final = 12


FAMILY: Final = VitalsFamily(detector)


@cache
def known() -> bytes:
    """Return the state after an hour in which somebody rests as usual, of which there was nothing to tell."""
    random = np.random.default_rng(2)
    log = LoggedState(FAMILY.open(0, None))
    for minute in range(KNOWN_MIN):
        at = T0_MS + minute * 60_000
        log.append(at + 50, [reading(at, heart_rate=random.normal(65.0, 1.5), motion=0.0, steps=0.0)])
    assert log.episodes == []
    return log.state.snapshot()


def told(
    rate: Callable[[float], float | None], *, walks_from: float = math.inf, minutes: int = 60, every_s: int = 30
) -> list[Episode]:
    """Return the changes of the heart rate of somebody whose rate is told by minute after `KNOWN_MIN`.

    Till `walks_from` somebody who rests, then who walks; a reading every `every_s` for `minutes`.
    """
    random = np.random.default_rng(3)
    log = LoggedState(FAMILY.open(0, known()))
    for second in range(KNOWN_MIN * 60, (KNOWN_MIN + minutes) * 60, every_s):
        at = T0_MS + second * 1000
        minute = second / 60 - KNOWN_MIN
        beats, walks = rate(minute), minute >= walks_from
        if beats is None:
            for step_ms in range(0, every_s * 1000, 2_000):
                log.append(at + 50 + step_ms)
        else:
            log.append(
                at + 50, [reading(at, heart_rate=random.normal(beats, 1.5), motion=0.2 * walks, steps=10.0 * walks)]
            )
    return [change for change in log.episodes if change.condition == "heart_rate.high"]


def opened(changes: list[Episode]) -> list[int]:
    """Return the tiers at which episodes ended or are, in order."""
    by_id = {change.episode_id: change.tier for change in changes}
    return list(by_id.values())


def test_what_comes_again_soon_is_the_same_alert() -> None:
    """After a recovery the same deviation opens nothing within three hours."""
    changes = told(lambda minute: 120.0 if 0 <= minute < LASTS_MIN or minute >= AGAIN_MIN else 65.0)
    assert len(opened(changes)) == 1
    assert changes[-1].end_reason == "recovered"


def test_what_came_again_and_stays_is_told_three_hours_after_the_recovery() -> None:
    """A deviation that came again soon and never ceases is not passed over for longer than three hours."""
    changes = told(
        lambda minute: 120.0 if 0 <= minute < LASTS_MIN or minute >= AGAIN_MIN else 65.0, minutes=240, every_s=60
    )
    ended = next(change for change in changes if change.phase == "ended")
    again = [change for change in changes if change.phase == "opened"][1:]
    assert ended.end_reason == "recovered"
    assert [change.changed_ms - ended.changed_ms for change in again] == [REFRACTORY_MIN * 60_000]


def test_what_goes_on_while_its_wearer_walks_has_not_recovered() -> None:
    """A deviation is not over because the average that opened it counts at rest alone."""
    changes = told(lambda minute: 120.0 if minute >= 0 else 65.0, walks_from=LASTS_MIN)
    assert len(opened(changes)) == 1
    assert changes[-1].phase == "updated"


def test_the_floor_always_passes() -> None:
    """After a recovery the clinical floor opens an episode at once."""
    changes = told(lambda minute: 195.0 if minute >= AGAIN_MIN else 120.0 if 0 <= minute < LASTS_MIN else 65.0)
    assert opened(changes)[-1] == 3
    assert len(opened(changes)) == 2
    last = changes[-1].evidence
    assert (last.rule, last.threshold, last.time_scale_s, last.promised_rate) == ("floor", 180.0, None, None)


def test_what_the_floor_told_silences_no_tier() -> None:
    """Soon after an episode of the clinical floor has recovered, a lesser deviation is told as one of its own."""
    changes = told(lambda minute: 195.0 if 0 <= minute < LASTS_MIN else 120.0 if minute >= AGAIN_MIN else 65.0)
    assert opened(changes)[0] == 3
    assert [tier < 3 for tier in opened(changes)[1:]] == [True]


def test_what_goes_on_after_data_ended_is_told_again() -> None:
    """An episode whose data ended is not known to have recovered: what goes on is a new one."""
    changes = told(lambda minute: None if LASTS_MIN <= minute < AGAIN_MIN else 120.0 if minute >= 0 else 65.0)
    assert [change.end_reason for change in changes if change.phase == "ended"] == ["data_ended"]
    assert len(opened(changes)) == 2
