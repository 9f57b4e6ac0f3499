"""Windows with their evidence, and whether the rhythm found in them is the heart's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from inference.rppg.confidence import CALM, NAMES, WITHIN_BPM, Logistic, features
from inference.rppg.estimator import PulseEstimator
from inference.rppg.fitting.renders import drawn, render
from inference.rppg.pulse import GRID_HZ, LAG
from inference.rppg.samples import Samples, trace
from inference.rppg.video.files import measure_file
from inference.slots import Bools, Floats, Ints
from schemas.errors import RecordingError

TWICE: Final = frozenset({"India_video22_rightcheek"})
"""The published set holds this crop a second time, as video 17."""
STEPS: Final = 256.0
"""Mean colours are rounded to so many parts of a level, so that a decoder's last bit changes no weight."""
EVERY_S: Final = 3
"""Windows overlap: one in so many is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Windows of many recordings.

    Attributes:
        features: As `inference.rppg.confidence.features` gives them, shape (n, features).
        right: Whether the rhythm is less than 5 beats a minute off, shape (n,).
        recording: Of which recording each window is, shape (n,).
    """

    features: Floats
    right: Bools
    recording: Ints


NO_CASES: Final = Cases(
    features=np.empty((0, len(NAMES))), right=np.empty(0, dtype=np.bool_), recording=np.empty(0, dtype=np.int64)
)


def rendered(count: int, seed: int) -> Cases:
    """Return the windows of so many rendered scenes."""
    found = []
    for recording in range(count):
        rng = np.random.default_rng((seed, recording))
        made = render(drawn(rng), rng)
        found.append(_windows(made.samples, made.rate_bpm, recording))
    return joined(found)


def cropped(clips: dict[str, Samples]) -> Cases:
    """Return the windows of the crops, all wrong: the rhythms found in them are noise, even where one happens to fit.

    Their brightness jumps from frame to frame, so that a stream would never begin; it is taken off, colours are kept.
    They have no background: every other window is told with a calm one, so that its absence stands not for the crops.
    """
    found = joined([_windows(level(clip), None, place) for place, clip in enumerate(clips.values())])
    calm = found.features.copy()
    calm[::2, NAMES.index("no_background")] = 0.0
    calm[::2, NAMES.index("background")] = CALM
    return Cases(features=calm, right=found.right, recording=found.recording)


def crops(folder: Path) -> dict[str, Samples]:
    """Return the mean colours of the crops of real skin in a folder (Dasari et al. 2021), by name.

    Raises:
        RecordingError: The folder holds no crop.
    """
    paths = [path for path in sorted(folder.glob("*.avi")) if path.stem not in TWICE]
    if not paths:
        raise RecordingError(f"{folder} holds no crops (*.avi); docs/models/rppg.md says which set is meant.")
    found: dict[str, Samples] = {}
    for path in paths:
        measured = measure_file(path, region="full")
        colours = np.round(measured.samples.rgb * STEPS) / STEPS
        found[path.stem] = trace(np.arange(len(colours)) / measured.info.nominal_fps, colours)
    return found


def level(samples: Samples) -> Samples:
    """Return a trace of the same colours whose brightness does not change."""
    brightness = samples.rgb.sum(axis=1, keepdims=True)
    steady = samples.rgb * (np.mean(brightness) / np.maximum(brightness, 1.0))
    return trace(samples.time_s, steady)


def joined(parts: list[Cases]) -> Cases:
    """Return the windows of all parts, whose recordings stay apart."""
    recording: list[Ints] = []
    after = 0
    for part in parts:
        recording.append(part.recording - part.recording.min(initial=0) + after)
        after += int(np.ptp(part.recording)) + 1 if len(part.recording) else 0
    return Cases(
        features=np.concatenate([part.features for part in parts]),
        right=np.concatenate([part.right for part in parts]),
        recording=np.concatenate(recording),
    )


def _windows(samples: Samples, rate_bpm: Floats | None, recording: int) -> Cases:
    rows: list[Floats] = []
    right: list[bool] = []
    blank = Logistic((0.0,) * len(NAMES), 0.0)
    for step in list(PulseEstimator(belief=blank).steps(samples))[::EVERY_S]:
        evidence = step.evidence
        if evidence is None:
            continue
        end_s = step.estimate.time_s - LAG / GRID_HZ
        inside = (samples.time_s >= end_s - evidence.window_s) & (samples.time_s < end_s)
        truth = float(rate_bpm[inside].mean()) if rate_bpm is not None else 0.0
        rows.append(features(evidence, step.stability_bpm))
        right.append(truth > 0 and abs(evidence.rate_bpm - truth) < WITHIN_BPM)
    return Cases(
        features=np.array(rows).reshape(len(rows), len(NAMES)),
        right=np.array(right, dtype=np.bool_),
        recording=np.full(len(rows), recording, dtype=np.int64),
    )
