"""What two detectors say of the same minutes, counted: how far they agree, and what each would alert about.

Everything is counted in event time and kept with the partition's state, so that a restart neither loses nor repeats it.
An alert is what it is in the evaluation: a condition that fires, and did not for three hours before, or now fires at a
higher tier. Nothing here is heard by anybody but the person who runs the system.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from inference.pulsenet import drift
from inference.pulsenet.calibration import REFRACTORY_MIN
from inference.pulsenet.series import VITAL_COUNT as MODEL_VITALS
from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from stream_processors.operators.bins import Bins
from stream_processors.operators.detector import RULES, Verdict

ALERTING, SHADOW = range(2)
TIERS: Final = 2
LEARNED_MIN: Final = 600
"""Judged minutes of a wearer after which a model may alert about him: what it knows of himself then weighs twice what
it expects of anybody (personal baselines weigh n / (n + 300))."""
LACKING_MOST: Final = 0.1
"""A model may alert though it knows this share of the wearers less."""
_LIVE_MIN: Final = 1_440
_MINUTE_MS: Final = 60_000
_REFRACTORY_MS: Final = REFRACTORY_MIN * _MINUTE_MS
_DAY_MS: Final = 86_400_000


def learning(wearers: dict[str, npt.NDArray[Any]], *, goes_on: bool, knows: bool) -> dict[str, npt.NDArray[Any]]:
    """Return, of a dump by wearer, what is to be learned of whom once detectors change places; the rest counts anew.

    `goes_on`: the one in shadow stays there; of another, `knows` says whether it knows these wearers.
    """
    minute = wearers["minute"]
    if goes_on:
        return {name: wearers[name] for name in ("minute", "to_learn", "judged")}
    return {
        "minute": minute,
        "to_learn": np.full(len(minute), 0 if knows else LEARNED_MIN, dtype=np.int16),
        "judged": np.zeros(len(minute), dtype=np.int8),
    }


class Lack(NamedTuple):
    """How many of the wearers of the last day the shadow knows too little to alert."""

    lacking: int
    wearers: int

    @property
    def enough(self) -> bool:
        """Whether it may alert."""
        return self.lacking <= LACKING_MOST * self.wearers

    def __add__(self, other: object) -> "Lack":
        if not isinstance(other, Lack):
            return NotImplemented
        return Lack(self.lacking + other.lacking, self.wearers + other.wearers)


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over wearers; those of several partitions may be added.

    Attributes:
        agreed_ms: Event time by whether the alerting one fires and whether the shadow does, shape (2, 2).
        alerts: Alerts by detector and tier, the higher counting for the lower too, shape (2, TIERS).
        scores: Wearer-minutes by detector and place on the scale of scores, shape (2, drift.PLACES).
        inputs: Wearer-minutes by vital and place on its scale, shape (MODEL_VITALS, drift.PLACES).
    """

    agreed_ms: Ints
    alerts: Ints
    scores: Ints
    inputs: Ints

    @classmethod
    def none(cls) -> "Counts":
        """Return counts of nothing."""
        return cls(*(np.zeros(shape, dtype=np.int64) for shape in _SHAPES.values()))

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in _SHAPES))

    @property
    def wearer_days(self) -> float:
        """Event time that both judged."""
        return float(self.agreed_ms.sum()) / _DAY_MS

    @property
    def agreement(self) -> float | None:
        """Share of that time in which both fire or neither does."""
        whole = int(self.agreed_ms.sum())
        return float(np.trace(self.agreed_ms)) / whole if whole else None


_SHAPES: Final = {
    "agreed_ms": (2, 2),
    "alerts": (2, TIERS),
    "scores": (2, drift.PLACES),
    "inputs": (MODEL_VITALS, drift.PLACES),
}


class Tally:
    """Counts for the wearers of a partition."""

    def __init__(self) -> None:
        self.counts = Counts.none()
        self.table = Table({
            "minute": Column("i8", NEVER),
            "compared": Column("i8", NEVER),
            "fired_ms": Column("i8", NEVER, 2),
            "told_ms": Column("i8", NEVER, 2 * RULES),
            "told_tier": Column("i1", 0, 2 * RULES),
            "to_learn": Column("i2", 0),
            "judged": Column("i1", 0),
        })  # fmt: skip

    def begin_learning(self) -> None:
        """A model begins in shadow that knows nobody of these wearers; of whoever comes later none knows more."""
        for name, values in learning(self.table.dump(), goes_on=False, knows=False).items():
            self.table[name][: self.table.rows] = values

    @property
    def lack(self) -> Lack:
        """Of the wearers of the last day (event time of the newest), how many the shadow still has to learn."""
        minute = self.table["minute"][: self.table.rows]
        live = minute > max(int(minute.max(initial=NEVER)) - _LIVE_MIN, NEVER)
        return Lack(int((self.table["to_learn"][: len(minute)][live] > 0).sum()), int(live.sum()))

    def see(self, bins: Bins, alerting: Floats, shadow: Floats | None) -> None:
        """Place one bin a wearer and minute, and the scores that are in force in it, on their scales."""
        minute = bins.start_ms // _MINUTE_MS
        fresh = minute > self.table["minute"][bins.wearer]
        if not fresh.any():
            return
        self.table["minute"][bins.wearer[fresh]] = minute[fresh]
        counts = self.counts
        drift.count(counts.inputs, drift.INPUTS, bins.values[fresh, :MODEL_VITALS])
        drift.count(counts.scores[ALERTING, None], drift.SCORES, alerting[fresh, None])
        if shadow is not None:
            drift.count(counts.scores[SHADOW, None], drift.SCORES, shadow[fresh, None])
            self._learn(bins.wearer[fresh], alerting=~np.isnan(alerting[fresh]), shadow=~np.isnan(shadow[fresh]))

    def _learn(self, wearers: Ints, *, alerting: Bools, shadow: Bools) -> None:
        """Count a minute of which each detector said something or did not.

        Of whom the alerting one has said nothing either since the other sits in shadow, there is nothing to know.
        """
        judged = self.table["judged"][wearers] > 0
        self.table["judged"][wearers] = judged | alerting
        known = wearers[shadow | ~(judged | alerting)]
        self.table["to_learn"][known] = np.maximum(self.table["to_learn"][known] - 1, 0)

    def hear(self, side: int, verdicts: Sequence[Verdict]) -> None:
        """Count the alerts of one detector's verdicts."""
        for verdict in verdicts:
            if verdict.tier.any():
                self._hear(side, verdict)

    def _hear(self, side: int, verdict: Verdict) -> None:
        row, rule = np.nonzero(verdict.tier)
        tier, wearer, end_ms = verdict.tier[row, rule], verdict.bins.wearer[row], verdict.bins.end_ms[row]
        place = side * RULES + rule
        told_ms, told_tier = self.table["told_ms"], self.table["told_tier"]
        again = end_ms - told_ms[wearer, place] < _REFRACTORY_MS
        before = np.where(again, told_tier[wearer, place], 0)
        for number in range(TIERS):
            self.counts.alerts[side, number] += int(((tier > number) & (before <= number)).sum())
        told_ms[wearer, place], told_tier[wearer, place] = end_ms, np.maximum(before, tier)
        self.table["fired_ms"][wearer, side] = end_ms

    def compare(self, verdicts: Sequence[Verdict]) -> None:
        """Compare the shadow's first word of each wearer-minute with what the alerting one said within a minute."""
        for verdict in verdicts:
            minute = (verdict.bins.end_ms - 1) // _MINUTE_MS
            fresh = minute > self.table["compared"][verdict.bins.wearer]
            if not fresh.any():
                continue
            wearer = verdict.bins.wearer[fresh]
            self.table["compared"][wearer] = minute[fresh]
            ours = verdict.tier[fresh].any(axis=1).astype(np.int64)
            lately = verdict.bins.end_ms[fresh] - self.table["fired_ms"][wearer, ALERTING] < _MINUTE_MS
            place = 2 * lately.astype(np.int64) + ours
            self.counts.agreed_ms.reshape(-1)[:] += _MINUTE_MS * np.bincount(place, minlength=4)

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the sums."""
        return {name: getattr(self.counts, name) for name in _SHAPES}

    def load(self, sums: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        self.counts = Counts(*(sums[name] for name in _SHAPES))
