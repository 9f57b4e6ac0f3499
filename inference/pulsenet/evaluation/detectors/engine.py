"""The model itself, under the same contract as its rivals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.calibration import REFRACTORY_MIN, TIER_RATES, opening
from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS, VITAL_OF
from inference.pulsenet.engine import Judged, PulseNet
from inference.pulsenet.evaluation.protocol import Judgement, Sided
from inference.pulsenet.offline import Grid
from inference.pulsenet.series import VITAL_COUNT, Series
from inference.slots import Bools, Floats, Ints

_CONDITIONS: Final = [channel.condition for channel in CHANNELS]
_HIGH: Final = _CONDITIONS.index("heart_rate.high")
_LOW: Final = _CONDITIONS.index("heart_rate.low")
_SIDES: Final = (_HIGH, _LOW)
_OTHERS: Final = sorted({*_CONDITIONS} - {_CONDITIONS[code] for code in _SIDES})
_TIERS: Final = len(TIER_RATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Minutes of one recording, from `start` to before `end`."""

    recording: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the engine said of recordings.

    Attributes:
        alerts: Minutes at which alerts opened, by tier (first, second), recording and condition.
        nearest: Highest score over its tier-1 threshold in each window while the channel's vital was judged, -inf where
            it never was, shape (windows, CHANNEL_COUNT).
    """

    alerts: tuple[Sequence[Mapping[str, Ints]], ...]
    nearest: Floats


class Engine:
    """Judges by the engine's own thresholds; every alert of any condition counts, whatever it is about."""

    def __init__(self, model: Callable[[], PulseNet], *, name: str) -> None:
        """`model` makes an engine without wearers: each batch of recordings has one of its own."""
        self._model = model
        self._name = name

    @property
    def name(self) -> str:
        """Key of its row."""
        return self._name

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """The scores of the heart rate over ten minutes."""
        return [one.scores for one in self.judge(series)]

    def judge(self, series: Sequence[Series]) -> Sequence[Judgement]:
        """Step the engine through all recordings side by side; a wearer's baselines wait while an alert stands."""
        kept = self._run(series)
        return [kept.judgement(slot, one.minutes) for slot, one in enumerate(series)]

    def alerts(self, series: Sequence[Series]) -> Sequence[Mapping[str, Ints]]:
        """The minutes at which tier-1 alerts open, by condition."""
        return self.watch(series, ()).alerts[0]

    def watch(self, series: Sequence[Series], windows: Sequence[Window]) -> Watched:
        """The alerts of both tiers, and how near to its threshold each channel came in some windows."""
        kept = self._run(series, windows)
        return Watched(
            alerts=tuple([kept.alerts(slot, tier) for slot in range(len(series))] for tier in range(_TIERS)),
            nearest=kept.nearest,
        )

    def _run(self, series: Sequence[Series], windows: Sequence[Window] = ()) -> "_Kept":
        model, grid = self._model(), Grid(series)
        model.extend(len(series))
        kept = _Kept((len(series), grid.minutes), windows)
        beyond: Bools = np.zeros(len(series), dtype=np.bool_)
        for row in range(grid.minutes):
            slots = np.flatnonzero(grid.known[row])
            if not len(slots):
                continue
            judged = model.step(grid.minute(slots, row), learn=np.repeat(~beyond[slots, None], VITAL_COUNT, axis=1))
            kept.take(judged, slots, row)
            with np.errstate(invalid="ignore"):
                beyond[slots] = judged.combined >= 1.0
        return kept


class _Kept:
    """What is needed of what the engine said, in 32 bits."""

    def __init__(self, shape: tuple[int, int], windows: Sequence[Window]) -> None:
        self._scores = np.full((len(_SIDES), *shape), np.nan, dtype=np.float32)
        self._lines = np.full((len(_SIDES), _TIERS, *shape), np.inf, dtype=np.float32)
        self._beyond = np.full((shape[0], CHANNEL_COUNT, _TIERS), -REFRACTORY_MIN, dtype=np.int64)
        self._alarms: dict[tuple[int, int, str], list[int]] = {}
        self._windows = np.array([(one.recording, one.start, one.end) for one in windows], dtype=np.int64).reshape(
            -1, 3
        )
        self.nearest = np.full((len(windows), CHANNEL_COUNT), -np.inf)

    def take(self, judged: Judged, slots: Ints, row: int) -> None:
        now = ~np.isnan(judged.z[:, VITAL_OF])
        for side, code in enumerate(_SIDES):
            self._scores[side, slots, row] = judged.score[:, code]
            for tier in range(_TIERS):
                line = judged.threshold[:, code, tier]
                self._lines[side, tier, slots, row] = np.where(now[:, code], line, np.inf)
        self._watch(judged, slots, row, now)
        with np.errstate(invalid="ignore"):
            reached = (judged.score[:, :, None] >= judged.threshold) & now[:, :, None]
        if not reached.any():
            return
        for tier in range(_TIERS):
            last = self._beyond[slots, :, tier]
            for place, code in np.argwhere(opening(reached[:, :, tier], row - last)):
                self._alarms.setdefault((int(slots[place]), tier, _CONDITIONS[code]), []).append(row)
            self._beyond[slots, :, tier] = np.where(reached[:, :, tier], row, last)

    def _watch(self, judged: Judged, slots: Ints, row: int, now: Bools) -> None:
        who, start, end = self._windows.T
        open_now = np.flatnonzero((start <= row) & (row < end) & np.isin(who, slots))
        if len(open_now):
            place = np.searchsorted(slots, who[open_now])
            share = np.where(now, judged.score / judged.threshold[:, :, 0], np.nan)[place]
            self.nearest[open_now] = np.fmax(self.nearest[open_now], share)

    def judgement(self, slot: int, minutes: int) -> Judgement:
        high, low = self._scores[:, slot, :minutes].astype(np.float64)
        lines = self._lines[:, :, slot, :minutes].astype(np.float64)
        return Judgement(
            scores=Sided(high=high, low=low),
            thresholds={rate: Sided(high=lines[0, tier], low=lines[1, tier]) for tier, rate in enumerate(TIER_RATES)},
            others={
                rate: np.sort(np.concatenate([self._rows(slot, tier, condition) for condition in _OTHERS]))
                for tier, rate in enumerate(TIER_RATES)
            },
        )

    def alerts(self, slot: int, tier: int) -> dict[str, Ints]:
        return {condition: self._rows(slot, tier, condition) for condition in dict.fromkeys(_CONDITIONS)}

    def _rows(self, slot: int, tier: int, condition: str) -> Ints:
        """Return when alerts opened: two channels of one condition that open at once are one."""
        return np.unique(np.array(self._alarms.get((slot, tier, condition), ()), dtype=np.int64))
