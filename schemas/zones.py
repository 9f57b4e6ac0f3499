"""Zones on `zones.v1`: how a zone stands after a bin of five minutes, for display; and what of it may be told.

A status names nobody. A named zone tells a level, a coarse recurrence interval and a class of coverage, never a count;
only the fixed partition of the whole area tells counts, none of 1 to 10 and none that a total would give away.
"""

from typing import Final, Literal

import msgspec

from schemas.errors import UNREADABLE, ContractError

AREA: Final = "area"
"""The zone that is always there: everything that is followed, with the fixed partition of cells that is shown."""
AREA_NAME: Final = "Whole area"
ZONE_ID: Final = r"^[a-z0-9][a-z0-9-]{0,63}$"
BIN_MS: Final = 300_000

RECURRENCE_STEPS: Final = (1.0, 7.0, 30.0, 91.0, 365.0, 3650.0)
"""Days. An interval is told as the highest of these that it reaches: a finer one would let zones be compared."""
SHARE_STEPS: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
"""The smallest event that a zone can see is told as the lowest of these shares of its wearers that is enough."""

Level = Literal["usual", "elevated", "warning", "critical", "too_few_wearers"]
Coverage = Literal["too_few", "thin", "fair", "good"]
State = Literal["starting", "ok", "delayed"]
Test = Literal["count", "shift"]
Label = Literal["activity", "firmware", "backfill", "clock_change"]


class CellStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the fixed partition.

    Attributes:
        cell: H3 index of resolution 7 or 6, in hexadecimal.
        level: How seldom chance alone gives as much there.
        active: At least so many wearers report, a step of `inference.zones.disclosure`; None where that is not told.
        flagged: At least so many of these are flagged; None where that is not told, as where nobody is.
    """

    cell: str
    level: Level
    active: int | None = None
    flagged: int | None = None


class ZoneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a zone stood at the end of a bin.

    Attributes:
        zone_id: `area`, or a named zone's id.
        name: What people call it.
        version: Which set of cells of a named zone; of the area, which fixed partition.
        revision: Rises with every status of this zone.
        bin_ms: Start of the newest closed bin, event time.
        state: `delayed` while some partition's scores are missing, `starting` before the first closed bin.
        level: Of the rarer of the two tests.
        recurrence_days: One of RECURRENCE_STEPS, None under one day.
        recurrence: The same in words.
        test: Which test is the rarer, None where neither has anything.
        window_min: Length of that test's window.
        labels: What besides illness is likely behind it.
        possible: What may be behind it without anything that shows it.
        coverage: How many wearers stand behind the level, as a class.
        smallest_visible: Least share of wearers flagged at once that would be an alarm; None where nothing would.
        active_episodes: Open episodes of this zone.
        region: Of the area alone: shown cells of the region that the level is about, where it is not usual.
        cells: Of the area alone: the fixed partition.
    """

    zone_id: str
    name: str
    version: int
    revision: int
    bin_ms: int
    state: State
    level: Level
    coverage: Coverage
    recurrence: str
    recurrence_days: float | None = None
    test: Test | None = None
    window_min: int | None = None
    labels: tuple[Label, ...] = ()
    possible: tuple[Label, ...] = ()
    smallest_visible: float | None = None
    active_episodes: int = 0
    region: tuple[str, ...] = ()
    cells: tuple[CellStatus, ...] | None = None


_DECODER: Final = msgspec.json.Decoder(ZoneStatus)


def encode(status: ZoneStatus) -> bytes:
    """Return the record as it lies on the topic."""
    return msgspec.json.encode(status)


def decode(data: bytes) -> ZoneStatus:
    """Return what a record says.

    Raises:
        ContractError: The bytes are no status.
    """
    try:
        return _DECODER.decode(data)
    except UNREADABLE as error:
        raise ContractError(f"Not a zone's status: {type(error).__name__}.") from error
