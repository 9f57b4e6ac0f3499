"""What goes into the zones besides scores, and what comes out: light, so that a worker need not load the rest."""

from typing import Final

import msgspec

from schemas.episodes import Episode
from schemas.zones import ZoneStatus

FORMAT: Final = "zones-state 4"
EARLIER: Final[tuple[str, ...]] = ("zones-state 3", "zones-state 2")
"""Such states are read. Neither tells of open bins how much of them was judged; the second told no calming down apart
in what labels are made of, which begin anew."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A named zone as it is followed; `cells` of resolution 8, ascending."""

    zone_id: str
    version: int
    name: str
    cells: tuple[int, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a step tells: statuses, zones that are no more, and changes of episodes, each in order."""

    statuses: list[ZoneStatus] = []
    gone: list[str] = []
    episodes: list[Episode] = []
