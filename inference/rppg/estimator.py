"""The pulse of one stream: frames in, one estimate a second out; how the frames came together makes no difference."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from inference.rppg import beats, breathing, gate
from inference.rppg import confidence as confidences
from inference.rppg.confidence import Logistic
from inference.rppg.estimates import Estimate, Variability
from inference.rppg.grid import RESTART_S, SOON_S, TIME, WIDTH, Second, due_s, points_end, rows, second
from inference.rppg.history import LONG_S, SHORT_S, History
from inference.rppg.pulse import GRID_HZ, LAG
from inference.rppg.quality import Evidence, components, weigh
from inference.rppg.reasons import ACTS, GIVEN, Act, Advice, BreathReason, HrvReason, Reason
from inference.rppg.samples import Samples, join
from inference.rppg.wave import Display
from inference.slots import Floats

FIRST_AFTER_S: Final = 8.0
WINDOW_S: Final = 24.0
EARLY_S: Final = 2.0
"""So long before the first value rates are found already, so that it can be seen whether they stay."""

_REMEMBERED_S: Final = 10
_FRAMES, _FACELESS, _CROWDED, _REFUSED, _STEPPED = range(5)
_COUNTED: Final = 5
_STABLE: Final = 3
_NO_CHANGE: Final = np.empty(0)
CLEAR_WINDOW_S: Final = 20.0
"""Windows this long and longer say how clearly the pulse stood out while beats were gathered."""
_CLEAR_S: Final = LONG_S
_MOST_CROWDED: Final = 0.3
MOST_REFUSED: Final = 0.1
_MOST_FACELESS: Final = 0.5
BEATS_EVERY_S: Final = 10
"""So often beats are looked for in a stream, for variability and breathing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one second made: its estimate and what it rests on; the pulse that became ready, its first value's time."""

    estimate: Estimate
    evidence: Evidence | None
    stability_bpm: float
    pulse: Floats
    pulse_from_s: float
    broken: bool


class PulseEstimator:
    """Estimates the pulse of one stream.

    The state is a minute of pulse and brightness and half a minute of the rest, about 45 KiB; `dump` returns it, and an
    estimator that `load` made of it goes on with the same bits.
    """

    def __init__(
        self, *, first_after_s: float = FIRST_AFTER_S, window_s: float = WINDOW_S, belief: Logistic | None = None
    ) -> None:
        """Begin a stream: a first value after `first_after_s` of pulse, then windows that grow to `window_s`.

        `belief` makes evidence a confidence; without it, the shipped weights.

        Raises:
            ValueError: The window is shorter than the first one, or longer than what is remembered.
        """
        if not EARLY_S < first_after_s <= window_s <= SHORT_S:
            raise ValueError(f"Windows must grow from over {EARLY_S} s to at most {SHORT_S} s.")
        self._first_after_s = first_after_s
        self._window_s = window_s
        self._belief = confidences.shipped() if belief is None else belief
        self._waiting: list[Samples] = []
        self._kept: Floats = np.empty((0, WIDTH))
        self._last_s = -np.inf
        self._origin_s = np.nan
        self._index = 0
        self._history = History()
        self._display = Display()
        self._counts: Floats = np.zeros((_REMEMBERED_S, _COUNTED))
        self._refused = 0
        self._rates: Floats = np.full(_STABLE, np.nan)
        self._clear_db: Floats = np.full(_CLEAR_S, np.nan)
        self._reason = Reason.NO_FRAMES

    def push(self, samples: Samples) -> list[Estimate]:
        """Take the next frames and return the estimates of the seconds that they completed."""
        return [step.estimate for step in self.steps(samples)]

    def steps(self, samples: Samples) -> Iterator[Step]:
        """Take the next frames and yield what the seconds that they completed made."""
        for first, after in self._pieces(samples.time_s):
            self._waiting.append(samples if after - first == len(samples) else samples.rows(first, after))
            if self._last_s < due_s(self._origin_s, self._index) - SOON_S:
                continue
            frames = self._frames()
            while frames[-1, TIME] >= due_s(self._origin_s, self._index) - SOON_S:
                step, frames = self._second(frames)
                self._kept = frames
                yield step

    def advice(self) -> Advice:
        """Return what the person can do now."""
        left = max(self._first_after_s + (LAG + 1) / GRID_HZ - self._history.span_s, 0.0)
        act = ACTS.get(self._reason, Act.NONE)
        return Advice(act=act, seconds_left=round(left, 3))

    def dump(self) -> dict[str, Any]:
        """Return the state: numbers, strings and arrays by name, none of which the estimator changes later."""
        return {
            "first_after_s": self._first_after_s,
            "window_s": self._window_s,
            "waiting": self._frames().copy(),
            "last_s": self._last_s,
            "origin_s": self._origin_s,
            "index": self._index,
            "history": self._history.dump(),
            "display": self._display.dump(),
            "counts": self._counts.copy(),
            "refused": self._refused,
            "rates": self._rates.copy(),
            "clear_db": self._clear_db.copy(),
            "reason": str(self._reason),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """Return an estimator that goes on where `dump` was asked."""
        made = cls(first_after_s=state["first_after_s"], window_s=state["window_s"])
        made._kept = np.array(state["waiting"])
        made._last_s = state["last_s"]
        made._origin_s = state["origin_s"]
        made._index = state["index"]
        made._history = History.load(state["history"])
        made._display = Display.load(state["display"])
        made._counts = np.array(state["counts"])
        made._refused = state["refused"]
        made._rates = np.array(state["rates"])
        made._clear_db = np.array(state["clear_db"])
        made._reason = Reason(state["reason"])
        return made

    def _frames(self) -> Floats:
        """Return the frames that wait as rows: made of all at once, since one by one costs most for a single frame."""
        if self._waiting:
            together = self._waiting[0] if len(self._waiting) == 1 else join(self._waiting)
            self._kept = np.concatenate((self._kept, rows(together)))
            self._waiting = []
        return self._kept

    def _pieces(self, times: Floats) -> Iterator[tuple[int, int]]:
        """Yield runs of frames whose times rise; others are counted, and a jump begins anew before its run."""
        if len(times) and self._last_s < times[0] <= self._last_s + RESTART_S:
            change = np.diff(times) if len(times) > 1 else _NO_CHANGE
            if not len(change) or ((change > 0) & (change <= RESTART_S)).all():
                self._last_s = float(times[-1])
                yield 0, len(times)
                return
        first = 0
        for row, time_s in enumerate(times.tolist()):
            ahead = time_s - self._last_s
            if 0 < ahead <= RESTART_S:
                self._last_s = time_s
                continue
            if row > first:
                yield first, row
            first = row + 1
            if np.isfinite(time_s) and not -RESTART_S <= ahead <= 0:
                self._restart(time_s)
                first = row
            else:
                self._refused += 1
        if len(times) > first:
            yield first, len(times)

    def _restart(self, time_s: float) -> None:
        self._waiting = []
        self._kept = np.empty((0, WIDTH))
        self._last_s = self._origin_s = time_s
        self._index = 0
        self._forget()

    def _forget(self) -> None:
        self._history.forget()
        self._display.forget()
        self._rates[:] = np.nan
        self._clear_db[:] = np.nan

    def _second(self, frames: Floats) -> tuple[Step, Floats]:
        """Return what the next second made, and the frames that are still needed."""
        made, needed = second(frames, origin_s=self._origin_s, index=self._index)
        end_s = points_end(self._origin_s, self._index)
        self._index += 1
        self._counts[:-1] = self._counts[1:]
        self._counts[-1] = made.frames, made.faceless, made.crowded, self._refused, made.stepped
        self._refused = 0
        if made.broken:
            self._forget()
        pulse = self._history.push(made)
        wave = self._display.push(pulse)
        estimate, evidence = self._estimate(made, end_s=end_s, wave=wave)
        self._reason = estimate.reason
        span = len(pulse) / GRID_HZ
        step = Step(
            estimate=estimate,
            evidence=evidence,
            stability_bpm=self._stability(),
            pulse=pulse,
            pulse_from_s=end_s - LAG / GRID_HZ - span,
            broken=made.broken,
        )
        return step, needed

    def _estimate(self, made: Second, *, end_s: float, wave: Floats) -> tuple[Estimate, Evidence | None]:
        reason = self._hindrance(made)
        rate: float | None = None
        sure = 0.0
        evidence: Evidence | None = None
        if reason is None:
            pulse_s = self._history.pulse_s
            if pulse_s >= self._first_after_s - EARLY_S:
                evidence = self._weighed(min(pulse_s, self._window_s))
            reason, sure = self._judged(evidence, pulse_s)
            if evidence is not None and reason in GIVEN:
                rate = evidence.rate_bpm
        (breaths, breath_reason), hrv, hrv_reason = self._beats(rate, self._faintest(evidence))
        told = Estimate(
            time_s=end_s,
            heart_rate_bpm=rate,
            confidence=sure,
            reason=reason,
            snr_db=None if evidence is None else evidence.snr_db,
            respiratory_rate=breaths,
            respiratory_reason=breath_reason,
            hrv=hrv,
            hrv_reason=hrv_reason,
            components={} if evidence is None else components(evidence, self._stability()),
            wave=wave,
        )
        return told, evidence

    def _beats(
        self, rate_bpm: float | None, snr_db: float | None
    ) -> tuple[breathing.Told, Variability | None, HrvReason]:
        """Return breaths a minute and variability where they are due, and why there are none."""
        seconds = self._history.span_s
        reason = beats.closed(seconds=seconds, fps=self._fps(), snr_db=snr_db, rate_bpm=rate_bpm)
        if rate_bpm is None:
            return (None, BreathReason.NO_HEART_RATE), None, HrvReason.NO_HEART_RATE
        if self._index % BEATS_EVERY_S:
            return (None, BreathReason.NOT_DUE), None, reason or HrvReason.NOT_DUE
        if self._history.pulse_s < breathing.LEAST_S:
            return (None, BreathReason.TOO_SHORT), None, reason or HrvReason.TOO_SHORT
        pulse = self._history.pulse.newest(self._history.pulse.filled)[0].astype(np.float64)
        light = self._history.light.newest(self._history.light.filled)[0].astype(np.float64)
        found = beats.find(pulse, hz=GRID_HZ, rate_bpm=rate_bpm)
        breaths = breathing.rate(found, light[: len(pulse)], light_hz=GRID_HZ)
        if reason is not None:
            return breaths, None, reason
        hrv, hrv_reason = beats.variability(found, rate_bpm=rate_bpm)
        return breaths, hrv, hrv_reason

    def _faintest(self, evidence: Evidence | None) -> float | None:
        """Return the lowest signal-to-noise ratio of the windows over the stretch that beats would be taken from."""
        judged = evidence is not None and evidence.window_s >= CLEAR_WINDOW_S
        self._clear_db[:-1] = self._clear_db[1:]
        self._clear_db[-1] = evidence.snr_db if evidence is not None and judged else np.nan
        if evidence is None:
            return None
        inside = self._clear_db[-max(round(self._history.span_s - CLEAR_WINDOW_S) + 1, 1) :]
        return float(np.fmin(np.fmin.reduce(inside), evidence.snr_db))

    def _fps(self) -> float:
        return float(self._counts[-min(self._index, _REMEMBERED_S) :, _FRAMES].mean())

    def _hindrance(self, made: Second) -> Reason | None:
        """Return why the newest seconds allow no look at the pulse at all, or None."""
        known = self._counts[-min(self._index, _REMEMBERED_S) :]
        frames, _, crowded, refused, stepped = known.sum(axis=0).tolist()
        if refused > MOST_REFUSED * (frames + refused):
            return Reason.BAD_TIMES
        if frames / len(known) < gate.LEAST_FPS:
            return Reason.LOW_FPS if made.frames else Reason.GAP
        if made.faceless > _MOST_FACELESS * made.frames or (made.broken and not len(made.far) and made.faceless):
            return Reason.UNREADABLE if made.unreadable * 2 >= made.faceless else Reason.NO_FACE
        if crowded > _MOST_CROWDED * frames:
            return Reason.TWO_FACES
        if made.colour.size and float(np.nan_to_num(made.colour[0]).mean()) < gate.LEAST_LIGHT:
            return Reason.LOW_LIGHT
        waiting = self._history.pulse_s < self._first_after_s
        return Reason.LIGHT_CHANGES if stepped and waiting and self._index > _REMEMBERED_S else None

    def _weighed(self, window_s: float) -> Evidence | None:
        window = self._history.window(round(window_s * GRID_HZ), fps=self._fps())
        if not np.isfinite(window.pulses[0]).all() or not np.ptp(window.pulses[0]) > 0:
            return None
        evidence = weigh(window)
        self._rates = np.append(self._rates[1:], evidence.rate_bpm)
        return evidence

    def _judged(self, evidence: Evidence | None, pulse_s: float) -> tuple[Reason, float]:
        if pulse_s < self._first_after_s:
            return Reason.WARMING_UP, 0.0
        if evidence is None:
            return Reason.NO_SIGNAL, 0.0
        hard = gate.scene(evidence)
        if hard is not None:
            return hard, 0.0
        stability = self._stability()
        sure = self._belief.probability(confidences.features(evidence, stability))
        return gate.rhythm(evidence, stability_bpm=stability, confidence=sure), sure

    def _stability(self) -> float:
        """Return by how much the last rates differ at most, NaN where there are not yet three."""
        return float(self._rates.max() - self._rates.min())
