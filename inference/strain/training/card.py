"""The model card of the strain model, from the figures of a training."""

from typing import Final

import numpy as np

from inference.strain.features import GATE, Windows
from inference.strain.model import LONGEST_S, MEANING, SHORTEST_S, WINDOW_S, Manifest
from inference.strain.training.forest import TREES
from inference.strain.training.worth import Worth

LEAST_LOW: Final = 0.6
"""The lower bound of the interval must be over it, or nothing ships."""
MEDIUM, STRONG = 2 / 3, 0.9
"""Shares of the windows of rest, of people apart, below which the levels begin."""
KNOWN: Final = (0.5, 99.5)
"""Percentiles of the windows beyond which the model says nothing."""


def written(figures: Worth, found: Windows, manifest: Manifest | None, *, seed: int) -> str:
    """Return the model card."""
    tasks = "\n".join(f"| {name} against rest | {area} |" for name, area in figures.by_task.items())
    verdict = (
        f"It ships: the lower bound {figures.area.low:.3f} is over {LEAST_LOW}."
        if manifest is not None
        else f"Nothing ships: the lower bound {figures.area.low:.3f} is not over {LEAST_LOW}."
    )
    return f"""# Strain

{MEANING}

**Not a diagnosis; Pulsera is not a medical device.** Written by
`pulsera train heart-risk --stress-predict DIR --seed {seed}`, which anybody can repeat.

## What it is worth

{verdict}

{figures.windows} windows of {figures.people} people, {figures.stressed} of them in a task.
Each person is judged by trees fitted to all the others. Area under the ROC curve, with the 95 % interval that drawing
whole people anew gives:

| | area |
|---|---|
| **tasks against rest, people apart** | **{figures.area}** |
{tasks}
| the same trees on windows of {2 * WINDOW_S} s | {figures.longer} |
| mean heart rate alone, no model | {figures.heart_rate_alone} |

Among a person's own windows the mean area is {figures.within:.3f} ({figures.within_people} people who have both kinds).
0.5 is a coin.
{_levels(figures, found, manifest)}
{_made_of()}"""


def _made_of() -> str:
    return f"""## What it is made of

- Data: Stress-Predict (Iqbal et al., Sensors 22 (2022) 8135), MIT licence: people who wore an Empatica E4 on the wrist
  through an hour of rest, a Stroop test, an interview and hyperventilation.
- Features: `mean_hr`, `std_hr` (bpm, over beats), `rmssd` (ms), `pnn50` (%), over {WINDOW_S} s in which a person did
  one thing, by `inference.hrv`; at least {GATE.least_pairs} differences that count and {GATE.least_coverage:.0%} of the
  window within believed beats. Nothing of the person's past or future.
- Model: {TREES} boosted trees of depth 2 (scikit-learn), both kinds weighted alike; an ONNX graph for onnxruntime.
- Windows that overlap (one every 15 s) and come from one person are not independent: hence people are drawn, not
  windows.

## What it is not

- The tasks came in one order in one session; talking and moving belong to them. What is told apart may be that.
- Volunteers with a wristband. Beats from a camera are noisier, which raises `std_hr`, `rmssd` and `pnn50`: **its worth
  on video is not measured**.
- 36 combinations of window (60, 120, 180 s), gate and model were looked at before this one, on the same people. All 15
  with boosted trees had a lower bound over 0.6, of the 21 logistic regressions three had. The interval above knows
  nothing of that choice.
- Heart rate rises with coffee, stairs and fever too.
- Outside the {KNOWN[0]} to {KNOWN[1]} percentiles of a feature, and for stretches under {SHORTEST_S:.0f} s or over
  {LONGEST_S:.0f} s, it says nothing.
"""


def _levels(figures: Worth, found: Windows, manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    tasks = figures.held_out[found.stressed == 1]
    reached = [float(np.mean(tasks >= edge)) for edge in (manifest.medium, manifest.strong)]
    return f"""
## What an answer says

`risk_score` is 100 times the strain: the probability of a task if tasks were as frequent as rest, which in a life they
are not. `risk_level`:

| level | begins at | windows of rest that reach it | windows of tasks that reach it |
|---|---|---|---|
| medium | {100 * manifest.medium:.0f} | {1 - MEDIUM:.0%} | {reached[0]:.0%} |
| high | {100 * manifest.strong:.0f} | {1 - STRONG:.0%} | {reached[1]:.0%} |

(people apart). Weights: `{manifest.name}`.
"""
