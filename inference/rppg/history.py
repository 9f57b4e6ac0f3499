"""What a stream remembers since the last break: pulses and scene, newest last."""

from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from inference.rppg.grid import Second
from inference.rppg.pulse import GRID_HZ, METHODS, POS, Projection
from inference.rppg.quality import Window
from inference.slots import Floats

SHORT_S: Final = 30
LONG_S: Final = 66
"""A minute of beats, and what filters take at both ends."""
PLACES: Final = 2
"""The face and the background."""

_LIGHT: Final = 1e-3
"""Put in for no light at all, where a logarithm is taken."""


class Track:
    """The newest values of several columns, in single precision: what is kept is what was computed with."""

    def __init__(self, columns: int, length: int) -> None:
        self.values = np.zeros((columns, length), dtype=np.float32)
        self.filled = 0

    def push(self, values: Floats) -> None:
        """Append columns of k values; the oldest fall out."""
        k = values.shape[1]
        if k:
            self.values[:, :-k] = self.values[:, k:]
            self.values[:, -k:] = values
            self.filled = min(self.filled + k, self.values.shape[1])

    def newest(self, count: int) -> npt.NDArray[np.float32]:
        """Return the last `count` values of each column."""
        return self.values[:, self.values.shape[1] - count :]

    def dump(self) -> dict[str, Any]:
        """Return the values there are."""
        return {"values": self.newest(self.filled).copy(), "length": self.values.shape[1]}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """Return a track that goes on where `dump` was asked."""
        made = cls(state["values"].shape[0], state["length"])
        made.push(np.array(state["values"]))
        return made


class History:
    """Pulse and brightness of the face for a minute; the other pulses, and the scene, for half of one."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: what comes is not to be mixed with what was."""
        self._projection = Projection(PLACES)
        self.pulse = Track(1, LONG_S * GRID_HZ)
        self.light = Track(1, LONG_S * GRID_HZ)
        self._others = Track(PLACES * METHODS - 1, SHORT_S * GRID_HZ)
        self._scene = Track(4, SHORT_S * GRID_HZ)

    @property
    def span_s(self) -> float:
        """How long frames have been seen without a break, at most a minute."""
        return self.light.filled / GRID_HZ

    @property
    def pulse_s(self) -> float:
        """How much pulse there is without a break, at most a minute."""
        return self.pulse.filled / GRID_HZ

    def push(self, made: Second) -> Floats:
        """Take a second and return the POS pulse that became ready."""
        with np.errstate(invalid="ignore"):
            ready = self._projection.push(made.colour)
        light = np.log(np.maximum(made.colour.mean(axis=2), _LIGHT))
        self.pulse.push(ready[:1, POS])
        self._others.push(ready.reshape(PLACES * METHODS, -1)[1:])
        self.light.push(light[:1])
        self._scene.push(np.stack([light[1], made.motion, made.saturated, made.far]))
        pulse: Floats = ready[0, POS]
        return pulse

    def window(self, count: int, *, fps: float) -> Window:
        """Return the last `count` samples of pulse, and the scene of that time."""
        scene = self._scene.newest(min(count, self._scene.filled))
        light = self.light.newest(min(count, self.light.filled))
        return Window(
            pulses=np.concatenate((self.pulse.newest(count), self._others.newest(count))),
            background_light=scene[0],
            motion=scene[1],
            saturated=scene[2],
            light=np.exp(light[0]),
            far=scene[3],
            fps=fps,
        )

    def dump(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "projection": self._projection.dump(),
            "pulse": self.pulse.dump(),
            "light": self.light.dump(),
            "others": self._others.dump(),
            "scene": self._scene.dump(),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """Return a history that goes on where `dump` was asked."""
        made = cls()
        made._projection = Projection.load(state["projection"])
        made.pulse = Track.load(state["pulse"])
        made.light = Track.load(state["light"])
        made._others = Track.load(state["others"])
        made._scene = Track.load(state["scene"])
        return made
