"""What is told of a pulse: one estimate a second, and one answer for a whole recording."""

from collections.abc import Mapping
from dataclasses import dataclass

from inference.rppg.reasons import BreathReason, HrvReason, Reason
from inference.slots import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Variability:
    """Heart rate variability of beats that passed every gate, by the definitions of `inference.hrv.measures`.

    Attributes:
        rmssd_ms: RMSSD; `sdnn_ms` SDNN; `pnn50_percent` pNN50.
        heart_rate_bpm: Mean heart rate of the believed intervals; `heart_rate_sd_bpm` its standard deviation.
        window_s: From the first of the beats to the last: a few seconds less than the signal.
        beats: Believed intervals.
        kept: Share of the intervals found that are believed, 0 to 1.
        template: Median correlation of a beat with the mean beat.
    """

    rmssd_ms: float
    sdnn_ms: float
    pnn50_percent: float
    heart_rate_bpm: float
    heart_rate_sd_bpm: float
    window_s: float
    beats: int
    kept: float
    template: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is told of one moment.

    Attributes:
        time_s: End of its window, in the time of the frames.
        heart_rate_bpm: Heart rate, or None where it is withheld.
        confidence: Probability that the heart rate is less than 5 bpm off, 0 to 1; 0 where nothing was estimated.
        reason: Why there is a heart rate or none.
        snr_db: Signal-to-noise ratio of the pulse (de Haan and Jeanne 2013), or None where nothing was estimated.
        respiratory_rate: Breaths a minute over the last 30 s at least, or None; `respiratory_reason` says why.
        hrv: Variability, or None; `hrv_reason` says why.
        components: What confidence and reason rest on, by name; None where not known.
        wave: The newest second of the pulse for display, band-passed, dimensionless, shape (<= 30,).
    """

    time_s: float
    heart_rate_bpm: float | None
    confidence: float
    reason: Reason
    snr_db: float | None
    respiratory_rate: float | None
    respiratory_reason: BreathReason
    hrv: Variability | None
    hrv_reason: HrvReason
    components: Mapping[str, float | None]
    wave: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is told of a whole recording.

    Attributes:
        heart_rate_bpm: Mean of the longest windows that hold one, without the lowest and highest tenth, or None.
        confidence: Probability that it is less than 5 bpm off.
        reason: Why there is a heart rate or none: without one, the reason of most windows.
        snr_db: Median of the windows that hold a heart rate, else of those that were estimated, or None.
        respiratory_rate: Median of the windows that hold one, or None; `respiratory_reason` says why.
        hrv: Variability over the longest unbroken stretch, or None; `hrv_reason` says why.
        windows: One estimate a second, but for those in which too little had been seen since a beginning or a break.
        coverage: Share of all seconds from the first possible one on that hold a heart rate, 0 to 1.
        duration_s: From the first frame to the last.
        fps: Frames a second as measured, 0 where there are none.
        pulse_time_s: Times of `pulse`, shape (m,).
        pulse: The pulse, band-passed, dimensionless; NaN where there was none to see, shape (m,).
        beat_time_s: Times of the beats found where variability was measured, shape (beats,), else empty.
    """

    heart_rate_bpm: float | None
    confidence: float
    reason: Reason
    snr_db: float | None
    respiratory_rate: float | None
    respiratory_reason: BreathReason
    hrv: Variability | None
    hrv_reason: HrvReason
    windows: list[Estimate]
    coverage: float
    duration_s: float
    fps: float
    pulse_time_s: Floats
    pulse: Floats
    beat_time_s: Floats
