"""Judges windows that clients send, beside the event loop: one at a time, and few may wait."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final

from api.errors import RefusedError, TooOftenError
from inference.pulsenet.calibration import Calibration, Population
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.predictor import Predictor
from inference.pulsenet.weights import loading
from inference.pulsenet.window import Answer, Window, judge
from schemas.errors import ContractError

WAITING_MOST: Final = 8
"""A window takes some 50 ms of a core that the live sockets need, too."""

_FOLDERS: Final = re.compile(r"(?<!\S)(?:[A-Za-z]:)?[/\\](?:[^\s/\\]*[/\\])*")

Model = tuple[Predictor, Population]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the shipped weights are: their kind, how many numbers were learned (None: not told), and from what."""

    kind: str
    parameters: int | None
    training: dict[str, Any]


def without_folders(sentence: str) -> str:
    """Return a sentence with the names of files alone: where they lie on the server is nobody's business."""
    return _FOLDERS.sub("", sentence)


class Judging:
    """The shipped model for windows; nothing of a window is kept."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._waiting = 0
        self._model: Model | None = None
        self._facts: Facts | None = None

    async def model(self) -> Model:
        """Return the weights and the thresholds, read once.

        Raises:
            RefusedError: They cannot be read, or are not what their manifest says.
        """
        if self._model is None:
            try:
                self._model = await asyncio.to_thread(_read)
            except ContractError as error:
                raise RefusedError(503, "model_unavailable", without_folders(str(error))) from error
        return self._model

    async def facts(self) -> Facts:
        """Return what the weights are, read once.

        Raises:
            RefusedError: As `model`.
        """
        if self._facts is None:
            await self.model()
            self._facts = await asyncio.to_thread(_read_facts)
        return self._facts

    async def judge(self, window: Window) -> Answer:
        """Return what the engine says of the window, as of a wearer of whom nothing was known.

        Raises:
            RefusedError: There is no model.
            TooOftenError: Too many windows wait already.
        """
        if self._waiting >= WAITING_MOST:
            raise TooOftenError("too_many_windows", f"{WAITING_MOST} windows wait already.", retry_after_s=1)
        self._waiting += 1
        try:
            predictor, population = await self.model()
            async with self._one:
                return await asyncio.to_thread(judge, PulseNet(predictor, Calibration(population)), window)
        finally:
            self._waiting -= 1


def _read() -> Model:
    return loading.predictor(), loading.population()


def _read_facts() -> Facts:
    try:
        training = {**loading.manifest()["trained"], "card": loading.card()}
        return Facts(kind=loading.SHIPPED, parameters=loading.parameters(), training=training)
    except ContractError as error:
        raise RefusedError(503, "model_unavailable", without_folders(str(error))) from error
