"""What the strain model is worth for people it has never seen: each is judged by trees fitted to all the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.slots import Bools, Floats, Ints
from inference.strain.features import TASKS, Windows
from inference.strain.training.forest import fitted, strain

RESAMPLED: Final = 2_000
CENTRAL: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area under the ROC curve with the interval that resampling of whole people gives, 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """The figures.

    Attributes:
        windows: How many windows, of how many `people`; `stressed` of them in a task.
        area: Of people apart.
        within: Mean over people of the area among their own windows, of `within_people` who have both kinds.
        by_task: Per task its windows against all of rest.
        longer: The same trees on windows of 2 min.
        heart_rate_alone: Mean heart rate in the model's place, which needs no fit.
        held_out: The strain that each window was given by trees that never saw its person, shape (windows,).
    """

    windows: int
    people: int
    stressed: int
    area: Area
    within: float
    within_people: int
    by_task: dict[str, Area]
    longer: Area
    heart_rate_alone: Area
    held_out: Floats


def worth(found: Windows, longer: Windows, *, seed: int, progress: Callable[[int, int], None]) -> Worth:
    """Return the figures of windows, and of longer windows of the same people.

    Raises:
        ValueError: There are fewer than two people, or only one kind of window.
    """
    people = np.unique(found.person)
    if len(people) < 2 or not 0 < found.stressed.sum() < len(found):  # noqa: PLR2004 - one to fit, one to judge
        raise ValueError("Two people at least, with windows of rest and of tasks, are needed.")
    held_out, held_out_longer = np.full(len(found), np.nan), np.full(len(longer), np.nan)
    for done, person in enumerate(people):
        progress(done, len(people))
        others = found.person != person
        model = fitted(found.features[others], found.stressed[others])
        held_out[~others] = strain(model, found.features[~others])
        own = longer.person == person
        if own.any():
            held_out_longer[own] = strain(model, longer.features[own])
    known = np.isfinite(held_out_longer)
    rest = found.task == 0
    within = [roc_area(found.stressed[own], held_out[own]) for own in _own(found)]
    return Worth(
        windows=len(found),
        people=len(people),
        stressed=int(found.stressed.sum()),
        area=area(found.stressed, held_out, found.person, seed=seed),
        within=float(np.mean(within)) if within else float("nan"),
        within_people=len(within),
        by_task={
            name: _of(found, held_out, rest | (found.task == task), seed)
            for task, name in enumerate(TASKS)
            if task and (found.task == task).any()
        },
        longer=area(longer.stressed[known], held_out_longer[known], longer.person[known], seed=seed),
        heart_rate_alone=area(found.stressed, found.features[:, 0], found.person, seed=seed),
        held_out=held_out,
    )


def area(stressed: Ints, scores: Floats, person: Ints, *, seed: int) -> Area:
    """Return the area and its interval: people are drawn again with replacement, each with all his windows."""
    drawn = np.random.default_rng(seed)
    people = np.unique(person)
    rows = {one: np.flatnonzero(person == one) for one in people}
    values = []
    for _ in range(RESAMPLED):
        again = np.concatenate([rows[one] for one in drawn.choice(people, len(people))])
        if 0 < stressed[again].sum() < len(again):
            values.append(roc_area(stressed[again], scores[again]))
    low, high = np.percentile(values, CENTRAL)
    return Area(value=roc_area(stressed, scores), low=float(low), high=float(high))


def roc_area(stressed: Ints, scores: Floats) -> float:
    """Return the probability that a stressed window scores higher than one of rest; a tie counts half."""
    order = np.sort(scores)
    ranks = (np.searchsorted(order, scores, side="left") + np.searchsorted(order, scores, side="right") + 1) / 2
    positive = int(stressed.sum())
    above = float(ranks[stressed == 1].sum()) - positive * (positive + 1) / 2
    return above / (positive * (len(stressed) - positive))


def _of(found: Windows, scores: Floats, chosen: Bools, seed: int) -> Area:
    return area(found.stressed[chosen], scores[chosen], found.person[chosen], seed=seed)


def _own(found: Windows) -> list[Bools]:
    """Return the windows of each person who has both kinds."""
    own = [found.person == person for person in np.unique(found.person)]
    return [rows for rows in own if 0 < found.stressed[rows].sum() < rows.sum()]
