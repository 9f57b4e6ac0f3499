"""The simple detector: the heart rate at rest against the wearer's own, smoothed over minutes, with fixed thresholds.

It needs no weights: it is the baseline that the anomaly model is compared with, and its fallback.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Column, Floats, Table
from stream_processors.operators.bins import Bins
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
from stream_processors.operators.gates import HEART_RATE
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Run
from stream_processors.operators.score import RestingRate
from stream_processors.operators.tiers import THRESHOLDS_Z, TIER0_Z, Tiers

FALLBACK: Final = f"{RestingRate.name} (fallback)"
"""Its name where it stands in for a model that could not be read."""

_SIDES: Final = 2


class RestingDetector(JudgesAtOnce):
    """Says something of the heart rate alone: high and low, the first two conditions."""

    def __init__(self, name: str = RestingRate.name) -> None:
        self.name = name
        self._model = RestingRate()
        self._tiers = Tiers()
        self._usual = Table({
            "centre_bpm": Column("f8", np.nan),
            "scale_bpm": Column("f8", np.nan),
            "known_s": Column("f8", 0.0),
            "z": Column("f8", np.nan),
        })  # fmt: skip

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        self._model.extend(wearers)
        self._tiers.extend(wearers)
        self._usual.extend(wearers)

    def judge(
        self, bins: Bins, activity: Activity, *, frozen: Bools, learning: Learning
    ) -> tuple[Scores, list[Verdict]]:
        """Score with what was known before, learn, then ask the tiers."""
        lane, count = bins.wearer, len(bins)
        usable = ~frozen & ~np.isnan(bins.values[:, HEART_RATE])
        learn = learning.may_learn(lane, bins.end_ms)[:, HEART_RATE]
        said = self._model.score(bins, activity, rate_usable=usable, learn=learn)
        usual = self._usual
        usual["centre_bpm"][lane], usual["scale_bpm"][lane] = said.expected, said.scale
        usual["known_s"][lane], usual["z"][lane] = said.known_s, said.z
        tiers = self._tiers.judge(bins, said, activity)
        scores = Scores(
            z=_of_rate(said.z),
            expected=_of_rate(said.expected),
            scale=_of_rate(said.scale),
            combined=said.combined,
            tier0=said.combined >= TIER0_Z,
            tier0_rate=unknown(count),
            promised_rate=unknown(count),
            realised_rate=unknown(count),
            rate_days=unknown(count),
        )
        verdict = Verdict(
            bins=bins,
            activity=activity,
            tier=_of_sides(tiers.tier),
            holds=_of_sides(tiers.holds),
            back=_of_sides(tiers.back),
            measured=_of_sides(tiers.measured),
            decision=_decision,
        )
        return scores, [verdict]

    def expectation(self, wearer: int, vital: int) -> Expectation:
        """Return what is usual of the heart rate at rest, as it was said with the last bin."""
        centre, scale, z = (float(self._usual[name][wearer]) for name in ("centre_bpm", "scale_bpm", "z"))
        if vital != HEART_RATE or np.isnan(centre):
            return Expectation(model=self.name)
        return Expectation(
            centre=centre, scale=scale, z=z, known_s=float(self._usual["known_s"][wearer]), model=self.name
        )

    def run(self, wearer: int, rule: int) -> Run:
        """Return the run of one side."""
        return self._tiers.runs.run(wearer, rule)

    def calm(self, wearer: int, rule: int, at_ms: int) -> None:
        """Forget the smoothed deviation of a heart rate that recovered."""
        del at_ms
        if rule < _SIDES:
            self._model.calm(np.array([wearer]))
            self._tiers.calm(np.array([wearer]))

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays."""
        parts = {"model": self._model.dump(), "tiers": self._tiers.dump(), "usual": self._usual.dump()}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        for prefix, part in (("model.", self._model), ("tiers.", self._tiers), ("usual.", self._usual)):
            part.load({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})

    def rested(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return a dump without runs of bins, and without since when a threshold has been passed."""
        return self._tiers.table.anew(self._tiers.runs.table.anew(arrays, "tiers.runs."), "tiers.since.")


def _decision(row: int, rule: int, tier: int) -> Decision:
    """Return the threshold of a tier, the same for everybody."""
    del row, rule
    return Decision(threshold=THRESHOLDS_Z[tier - 1])


def _of_rate(values: Floats) -> Floats:
    wide = unknown_vitals(len(values))
    wide[:, HEART_RATE] = values
    return wide


def _of_sides(sides: npt.NDArray[Any]) -> npt.NDArray[Any]:
    wide = np.zeros((len(sides), RULES), dtype=sides.dtype)
    wide[:, :_SIDES] = sides
    return wide
