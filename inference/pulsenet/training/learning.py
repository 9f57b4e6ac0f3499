"""Training of the network: truncated sequences of many people, stopped early on people it does not learn from."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.training.network import TwoNets, losses
from inference.pulsenet.training.rows import Rows, Tellable
from inference.slots import Floats, Ints

SEQUENCE_MIN: Final = 240
_BURN_IN_MIN: Final = 20
"""The first minutes of a sequence that begins in the middle of a recording train nothing: the state is not yet real."""
_BATCH: Final = 96
_REAL: Final = 12
"""So many sequences of a batch are of the recordings."""
_RATE: Final = 4e-3
_CLIP: Final = 1.0
_CHECK_EVERY: Final = 50
_PATIENCE: Final = 8
_REAL_WEIGHT: Final = 0.2
"""What real people not learned from count when training decides to stop: they are few, and an hour each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is learned from, and what decides when to stop.

    Attributes:
        made: Rows of made people; `made_check` of others.
        real: Rows of recorded people, None without; `real_check` of others.
        updates: Most updates.
        seed: Decides where sequences begin, and the first weights.
    """

    made: Rows
    made_check: Rows
    real: Rows | None
    real_check: Rows | None
    updates: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A trained network.

    Attributes:
        network: The best by the check.
        updates: After so many updates; training went on to `last`.
        check: Loss of the check then, mean over vitals and halves.
    """

    network: TwoNets
    updates: int
    last: int
    check: float


def learn(lesson: Lesson, ridge: Mapping[str, npt.NDArray[Any]], *, told: Tellable | None = None) -> Learned:
    """Return a network trained from the linear model on; the same lesson gives the same network on one machine."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(lesson.seed)
    draw = np.random.default_rng([lesson.seed, 2])
    network = TwoNets()
    network.begin_linear(ridge)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    best, best_state, best_at, update = _check(network, lesson), copy.deepcopy(network.state_dict()), 0, 0
    for update in range(1, lesson.updates + 1):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * 0.5 * (1.0 + math.cos(math.pi * (update - 1) / lesson.updates))
        _update(network, optimizer, lesson, draw)
        if told is not None:
            told(update, lesson.updates)
        if update % _CHECK_EVERY == 0 or update == lesson.updates:
            now = _check(network, lesson)
            if now < best:
                best, best_state, best_at = now, copy.deepcopy(network.state_dict()), update
            elif update - best_at >= _PATIENCE * _CHECK_EVERY:
                break
    network.load_state_dict(best_state)
    return Learned(network=network, updates=best_at, last=update, check=best)


def _update(network: TwoNets, optimizer: torch.optim.Optimizer, lesson: Lesson, draw: np.random.Generator) -> None:
    optimizer.zero_grad()
    real = lesson.real
    parts = [(lesson.made, _BATCH if real is None else _BATCH - _REAL), *([] if real is None else [(real, _REAL)])]
    for rows, count in parts:
        context, seen, distance, unsure = _sequences(rows, count, draw)
        expected, following = network(context, seen)
        loss = (losses(expected, distance, unsure) + losses(following, distance, unsure)).mean()
        torch.autograd.backward(loss * (count / _BATCH))
    torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
    optimizer.step()


def _sequences(rows: Rows, count: int, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return sequences from random moments, time first; a person's share is that of the minutes."""
    lengths = np.diff(rows.starts)
    person = draw.choice(rows.people, count, p=lengths / lengths.sum())
    spare = np.maximum(lengths[person] - SEQUENCE_MIN, 0)
    offset = (draw.random(count) * (spare + 1)).astype(np.int64)
    place, inside = _places(rows.starts[person] + offset, np.minimum(lengths[person] - offset, SEQUENCE_MIN))
    distance = rows.distance[place]
    early = (np.arange(len(place))[:, None] < _BURN_IN_MIN) & (offset > 0)
    distance[~inside | early] = np.nan
    arrays = (rows.context[place], rows.seen[place], distance, rows.unsure[place])
    context, seen, away, unsure = (torch.from_numpy(array) for array in arrays)
    return context, seen, away, unsure


def _places(first: Ints, lengths: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return the rows of sequences, time first, and which are theirs; beyond a sequence's end stands its last row."""
    steps = np.arange(int(lengths.max()), dtype=np.int64)[:, None]
    return first + np.minimum(steps, lengths - 1), steps < lengths


def _check(network: TwoNets, lesson: Lesson) -> float:
    made = np.mean([part.mean() for part in score(network, lesson.made_check)])
    if lesson.real_check is None:
        return float(made)
    real = [np.nanmean(np.where(part == 0.0, np.nan, part)) for part in score(network, lesson.real_check)]
    return float((1.0 - _REAL_WEIGHT) * made + _REAL_WEIGHT * np.mean(real))


def score(network: TwoNets, rows: Rows) -> tuple[Floats, Floats]:
    """Return the loss by vital of both halves over whole recordings, each shape (VITAL_COUNT,)."""
    place, inside = _places(rows.starts[:-1], np.diff(rows.starts))
    distance = rows.distance[place]
    distance[~inside] = np.nan
    with torch.no_grad():
        told = network(torch.from_numpy(rows.context[place]), torch.from_numpy(rows.seen[place]))
        both = [losses(one, torch.from_numpy(distance), torch.from_numpy(rows.unsure[place])) for one in told]
    expected, following = (one.numpy().astype(np.float64).reshape(VITAL_COUNT) for one in both)
    return expected, following
