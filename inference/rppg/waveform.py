"""A pulse that somebody else measured, as one wave: heart rate, variability and breathing by the same gates.

There is one wave only, so that nothing speaks of two methods' agreement, of a background, or of movement: the
confidence rests on the rest, and was not fitted for waves.
"""

from dataclasses import replace

import numpy as np

from inference.rppg import beats, breathing, gate
from inference.rppg import confidence as confidences
from inference.rppg.analysis import conclude
from inference.rppg.estimates import Analysis, Estimate
from inference.rppg.estimator import FIRST_AFTER_S, WINDOW_S
from inference.rppg.pulse import GRID_HZ, METHODS
from inference.rppg.quality import Evidence, Window, components, weigh
from inference.rppg.reasons import GIVEN, BreathReason, HrvReason, Reason
from inference.rppg.wave import smoothed
from inference.slots import Floats

_STABLE = 3
_AT_REST = 100.0
"""A brightness in which nothing is wrong with the light."""


def analyze_waveform(values: Floats, *, hz: float) -> Analysis:
    """Return what a wave of a pulse tells, `hz` values a second; nothing about it raises, whatever it holds.

    Args:
        values: The wave, blood up, in any unit.
        hz: Values a second.
    """
    duration = (len(values) - 1) / hz if len(values) and hz > 0 else 0.0
    if not np.isfinite(values).all() or duration <= 0:
        return conclude([], duration_s=0.0, frames=0)
    even = _evened(values, hz)
    windows = _windows(even, hz)
    answer = conclude(windows, duration_s=duration, frames=len(values))
    reason = beats.closed(
        seconds=duration,
        fps=hz,
        snr_db=answer.snr_db if answer.reason in GIVEN else None,
        rate_bpm=answer.heart_rate_bpm,
    )
    shown = replace(
        answer, fps=hz, hrv_reason=reason or answer.hrv_reason, pulse=smoothed(even),
        pulse_time_s=np.arange(len(even)) / GRID_HZ,
    )  # fmt: skip
    if answer.heart_rate_bpm is None:
        return shown
    found = beats.find(values, hz=hz, rate_bpm=answer.heart_rate_bpm)
    breaths, breath_reason = breathing.rate(found, even, light_hz=GRID_HZ)
    shown = replace(shown, respiratory_rate=breaths, respiratory_reason=breath_reason)
    if reason is not None:
        return shown
    told, why = beats.variability(found, rate_bpm=answer.heart_rate_bpm)
    return replace(shown, hrv=told, hrv_reason=why, beat_time_s=found.time_s)


def _evened(values: Floats, hz: float) -> Floats:
    """Return the wave at `GRID_HZ`; of more, as many as make a thirtieth of a second are averaged."""
    together = max(round(hz / GRID_HZ), 1)
    smooth = np.convolve(values - values.mean(), np.ones(together) / together, mode="same")
    even: Floats = np.interp(np.arange(0, (len(values) - 1) / hz, 1 / GRID_HZ), np.arange(len(values)) / hz, smooth)
    return even


def _windows(even: Floats, hz: float) -> list[Estimate]:
    made: list[Estimate] = []
    rates: list[float] = []
    for end in range(GRID_HZ, len(even) + 1, GRID_HZ):
        first = max(0, end - round(WINDOW_S * GRID_HZ))
        evidence = _weighed(even[first:end], hz) if end >= FIRST_AFTER_S * GRID_HZ - 2 * GRID_HZ else None
        if evidence is not None:
            rates.append(evidence.rate_bpm)
        stability = float(np.ptp(rates[-_STABLE:])) if len(rates) >= _STABLE else float("nan")
        made.append(_estimate(evidence, stability, end_s=end / GRID_HZ, wave=even[end - GRID_HZ : end]))
    return made


def _weighed(part: Floats, hz: float) -> Evidence | None:
    scale = float(part.std())
    if not scale > 0:
        return None
    unknown = np.full(len(part), np.nan)
    return weigh(
        Window(
            pulses=np.stack([part / scale] * METHODS + [unknown] * METHODS),
            background_light=unknown,
            motion=unknown,
            saturated=unknown,
            light=np.full(len(part), _AT_REST),
            far=np.zeros(len(part)),
            fps=hz,
        )
    )


def _estimate(evidence: Evidence | None, stability_bpm: float, *, end_s: float, wave: Floats) -> Estimate:
    reason, sure = Reason.WARMING_UP, 0.0
    if end_s >= FIRST_AFTER_S:
        reason = Reason.NO_SIGNAL
        if evidence is not None:
            sure = confidences.shipped().probability(confidences.features(evidence, stability_bpm))
            reason = gate.rhythm(evidence, stability_bpm=stability_bpm, confidence=sure)
    return Estimate(
        time_s=end_s,
        heart_rate_bpm=evidence.rate_bpm if evidence is not None and reason in GIVEN else None,
        confidence=sure,
        reason=reason,
        snr_db=None if evidence is None else evidence.snr_db,
        respiratory_rate=None,
        respiratory_reason=BreathReason.NOT_DUE,
        hrv=None,
        hrv_reason=HrvReason.NOT_DUE,
        components={} if evidence is None else components(evidence, stability_bpm),
        wave=wave,
    )
