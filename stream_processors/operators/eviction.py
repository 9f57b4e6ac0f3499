"""Who is forgotten: wearers of whom the log has told nothing for long, with everything that is known of them.

A wearer is forgotten who was not heard for `FORGET_MS` of observed time (an outage of ours is no silence of theirs),
and who has no open episode but `no_data`, which ends then. Readings that still wait for their stream's own bin go too.
It is looked for only where a partition has more than `LOOK_AT` wearers, and again when there are twice as many as
stayed: so it costs little, and the same log always forgets the same wearers at the same record. One who returns is
new: what is usual for him is learned anew.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Ints
from stream_processors.operators.conditions import NO_DATA
from stream_processors.operators.episodes import OpenEpisode
from stream_processors.operators.pending import FACT

FORGET_MS: Final = 30 * 86_400_000
LOOK_AT: Final = 4_096

Parts = dict[str, dict[str, npt.NDArray[Any]]]

_BY_WEARER: Final = frozenset(
    {
        "episodes",
        "detector",
        "shadow",
        "tally.wearers",
        "beats",
        "watch",
        "silence",
        "counts",
        "frozen.wearer",
        "rest.wearer",
    }
)
_BY_STREAM: Final = frozenset({"roster", "frozen.stream", "rest.stream", "floor"})
_PLAIN: Final = "look_at_ms"
"""Not a column but one number of a part."""


def staying(heard_ms: Ints, tiers: npt.NDArray[np.int8], *, observed_ms: int) -> Bools:
    """Return who is not forgotten, given when each was heard and the tiers of open episodes, (n, conditions)."""
    stay: Bools = heard_ms >= observed_ms - FORGET_MS
    return stay | (np.delete(tiers, NO_DATA, axis=1) >= 0).any(axis=1)


class Remaining:
    """Which slots stay, and what their numbers become."""

    def __init__(self, wearers: Bools, stream_wearer: Ints) -> None:
        """`wearers` says who stays; `stream_wearer` names the wearer of each stream slot, the first being nobody's."""
        self.wearers = wearers
        self.streams = wearers[stream_wearer]
        self.streams[0] = True
        self._wearer = np.cumsum(self.wearers) - 1
        self._stream = np.cumsum(self.streams) - 1

    def parts(self, parts: Parts) -> Parts:
        """Return the arrays of a state without the slots that go, and with the new numbers of those that stay."""
        kept = {part: {name: self._rows(part, name, array) for name, array in arrays.items()}
                for part, arrays in parts.items()}  # fmt: skip
        roster = kept["roster"]
        roster["wearer"][1:] = self._wearer[roster["wearer"][1:]]
        waiting = self.wearers[kept["pending"]["facts"][:, FACT["wearer"]]]
        kept["pending"] = {name: array[waiting] for name, array in kept["pending"].items()}
        beats = kept["beats.waiting"]["rows"]
        kept["beats.waiting"]["rows"] = beats = beats[self.wearers[beats[:, 0]]]
        beats[:, 0] = self._wearer[beats[:, 0]]
        facts = kept["pending"]["facts"]
        facts[:, FACT["wearer"]] = self._wearer[facts[:, FACT["wearer"]]]
        facts[:, FACT["stream"]] = self._stream[facts[:, FACT["stream"]]]
        return kept

    def episodes(self, opened: Mapping[tuple[int, int], OpenEpisode]) -> list[OpenEpisode]:
        """Return the open episodes, with new numbers."""
        for episode in opened.values():
            episode.wearer = int(self._wearer[episode.wearer])
            if episode.floor_stream >= 0:
                episode.floor_stream = int(self._stream[episode.floor_stream])
        return sorted(opened.values(), key=lambda one: (one.wearer, one.condition))

    def _rows(self, part: str, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if name == _PLAIN:
            return array
        if part in _BY_WEARER or (part == "lateness" and name.startswith("wearers.")):
            return array[self.wearers]
        if part == "aside":
            return array[self.wearers[: len(array)]]  # who came since it was put there has no row in it
        if part in _BY_STREAM or part == "lateness":
            return array[self.streams]
        return array
