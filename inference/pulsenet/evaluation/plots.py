"""Pictures of a report: what is detectable, whether promises were kept, one episode."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.pulsenet.evaluation.example import Example
from inference.pulsenet.evaluation.injection import GRID

SURFACE: Final = "pulsenet-surface.svg"
RELIABILITY: Final = "pulsenet-reliability.svg"
EPISODE: Final = "pulsenet-episode.svg"
_CONTEXTS: Final = ("rest", "sleep", "light")
_TITLES: Final = {"rest": "at rest, awake", "sleep": "asleep", "light": "light activity"}
_WIDTH_IN: Final = 10.0
_FLOOR: Final = 1e-3


def draw(report: Mapping[str, Any], folder: Path) -> None:
    """Write the pictures that a report has something for, as SVG on white ground."""
    folder.mkdir(parents=True, exist_ok=True)
    if report["model"] in report["detectors"]:
        surface(report, folder / SURFACE)
    reliability(report, folder / RELIABILITY)
    if "example" in report:
        episode(Example.of(report["example"]), folder / EPISODE)


def surface(report: Mapping[str, Any], path: Path) -> None:
    """Recall at 0.1 promised false alarms a wearer-day, by change and duration, for each context."""
    figure, axes = _figure(1, len(_CONTEXTS), height_in=3.6)
    scenarios = report["detectors"][report["model"]]["scenarios"]
    deltas = sorted({one.delta_bpm for one in GRID})
    durations = sorted({one.minutes for one in GRID})
    for axis, context in zip(axes, _CONTEXTS, strict=True):
        table = np.full((len(deltas), len(durations)), np.nan)
        for one in GRID:
            if one.context == context and one.name in scenarios:
                place = deltas.index(one.delta_bpm), durations.index(one.minutes)
                table[place] = scenarios[one.name]["recall"]["0.1"]
        places = np.arange(len(durations)), np.arange(len(deltas))
        axis.pcolormesh(*places, table, vmin=0, vmax=1, cmap="viridis", edgecolors="white", linewidth=0.5)
        for (row, column), value in np.ndenumerate(table):
            text = "-" if np.isnan(value) else f"{value:.2f}"
            dark = bool(np.isnan(value)) or value > 0.6  # noqa: PLR2004 - where the colour map turns light
            axis.text(column, row, text, ha="center", va="center", color="black" if dark else "white", fontsize=8)
        axis.set_xticks(range(len(durations)), [str(one) for one in durations])
        axis.set_yticks(range(len(deltas)), [f"{one:+d}" for one in deltas])
        axis.set_title(_TITLES[context], fontsize=10)
        axis.set_xlabel("duration, min")
    axes[0].set_ylabel("change of heart rate, bpm")
    figure.suptitle(f"{report['model']}: share of injected events found at 0.1 promised false alarms a wearer-day")
    _write(figure, path)


def reliability(report: Mapping[str, Any], path: Path) -> None:
    """Realised against promised alarms a wearer-day, with exact 95 % intervals, of each rule and detector."""
    figure, (axis,) = _figure(1, 1, height_in=5.0)
    calibrated = [name for name, row in report["detectors"].items() if row.get("thresholds") == "own"]
    shown = [name for name in calibrated if not name.endswith(" off") or name == "adaptation off"]
    for place, name in enumerate(shown):
        row = report["detectors"][name]
        rates = [one for one in row["rules"][row["thresholds"]].values() if one["wearer_days"]]
        x = np.array([one["promised"] for one in rates]) * 1.06 ** (place - len(shown) / 2)
        days = np.array([one["wearer_days"] for one in rates])
        y = np.array([one["alarms"] for one in rates]) / days
        bounds = np.array([one["ratio_ci95"] for one in rates]) * np.array([[one["promised"]] for one in rates])
        floor = np.maximum(y, _FLOOR)
        axis.errorbar(x, floor, yerr=np.maximum([floor - bounds[:, 0], bounds[:, 1] - floor], 0.0), fmt="o", label=name)
    line = np.array([0.005, 2.0])
    axis.plot(line, line, color="black", linewidth=1, label="as promised")
    axis.fill_between(line, line / 1.5, line * 1.5, color="grey", alpha=0.2, label="within a factor of 1.5")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("promised alarms a wearer-day")
    axis.set_ylabel("realised on untouched days (none is drawn at 0.001)")
    axis.set_ylim(bottom=_FLOOR * 0.7)
    axis.legend(fontsize=8, loc="lower right")
    _write(figure, path)


def episode(told: Example, path: Path) -> None:
    """Heart rate with what was expected of it, steps, and the score with its threshold."""
    figure, axes = _figure(3, 1, height_in=6.0, heights=(3, 1, 2))
    minute = np.arange(len(told.rows)) - told.onset
    rate, expected, low, high, steps, score, threshold = told.rows.T
    axes[0].fill_between(minute, low, high, alpha=0.25, label="expected, two scales")
    axes[0].plot(minute, expected, linewidth=1, label="expected")
    axes[0].plot(minute, rate, color="black", linewidth=1, label="measured")
    axes[0].set_ylabel("heart rate, bpm")
    axes[1].fill_between(minute, np.nan_to_num(steps), step="mid", color="grey")
    axes[1].set_ylabel("steps a min")
    axes[2].plot(minute, score, label="score")
    axes[2].plot(minute, threshold, linestyle="--", label="threshold of tier 1")
    axes[2].set_ylabel("score")
    axes[2].set_xlabel("minutes since the onset")
    for axis in axes:
        axis.axvspan(0, told.end - told.onset, color="orange", alpha=0.15)
        axis.set_xlim(minute[0], minute[-1])
    for axis in (axes[0], axes[2]):
        axis.legend(fontsize=8, loc="upper right")
    figure.suptitle("A tachycardia put into a made person (simulated)")
    _write(figure, path)


def _figure(rows: int, columns: int, *, height_in: float, heights: Sequence[float] = ()) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    ratios = list(heights) or None
    axes = figure.subplots(rows, columns, squeeze=False, sharex=rows > 1, gridspec_kw={"height_ratios": ratios})
    return figure, list(axes.ravel())


def _write(figure: Any, path: Path) -> None:
    """The same report gives the same bytes; letters stay letters."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "pulsenet", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
