"""The four numbers that strain is told from, of windows of a minute, and what a person did in each window.

The names are those of the earlier heart-rate service. All four come from believed beats (`inference.hrv`), never from a
smoothed heart rate. Nothing in them refers to the person's own past or future: one window is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.hrv.measures import Gate, Hrv, measure
from inference.recordings.stress_predict import Labels, Person
from inference.slots import Floats, Ints
from inference.strain.model import FEATURES, WINDOW_S

STEP_S: Final = 15
GATE: Final = Gate(least_pairs=20, least_coverage=0.5)
"""Half of the minute within believed beats: a wristband in a task loses many."""
TASKS: Final = ("rest", "Stroop", "interview", "hyperventilation")

_WHOLE: Final = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows of many people in which they did one thing from beginning to end.

    Attributes:
        features: Shape (n, 4), in the order of `FEATURES`.
        stressed: Whether it was a stress task, shape (n,), 0 or 1.
        task: Index into `TASKS`, shape (n,).
        person: Whose it is, shape (n,).
    """

    features: Floats
    stressed: Ints
    task: Ints
    person: Ints

    def __len__(self) -> int:
        return len(self.stressed)


def windows(people: Sequence[Person], *, window_s: int = WINDOW_S, gate: Gate = GATE) -> Windows:
    """Return the windows of all who have labels."""
    found = [
        (k, *_windows(person, person.labels, window_s, gate))
        for k, person in enumerate(people)
        if person.labels is not None
    ]
    return Windows(
        features=np.concatenate([np.empty((0, len(FEATURES))), *(features for _, features, _ in found)]),
        stressed=np.concatenate([np.empty(0, np.int64), *((task > 0).astype(np.int64) for *_, task in found)]),
        task=np.concatenate([np.empty(0, np.int64), *(task for *_, task in found)]),
        person=np.concatenate([np.empty(0, np.int64), *(np.full(len(task), k) for k, _, task in found)]),
    )


def columns(hrv: Hrv) -> Floats:
    """Return the four features of windows, shape (windows, 4), NaN where the gate is closed."""
    return np.stack([hrv.heart_rate_bpm, hrv.heart_rate_sd_bpm, hrv.rmssd_ms, hrv.pnn50_percent], axis=1)


def _windows(person: Person, labels: Labels, window_s: int, gate: Gate) -> tuple[Floats, Ints]:
    ends_s = np.arange(labels.time_s[0] + window_s, labels.time_s[-1] + 1, STEP_S, dtype=np.float64)
    first = np.searchsorted(person.beat_ends_s, ends_s - window_s, side="right")
    after = np.searchsorted(person.beat_ends_s, ends_s, side="right")
    features = columns(measure(person.beats, first, after, window_s=float(window_s), gate=gate))
    task = _tasks(labels, ends_s, window_s)
    kept = (task >= 0) & np.isfinite(features).all(axis=1)
    return features[kept], task[kept]


def _tasks(labels: Labels, ends_s: Floats, window_s: int) -> Ints:
    """Return what each window was, an index into `TASKS`, or -1 where it was more than one thing or is not told."""
    begins = np.diff(labels.stress, prepend=0) == 1
    task = np.where(labels.stress == 1, np.minimum(np.cumsum(begins), len(TASKS) - 1), 0)
    before = np.searchsorted(labels.time_s, ends_s - window_s, side="right")
    end = np.searchsorted(labels.time_s, ends_s, side="right")
    changes = np.concatenate(([0], np.cumsum(np.diff(task, prepend=task[:1]) != 0)))
    one_thing = (changes[end] == changes[np.minimum(before + 1, len(task))]) & (end - before >= _WHOLE * window_s)
    return np.where(one_thing, task[np.minimum(before, len(task) - 1)], -1)
