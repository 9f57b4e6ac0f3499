"""Judges windows that clients send, beside the event loop: one at a time, and few may wait."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from api.errors import RefusedError, TooOftenError
from inference.pulsenet.calibration import Calibration, Population
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.predictor import Predictor
from inference.pulsenet.weights import loading
from inference.pulsenet.window import Answer, Window, judge
from schemas.errors import ContractError

WAITING_MOST: Final = 8
"""A window takes some 90 ms of a core that the live sockets need, too."""

_FOLDERS: Final = re.compile(r"(?<!\S)(?:[A-Za-z]:)?[/\\](?:[^\s/\\]*[/\\])*")

Model = tuple[Predictor, Population]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the shipped weights and thresholds are, and what they were made from.

    Attributes:
        name: As in scores.
        kind: network or ridge.
        parameters: How many numbers were learned.
        source: What the thresholds were made from, and `wearer_days`, how many days.
        training: What the manifest and the card tell.
    """

    name: str
    kind: str
    parameters: int
    source: str
    wearer_days: int
    training: dict[str, Any]


def without_folders(sentence: str) -> str:
    """Return a sentence with the names of files alone: where they lie on the server is nobody's business."""
    return _FOLDERS.sub("", sentence)


class Judging:
    """The shipped model for windows; nothing of a window is kept.

    What runs the network is loaded with the first window: most installations are never sent one, and what the model is
    can be told without.
    """

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._waiting = 0
        self._model: Model | None = None
        self._facts: Facts | None = None

    async def facts(self) -> Facts:
        """Return what the weights are, read once; the model itself is not opened.

        Raises:
            RefusedError: They cannot be read, or are not what their manifest says.
        """
        if self._facts is None:
            self._facts = await _refusing(_read_facts)
        return self._facts

    async def judge(self, window: Window) -> tuple[str, Answer]:
        """Return the model's name, and what it says of the window as of a wearer of whom nothing was known.

        Raises:
            RefusedError: There is no model.
            TooOftenError: Too many windows wait already.
        """
        if self._waiting >= WAITING_MOST:
            raise TooOftenError("too_many_windows", f"{WAITING_MOST} windows wait already.", retry_after_s=1)
        self._waiting += 1
        try:
            async with self._one:
                if self._model is None:
                    self._model = await _refusing(_read)
                predictor, population = self._model
                model = PulseNet(predictor, Calibration(population))
                return predictor.name, await asyncio.to_thread(judge, model, window)
        finally:
            self._waiting -= 1


async def _refusing(read: Callable[[], _T]) -> _T:
    """Return what is read beside the loop, or say why it cannot be, without naming the server's folders."""
    try:
        return await asyncio.to_thread(read)
    except ContractError as error:
        raise RefusedError(503, "model_unavailable", without_folders(str(error))) from error


def _read() -> Model:
    return loading.predictor(), loading.population()


def _read_facts() -> Facts:
    population = loading.population()
    return Facts(
        name=loading.name_of(loading.SHIPPED),
        kind=loading.SHIPPED,
        parameters=loading.parameters(),
        source=population.source,
        wearer_days=population.wearer_days,
        training={**loading.manifest()["trained"], "card": loading.card()},
    )
