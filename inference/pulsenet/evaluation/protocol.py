"""What an evaluation asks of a detector."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from inference.pulsenet.series import Series
from inference.slots import Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Sided:
    """Scores or thresholds of the two directions, minute by minute.

    Attributes:
        high: For a heart rate above what is expected, NaN where not judged, shape (T,).
        low: For a heart rate below what is expected, NaN where not judged, shape (T,).
    """

    high: Floats
    low: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a detector that calibrates itself says of one recording.

    Attributes:
        scores: The scores.
        thresholds: The threshold in force before each minute, by promised rate in alarms a wearer-day.
        others: Minutes at which alarms opened that are of neither side's score (of a night, of several vitals), by
            promised rate: counted as false ones where nothing was put in; they find no event.
    """

    scores: Sided
    thresholds: Mapping[float, Sided]
    others: Mapping[float, Ints]


class Detector(Protocol):
    """Turns recordings into scores; the evaluation sets the thresholds, in the same way for every detector."""

    @property
    def name(self) -> str:
        """Key of its row."""

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Scores of each recording, causally: a minute's score depends on nothing after it."""


@runtime_checkable
class SelfCalibrated(Protocol):
    """Brings thresholds of its own with its scores."""

    @property
    def name(self) -> str:
        """Key of its row."""

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """As of a `Detector`."""

    def judge(self, series: Sequence[Series]) -> Sequence[Judgement]:
        """Scores of each recording with its own thresholds, learned from that recording's past alone."""
