"""The contract of a detector: what it says of wearers' bins, and of the conditions that may open an episode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Floats, Ints
from stream_processors.operators.bins import Bins
from stream_processors.operators.conditions import PHYSIOLOGICAL
from stream_processors.operators.readings import VITAL_COUNT
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Run

RULES: Final = len(PHYSIOLOGICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What is published of one wave of bins; NaN is "cannot be said".

    Attributes:
        z: Standardised deviation by vital, shape (n, VITAL_COUNT); `expected` and `scale` likewise.
        combined: Score over time and vitals, shape (n,) as all that follow.
        tier0: Internal flag for the zone feed, and `tier0_rate`, the share of bins that it flags by its calibration:
            NaN also where no heart rate is expected of the wearer yet: most of what may raise the flag is deaf then.
        promised_rate: Tier 1 alerts a day of this wearer at most, `realised_rate` those that there were, over
            `rate_days` days.
    """

    z: Floats
    expected: Floats
    scale: Floats
    combined: Floats
    tier0: Bools
    tier0_rate: Floats
    promised_rate: Floats
    realised_rate: Floats
    rate_days: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What decided, as plain numbers; None where the detector has none.

    Attributes:
        threshold: Limit that was passed, in `unit`.
        time_scale_s: Over how long the deviation was averaged.
        kind: Whether it came at once or grew.
        promised_rate: Alerts a day that this wearer is promised at most; `realised_rate` those over `rate_days` days.
        parts: Of a decision of several vitals together: how far each is off towards illness, in standard deviations,
            averaged over the time scale.
    """

    threshold: float
    unit: str = "z"
    time_scale_s: float | None = None
    kind: Literal["sudden", "gradual"] | None = None
    promised_rate: float | None = None
    realised_rate: float | None = None
    rate_days: float | None = None
    parts: dict[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What was last expected of a vital; all None where too little is known."""

    centre: float | None = None
    scale: float | None = None
    z: float | None = None
    baseline: float | None = None
    known_s: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a detector says of one wave of bins, shapes (n, RULES): column r is `conditions.PHYSIOLOGICAL[r]`.

    Attributes:
        bins: What it judged: wearers' bins, or longer stretches in the same columns.
        activity: The activity in them.
        tier: Tier that fires: 0, 1 or 2.
        holds: The deviation goes on.
        back: The vital was measured and is back near what is usual, or the smoothed deviation is gone.
        measured: There is something to say, also where it neither holds nor is back: the vital was measured lately.
        decision: Returns what decided, of a row, a condition and the tier that fires.
        refractory_ms: After an episode that recovered, one of no higher tier opens no sooner than this after the last
            bin in which a tier fired: what the detector promises is counted so. What goes on meanwhile opens one this
            long after the recovery. The floor is not bound by it.
        back_ms: How long it must be back to be recovered.
    """

    bins: Bins
    activity: Activity
    tier: Ints
    holds: Bools
    back: Bools
    measured: Bools
    decision: Callable[[int, int, int], Decision]
    refractory_ms: int = 0
    back_ms: int = 60_000


class Learning(Protocol):
    """Says what may be learned from."""

    def may_learn(self, wearer: Ints, at_ms: Ints) -> Bools:
        """Return which vitals of these wearers no episode was about at these times, shape (n, VITAL_COUNT)."""
        ...


class Detector(Protocol):
    """What is usual for each wearer, and what is not. Slots are wearer slots; its state is part of the partition's."""

    name: str
    """Name and version, as scores and evidence show them."""

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        ...

    def judge(
        self, bins: Bins, activity: Activity, *, frozen: Bools, learning: Learning
    ) -> tuple[Scores, list[Verdict]]:
        """Take one bin of each wearer, in order of time; `frozen` says whose heart rate repeats itself."""
        ...

    def complete(self, wearers: Ints, until_ms: Ints, *, learning: Learning) -> list[Verdict]:
        """Judge what still gathers of these wearers: no bin that ends up to `until_ms` will come any more."""
        ...

    def gathering(self) -> tuple[Ints, Ints]:
        """Return the wearers of whom something gathers, and when it ends (event time)."""
        ...

    def expectation(self, wearer: int, vital: int) -> Expectation:
        """Return what was last expected of a vital."""
        ...

    def run(self, wearer: int, rule: int) -> Run:
        """Return the run of bins that agree with a condition."""
        ...

    def calm(self, wearer: int, rule: int, at_ms: int) -> None:
        """Begin anew after a recovery at this time: what was smoothed before says nothing about what comes."""
        ...

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays by wearer slot."""
        ...

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        ...

    def rested(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return a dump of this detector without what only the very next bin could go on with: it was away since."""
        ...

    def inherit(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over, of another detector's dump, what holds for this one too."""
        ...


def unknown(count: int) -> Floats:
    """Return what cannot be said of so many wearers."""
    return np.full(count, np.nan)


def unknown_vitals(count: int) -> Floats:
    """Return what cannot be said of any vital, shape (count, VITAL_COUNT)."""
    return np.full((count, VITAL_COUNT), np.nan)


class JudgesAtOnce:
    """What a detector does that judges every bin when it comes, gathers nothing, and shares nothing with others."""

    def inherit(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over nothing: it keeps nothing that another detector keeps as well."""
        del arrays

    def complete(self, wearers: Ints, until_ms: Ints, *, learning: Learning) -> list[Verdict]:
        """Return nothing: all was judged as it came."""
        del wearers, until_ms, learning
        return []

    def gathering(self) -> tuple[Ints, Ints]:
        """Return nobody."""
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
