"""A picture of what a recording told: the pulse, its spectrum, and the heart rate of every window with its reason."""

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import signal

from inference.rppg.estimates import Analysis
from schemas.errors import SetupError

_BAND_BPM: Final = (40.0, 200.0)
_SEGMENT_S: Final = 20.0
_LEAST_SPAN_BPM: Final = 20.0
"""The axis of the windows shows at least so much: a steady pulse is a flat line."""
_BANDS: Final = ("#e8e8e8", "#f6d5d5", "#d9e4f5", "#efe0c8", "#e3d6ee", "#d5eee9")


def check(path: Path) -> None:
    """Return where a picture can be written to a path, before anything is measured.

    Raises:
        SetupError: It has another ending than .png, or its folder cannot be written to.
    """
    if path.suffix.lower() != ".png":
        raise SetupError(f"The picture is a PNG, and {path.name} does not end in .png.", next_step="Name it so.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise SetupError(
            f"No picture can be written to {path}: the folder is not there, or may not be written to.",
            next_step=f"Create {path.parent}, or give --plot another path.",
        )


def draw(analysis: Analysis, path: Path, title: str) -> None:
    """Write the picture as PNG."""
    drawn(analysis, title).savefig(path, dpi=110, format="png")


def drawn(analysis: Analysis, title: str) -> Figure:
    """Return the picture: pulse, spectrum, windows; pulse and windows have the same axis of time."""
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
    times = [*analysis.pulse_time_s, *(window.time_s - since for window in analysis.windows for since in (0, 1))]
    pulse.set_xlim(min(times, default=0.0), max(times, default=max(analysis.duration_s, 1.0)))
    windows.sharex(pulse)
    return figure


def _draw_pulse(axes: Axes, analysis: Analysis) -> None:
    axes.plot(analysis.pulse_time_s, analysis.pulse, linewidth=0.7, color="#a02020")
    for beat in analysis.beat_time_s:
        axes.axvline(float(beat), linewidth=0.3, color="#888888")
    axes.set(xlabel="seconds", ylabel="pulse, no unit", title="Pulse")
    if not np.isfinite(analysis.pulse).any():
        axes.set(yticks=[])


def _draw_spectrum(axes: Axes, analysis: Analysis) -> None:
    axes.set(xlabel="beats a minute", ylabel="power, dB", title="Spectrum")
    seen = analysis.pulse[np.isfinite(analysis.pulse)]
    if len(seen) < 2 or len(analysis.pulse_time_s) < 2:  # noqa: PLR2004 - there is no rate of one value
        axes.set(xlim=_BAND_BPM, yticks=[])
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


def _range(rates: list[float]) -> tuple[float, float]:
    """Return what the axis of heart rates shows: all of them with room, or where they would be."""
    if not rates:
        return _BAND_BPM
    middle = (min(rates) + max(rates)) / 2
    half = max((max(rates) - min(rates)) * 0.6, _LEAST_SPAN_BPM / 2)
    return middle - half, middle + half


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
    low, high = _range([window.heart_rate_bpm for window in given if window.heart_rate_bpm is not None])
    axes.set_ylim(low, high)
    # Within the axes, so that a second lies under the same second of the pulse.
    where = axes.inset_axes((0.02, 0.13, 0.2, 0.05))
    axes.figure.colorbar(dots, cax=where, orientation="horizontal", ticks=[0, 0.5, 1])
    where.set_title("confidence", fontsize=8)
    where.tick_params(labelsize=7)
    if withheld:
        axes.legend(loc="upper right", title="no heart rate", framealpha=0.9)
    axes.set(
        xlabel="end of the window, seconds",
        ylabel="beats a minute",
        title="Heart rate of every window, or why there is none",
    )
