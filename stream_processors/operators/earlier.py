"""The earlier system's network behind the contract of a detector, with the windows that it was given there.

Its window is the last 60 readings by count, whatever time lies between them, the first one repeated where there are
fewer; what nobody measured is told as 0 (acceleration 1 g, skin 36.5 Cel); the same limits on the mean over the window
count for everybody. None of this is right: it is kept so that a comparison shows what it did. It never alerts.

At most `WINDOWS_MOST` windows (2 ms) are judged with one wave of bins, the longest waiting first, so that it costs the
detector that alerts little; with many wearers each is judged less often than once a minute.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.earlier.shapes import ABSENT, CRITICAL, ELEVATED, STEPS
from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from schemas.vitals import NAMES
from stream_processors.operators.bins import Bins
from stream_processors.operators.conditions import CODE
from stream_processors.operators.detector import (
    RULES,
    Decision,
    Expectation,
    JudgesAtOnce,
    Learning,
    Scores,
    Verdict,
    unknown,
    unknown_vitals,
)
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Run

WINDOWS_MOST: Final = 2
_MINUTE_MS: Final = 60_000
_RATE, _RMSSD, _SDNN, _ACCELERATION, _SKIN = (
    NAMES.index(name) for name in ("heart_rate", "hrv_rmssd", "hrv_sdnn", "acceleration", "skin_temperature")
)
_RULE: Final = CODE["vitals.drift"]
"""It names no vital: what it finds is about all of them."""


class EarlierDetector(JudgesAtOnce):
    """The earlier network for the wearers of a partition."""

    def __init__(self, network: EarlierNetwork, *, name: str) -> None:
        self.name = name
        self._network = network
        self._table = Table({
            "window": Column("f4", 0.0, STEPS * len(ABSENT)),
            "told": Column("i4", 0),
            "judged_min": Column("i8", NEVER),
            "overall": Column("f8", np.nan),
        })  # fmt: skip

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        self._table.extend(wearers)

    def judge(
        self, bins: Bins, activity: Activity, *, frozen: Bools, learning: Learning
    ) -> tuple[Scores, list[Verdict]]:
        """Judge the windows of wearers who begin another minute, then add the bins, measured or not, to windows."""
        del frozen, learning
        slot, minute = bins.wearer, bins.start_ms // _MINUTE_MS
        waits = (minute > self._table["judged_min"][slot]) & (self._table["told"][slot] > 0)
        rows = np.flatnonzero(waits)
        rows = np.sort(rows[np.argsort(self._table["judged_min"][slot[rows]], kind="stable")][:WINDOWS_MOST])
        verdicts = []
        if len(rows):
            overall = self._network.infer(self._windows(slot[rows])).overall
            self._table["overall"][slot[rows]] = overall
            self._table["judged_min"][slot[rows]] = minute[rows]
            verdicts.append(_verdict(bins.take(rows), activity.take(rows), overall))
        self._add(bins)
        return self._scores(bins), verdicts

    def _windows(self, slot: Ints) -> Floats:
        """Return the windows of these wearers, the first reading repeated in front of fewer than 60."""
        windows = self._table["window"][slot].reshape(len(slot), STEPS, len(ABSENT)).astype(np.float64)
        missing = STEPS - np.minimum(self._table["told"][slot], STEPS)
        place = np.maximum(np.arange(STEPS)[None, :], missing[:, None])
        filled: Floats = np.take_along_axis(windows, place[:, :, None], axis=1)
        return filled

    def _add(self, bins: Bins) -> None:
        values, slot = bins.values, bins.wearer
        variability = np.where(np.isnan(values[:, _RMSSD]), values[:, _SDNN], values[:, _RMSSD])
        rows = np.stack((values[:, _RATE], variability, values[:, _ACCELERATION], values[:, _SKIN]), axis=1)
        rows = np.where(np.isnan(rows), ABSENT, rows)
        self._table["window"][slot] = np.concatenate((self._table["window"][slot, len(ABSENT) :], rows), axis=1)
        self._table["told"][slot] = np.minimum(self._table["told"][slot] + 1, STEPS)

    def _scores(self, bins: Bins) -> Scores:
        count, combined = len(bins), self._table["overall"][bins.wearer] / ELEVATED
        return Scores(
            z=unknown_vitals(count),
            expected=unknown_vitals(count),
            scale=unknown_vitals(count),
            combined=combined,
            tier0=combined >= 1.0,
            tier0_rate=unknown(count),
            promised_rate=unknown(count),
            realised_rate=unknown(count),
            rate_days=unknown(count),
        )

    def expectation(self, wearer: int, vital: int) -> Expectation:
        """Return nothing: it expects nothing of anybody."""
        del wearer, vital
        return Expectation(model=self.name)

    def run(self, wearer: int, rule: int) -> Run:
        """Return no run of bins: a window says not where in it something began.

        Raises:
            LookupError: Always; it opens no episode.
        """
        raise LookupError(f"{self.name} opens no episode of wearer slot {wearer}, condition {rule}.")

    def calm(self, wearer: int, rule: int, at_ms: int) -> None:
        """Forget nothing: it is not told of recoveries."""

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays by wearer slot."""
        return self._table.dump()

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        self._table.load(arrays)

    def rested(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return the dump as it is: a window by count knows no gap, and nothing in it is begun."""
        return arrays


def _verdict(bins: Bins, activity: Activity, overall: Floats) -> Verdict:
    tier = np.zeros((len(bins), RULES), dtype=np.int64)
    tier[:, _RULE] = (overall > ELEVATED).astype(np.int64) + (overall > CRITICAL)
    about = np.zeros((len(bins), RULES), dtype=np.bool_)
    about[:, _RULE] = True
    fires = tier > 0
    return Verdict(
        bins=bins,
        activity=activity,
        tier=tier,
        holds=fires,
        back=about & ~fires,
        measured=about,
        decision=lambda _row, _rule, fired: Decision(threshold=(ELEVATED, CRITICAL)[fired - 1], unit="score"),
    )
