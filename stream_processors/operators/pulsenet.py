"""PulseNet behind the contract of a detector: minutes in, verdicts on every condition out.

A minute is judged when it is complete; between two minutes each bin's z is its distance from what the last minute
expected. A condition opens where one of its channels reaches the threshold in force. What is averaged over hours goes
on while a channel's own deviation, the wearer's level not taken away, stays beyond half of the tier-1 threshold; what
is averaged over minutes, while the minutes themselves are far from what is expected: that average fades while its
wearer moves, and a saturation of 88 % is no recovery because its wearer walks about.
"""

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from inference.pulsenet.calibration import REFRACTORY_MIN, TIER0_RATE, TIER_RATES
from inference.pulsenet.channels import CHANNELS, MINUTES
from inference.pulsenet.engine import Judged, PulseNet
from inference.pulsenet.inputs import WARMING_UP
from inference.pulsenet.personal import KNOWN_MIN
from inference.pulsenet.series import HEART_RATE
from inference.pulsenet.series import VITAL_COUNT as MODEL_VITALS
from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from schemas.vitals import NAMES
from stream_processors.operators.bins import Bins
from stream_processors.operators.conditions import ABOUT, CODE, SIGNS, VITAL
from stream_processors.operators.detector import RULES, Decision, Expectation, Learning, Scores, Verdict
from stream_processors.operators.minutes import MINUTE_MS, Minute, Minutes
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Run, Runs

EXIT_SHARE: Final = 0.5
"""Hysteresis: an average counts as far from usual while it is beyond this share of its tier-1 threshold."""
BACK_Z: Final = 1.5
"""Only a minute nearer than this to what is expected speaks for recovery of what is averaged over minutes."""
RISING_Z: Final = 1.5
SUDDEN_Z: Final = 4.0
"""A minute this far from what the minutes before let expect: the change came at once."""
BACK_MS: Final = 180_000
"""So long, near what is expected or its average no longer far from usual, is recovered."""
STALE_MIN: Final = 10
"""What a minute said holds no longer than this."""
BREAK_MS: Final = 900_000
"""A run of minutes that agree does not reach over a longer gap."""

_SCALE_S: Final = {"5 min": 300.0, "10 min": 600.0, "60 min": 3_600.0, "8 h": 28_800.0, "2 nights": 172_800.0}
_RULE: Final = np.array([CODE[channel.condition] for channel in CHANNELS])
_FAST: Final = np.array([channel.scale in MINUTES for channel in CHANNELS])
_SLOW_RULES: Final = ~np.isin(np.arange(RULES), _RULE[_FAST])
_PATIENCE_MIN: Final = np.where(_SLOW_RULES, 120, 15)
"""An average of the model waits so long for a vital that is measured rarely."""
_JOINT: Final = np.array([channel.vital is None for channel in CHANNELS])
_OF_RULE: Final = tuple(np.flatnonzero(rule == _RULE) for rule in range(RULES))
_FIRST: Final = np.array([channels[0] for channels in _OF_RULE])
_FURTHER: Final = [(rule, channel) for rule, channels in enumerate(_OF_RULE) for channel in channels[1:].tolist()]
_FREEZES: Final = np.arange(MODEL_VITALS) == HEART_RATE
_VITALS: Final = tuple(np.flatnonzero(row) for row in ABOUT[:RULES, :MODEL_VITALS])


class PulseNetDetector:
    """The anomaly model for the wearers of a partition."""

    def __init__(self, model: PulseNet) -> None:
        self.name = model.name
        self._model = model
        self._minutes = Minutes()
        self._runs = Runs(SIGNS)
        self._said = Table({
            "minute": Column("i8", NEVER),
            "expected": Column("f8", np.nan, MODEL_VITALS),
            "scale": Column("f8", np.nan, MODEL_VITALS),
            "baseline": Column("f4", np.nan, MODEL_VITALS),
            "z": Column("f4", np.nan, MODEL_VITALS),
            "known_min": Column("f4", 0.0, MODEL_VITALS),
            "combined": Column("f4", np.nan),
            "flag": Column("?", 0),
            "realised": Column("f4", np.nan),
            "days": Column("f4", np.nan),
            "sharpest": Column("f4", 0.0, RULES),
            "calm_ms": Column("i8", NEVER, RULES),
            "seen": Column("i8", NEVER, RULES),
        })  # fmt: skip
        self._calming = 0
        """Recoveries that wait for the next minute: usually none."""

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        self._model.extend(wearers)
        self._minutes.table.extend(wearers)
        self._runs.table.extend(wearers)
        self._said.extend(wearers)

    def judge(
        self, bins: Bins, activity: Activity, *, frozen: Bools, learning: Learning
    ) -> tuple[Scores, list[Verdict]]:
        """Judge the minutes that these bins complete, compare the bins with what is expected, and gather them."""
        complete = self._minutes.before(bins)
        verdicts = self._step(complete, learning)
        scores = self._score(bins, frozen)
        self._minutes.add(bins, activity, frozen=frozen)
        return scores, verdicts

    def complete(self, wearers: Ints, until_ms: Ints, *, learning: Learning) -> list[Verdict]:
        """Judge the minutes of these wearers of which no bin can come any more."""
        return self._step(self._minutes.until(wearers, until_ms), learning)

    def gathering(self) -> tuple[Ints, Ints]:
        """Return the wearers of whom a minute gathers, and when it ends (event time)."""
        return self._minutes.gathering()

    def _step(self, wearers: Ints, learning: Learning) -> list[Verdict]:
        if len(wearers) == 0:
            return []
        minute = self._minutes.give(wearers)
        free = learning.may_learn(wearers, minute.bins.end_ms)[:, :MODEL_VITALS]
        self._calm(wearers, minute.bins.end_ms, free)
        # What passed its threshold teaches nothing, though it comes too soon after a recovery to be an episode.
        learn = free & ~(self._said["combined"][wearers] >= 1.0)[:, None]
        judged = self._model.step(minute.steps, learn=learn)
        self._keep(minute, judged)
        return [self._verdict(minute, judged)]

    def _calm(self, wearers: Ints, end_ms: Ints, free: Bools) -> None:
        """Forget what was smoothed where a recovery lies before the end of this minute, in event time.

        Only of vitals that are `free`, (n, MODEL_VITALS): a recovery says nothing of what another episode is about.
        """
        if not self._calming:
            return
        since = self._said["calm_ms"][wearers]
        due = (since > NEVER) & (since <= end_ms[:, None])
        if not due.any():
            return
        for row, rule in np.argwhere(due).tolist():
            wearer = int(wearers[row])
            vitals = _VITALS[rule][free[row, _VITALS[rule]]]
            self._model.calm(np.full(len(vitals), wearer), vitals)
            self._runs.end(wearer, rule)
            self._said["calm_ms"][wearer, rule] = NEVER
            self._calming -= 1

    def _keep(self, minute: Minute, judged: Judged) -> None:
        """Remember what was said, for the bins of the next minutes and for evidence."""
        said, slot = self._said, minute.steps.slot
        usable = (judged.known_min >= KNOWN_MIN) & (judged.gate != WARMING_UP)[:, None]
        said["minute"][slot] = minute.steps.minute
        said["expected"][slot] = np.where(usable, judged.expected, np.nan)
        said["scale"][slot] = np.where(usable, (judged.high - judged.low) / 4.0, np.nan)
        said["baseline"][slot] = np.where(usable, judged.baseline, np.nan)
        said["z"][slot] = judged.z
        said["known_min"][slot] = judged.known_min
        said["combined"][slot], said["flag"][slot] = judged.combined, judged.flag
        said["realised"][slot], said["days"][slot] = judged.realised, judged.days

    def _score(self, bins: Bins, frozen: Bools) -> Scores:
        said, slot, count = self._said, bins.wearer, len(bins)
        fresh = bins.start_ms // MINUTE_MS - said["minute"][slot] <= STALE_MIN
        values = bins.values[:, :MODEL_VITALS]
        if frozen.any():
            values = np.where(frozen[:, None] & _FREEZES, np.nan, values)
        expected, scale = said["expected"].take(slot, axis=0), said["scale"].take(slot, axis=0)
        combined = said["combined"][slot]
        if not fresh.all():
            expected[~fresh], scale[~fresh], combined[~fresh] = np.nan, np.nan, np.nan
        known = ~np.isnan(combined)
        watched = known & ~np.isnan(expected[:, HEART_RATE])
        wide = np.full((3, count, len(NAMES)), np.nan)
        for part, of_model in zip(wide, ((values - expected) / scale, expected, scale), strict=True):
            part[:, :MODEL_VITALS] = of_model
        return Scores(
            z=wide[0],
            expected=wide[1],
            scale=wide[2],
            combined=combined,
            tier0=known & said["flag"][slot],
            tier0_rate=np.where(watched, TIER0_RATE, np.nan),
            promised_rate=np.full(count, TIER_RATES[0]),
            realised_rate=said["realised"][slot].astype(np.float64),
            rate_days=said["days"][slot].astype(np.float64),
        )

    def _verdict(self, minute: Minute, judged: Judged) -> Verdict:
        first = judged.threshold[:, :, 0]
        share = judged.score / first
        z = judged.z.take(VITAL, axis=1) * SIGNS
        now = ~np.isnan(z)
        tier = (_most_of_rule(share) >= 1.0).astype(np.int64)
        if tier.any():
            tier += _most_of_rule(np.minimum(share, judged.score / judged.threshold[:, :, 1])) >= 1.0
            tier *= now
        far = _most_of_rule(judged.held / first) >= EXIT_SHARE
        holds = np.where(_SLOW_RULES, far & now, z >= BACK_Z)
        self._follow(minute, judged, z, far)

        def decision(row: int, rule: int, fired: int) -> Decision:
            channels = _OF_RULE[rule]
            # The channel that fires this tier: another may lie further beyond its tier-1 threshold.
            beyond = np.fmin(
                share[row, channels], judged.score[row, channels] / judged.threshold[row, channels, fired - 1]
            )
            channel = channels[np.nanargmax(beyond)]
            return Decision(
                threshold=float(judged.threshold[row, channel, fired - 1]),
                time_scale_s=_SCALE_S[CHANNELS[channel].scale],
                kind=self._kind(int(minute.steps.slot[row]), rule),
                promised_rate=TIER_RATES[0],
                realised_rate=_known(judged.realised[row]),
                rate_days=_known(judged.days[row]),
                parts=_parts(judged.parts[row]) if _JOINT[channel] else None,
            )

        return Verdict(
            bins=minute.bins,
            activity=minute.activity,
            tier=tier,
            holds=holds,
            back=now & ~holds,
            measured=self._lately(minute, now),
            decision=decision,
            refractory_ms=REFRACTORY_MIN * MINUTE_MS,
            back_ms=BACK_MS,
        )

    def _lately(self, minute: Minute, now: Bools) -> Bools:
        """Return of which conditions the vital is known still: rarely measured ones are not over between two values."""
        slot, this = minute.steps.slot, minute.steps.minute[:, None]
        seen = np.where(now, this, self._said["seen"].take(slot, axis=0))
        self._said["seen"][slot] = seen
        lately: Bools = this - seen <= _PATIENCE_MIN
        return lately

    def _follow(self, minute: Minute, judged: Judged, z: Floats, far: Bools) -> None:
        """Follow the run of minutes that agree with each condition: an episode begins with its first."""
        slot, bins = minute.steps.slot, minute.bins
        rising = far | ((z >= RISING_Z) & ~_SLOW_RULES)
        running = self._runs.running(slot)
        if not (rising.any() or running.any()):
            return
        told = ~np.isnan(z)
        ends = told & ~rising
        ends |= bins.start_ms[:, None] - self._runs.table["last_ms"][slot] > BREAK_MS
        values = bins.values[:, VITAL]
        self._runs.follow(slot, bins, values, minute.activity, agree=rising & told, ends=ends)
        sharp = judged.sudden[:, VITAL] * SIGNS
        kept = np.where(running & ~ends, self._said["sharpest"][slot], 0.0)
        self._said["sharpest"][slot] = np.fmax(kept, sharp)

    def _kind(self, wearer: int, rule: int) -> Literal["sudden", "gradual"]:
        return "sudden" if self._said["sharpest"][wearer, rule] >= SUDDEN_Z else "gradual"

    def expectation(self, wearer: int, vital: int) -> Expectation:
        """Return what the last minute expected of a vital."""
        if vital >= MODEL_VITALS:
            return Expectation(model=self.name)
        said = {name: _known(self._said[name][wearer, vital]) for name in ("expected", "scale", "z", "baseline")}
        if said["expected"] is None:
            return Expectation(model=self.name)
        return Expectation(
            centre=said["expected"],
            scale=said["scale"],
            z=said["z"],
            baseline=said["baseline"],
            known_s=60.0 * float(self._said["known_min"][wearer, vital]),
            model=self.name,
        )

    def run(self, wearer: int, rule: int) -> Run:
        """Return the run of minutes that agree with a condition."""
        return self._runs.run(wearer, rule)

    def calm(self, wearer: int, rule: int, at_ms: int) -> None:
        """Forget, before the next minute that ends at or after this time, what was smoothed of a condition's vitals."""
        self._calming += self._said["calm_ms"][wearer, rule] == NEVER
        self._said["calm_ms"][wearer, rule] = at_ms

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays by wearer slot."""
        parts = {
            "model": self._model.dump(),
            "minutes": self._minutes.dump(),
            "runs": self._runs.dump(),
            "said": self._said.dump(),
        }
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        parts = (
            ("model.", self._model), ("minutes.", self._minutes.table), ("runs.", self._runs.table),
            ("said.", self._said),
        )  # fmt: skip
        for prefix, part in parts:
            part.load({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})
        self._calming = int((self._said["calm_ms"] > NEVER).sum())

    def rested(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return a dump in which no minute gathers and no run goes on: what was half told then, others told since."""
        return self._runs.table.anew(self._minutes.table.anew(arrays, "minutes.", "minute"), "runs.")

    def inherit(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over what another model gathered of the present minute, and knows of the wearers without its weights."""
        of = {name: {key.removeprefix(name): a for key, a in arrays.items() if key.startswith(name)}
              for name in ("model.", "minutes.")}  # fmt: skip
        self._model.inherit(of["model."])
        self._minutes.table.load_same(of["minutes."])


def _most_of_rule(by_channel: Floats) -> Floats:
    """Return the largest number among the channels of each condition, NaN where none says anything."""
    most = by_channel.take(_FIRST, axis=1)
    for rule, channel in _FURTHER:
        np.fmax(most[:, rule], by_channel[:, channel], out=most[:, rule])
    return most


def _parts(towards: Floats) -> dict[str, float]:
    """Return what each vital adds to a joint deviation, the most first."""
    known = np.flatnonzero(~np.isnan(towards))
    return {NAMES[vital]: float(towards[vital]) for vital in known[np.argsort(-towards[known], kind="stable")].tolist()}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
