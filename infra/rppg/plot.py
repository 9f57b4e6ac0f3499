"""A picture of what a recording told: the pulse, its spectrum, and the heart rate of every window with its reason."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import signal

from inference.rppg.estimates import Analysis

_BAND_BPM: Final = (40.0, 200.0)
_SEGMENT_S: Final = 20.0
_BANDS: Final = ("#e8e8e8", "#f6d5d5", "#d9e4f5", "#efe0c8", "#e3d6ee", "#d5eee9")


def draw(analysis: Analysis, path: Path, title: str) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(10, 9), layout="constrained")
    pulse, spectrum, windows = figure.subplots(3, 1)
    rate = analysis.heart_rate_bpm
    told = (
        f"no estimate: {analysis.reason}" if rate is None else f"{rate:.1f} bpm, confidence {analysis.confidence:.2f}"
    )
    figure.suptitle(f"{title}: {told}")
    _draw_pulse(pulse, analysis)
    _draw_spectrum(spectrum, analysis)
    _draw_windows(windows, analysis)
    figure.savefig(path, dpi=110, format="png")


def _draw_pulse(axes: Axes, analysis: Analysis) -> None:
    axes.plot(analysis.pulse_time_s, analysis.pulse, linewidth=0.7, color="#a02020")
    for beat in analysis.beat_time_s:
        axes.axvline(float(beat), linewidth=0.3, color="#888888")
    axes.set(xlabel="seconds", ylabel="pulse, no unit", title="Pulse")
    axes.margins(x=0)


def _draw_spectrum(axes: Axes, analysis: Analysis) -> None:
    axes.set(xlabel="beats a minute", ylabel="power, dB", title="Spectrum")
    seen = analysis.pulse[np.isfinite(analysis.pulse)]
    if len(seen) < 2 or len(analysis.pulse_time_s) < 2:  # noqa: PLR2004 - there is no rate of one value
        axes.text(0.5, 0.5, "no pulse to see", transform=axes.transAxes, ha="center")
        return
    hz = 1 / float(np.median(np.diff(analysis.pulse_time_s)))
    points = min(len(seen), round(_SEGMENT_S * hz))
    at_hz, power = signal.welch(seen, hz, nperseg=points, nfft=max(points, 4096))
    inside = (at_hz * 60 >= _BAND_BPM[0]) & (at_hz * 60 <= _BAND_BPM[1])
    axes.plot(at_hz[inside] * 60, 10 * np.log10(power[inside] + 1e-12), color="#304060")
    if analysis.heart_rate_bpm is not None:
        axes.axvline(analysis.heart_rate_bpm, linestyle="--", color="#1b7f4b")
    axes.margins(x=0)


def _draw_windows(axes: Axes, analysis: Analysis) -> None:
    withheld: dict[str, Any] = {}
    given = [window for window in analysis.windows if window.heart_rate_bpm is not None]
    for window in analysis.windows:
        reason = str(window.reason)
        if window.heart_rate_bpm is None:
            new = reason not in withheld
            colour = withheld.setdefault(reason, _BANDS[len(withheld) % len(_BANDS)])
            axes.axvspan(window.time_s - 1, window.time_s, color=colour, label=reason if new else None)
    dots = axes.scatter(
        [window.time_s for window in given],
        [window.heart_rate_bpm or 0.0 for window in given],
        c=[window.confidence for window in given],
        cmap="viridis",
        vmin=0,
        vmax=1,
        s=22,
        zorder=3,
    )
    axes.figure.colorbar(dots, ax=axes, label="confidence", pad=0.01)
    if withheld:
        axes.legend(loc="upper right", title="no heart rate", framealpha=0.9)
    axes.set(
        xlabel="end of the window, seconds",
        ylabel="beats a minute",
        title="Heart rate of every window, or why there is none",
    )
    axes.margins(x=0.01)
