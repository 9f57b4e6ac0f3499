"""The zones family: one state over all partitions of `scores.v1`, statuses and episodes of zones out of it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from schemas import episodes, scores, zones
from schemas.cells import are_cells
from schemas.errors import FrameError
from schemas.frame import Frame
from schemas.topics import EPISODES, PARTITIONS, SCORES, ZONES, partition_of
from stream_processors.operators.zone_told import EARLIER, FORMAT, Definition, Told
from stream_processors.ports import Emission, Meter, PartitionState, Record, Step

if TYPE_CHECKING:
    from stream_processors.operators.zones import Zones

_NOTHING: Final = np.empty(0, dtype=np.int64)


class ZoneDefinitions(Protocol):
    """Where named zones are defined."""

    async def named(self, held: Mapping[str, Definition]) -> Sequence[Definition]:
        """Return the newest version of every zone that was not withdrawn; those that are held are not read again.

        Raises:
            PassingError: The database is away.
        """
        ...


class ZonesState:
    """The state of the whole topic; a step is one record, of whatever partition."""

    def __init__(self, zones_: "Zones", meter: Meter) -> None:
        self._zones = zones_
        self._meter = meter
        self._late_told = zones_.bins.late

    def step(self, record: Record) -> Step:
        """Handle one record.

        Raises:
            ContractError: The record is unreadable, or names a place that is none; raised before any change of state.
            RegistryVersionError: It was written with a newer registry than this process knows.
        """
        frame = scores.decode(record.value)
        _refuse_strange_places(frame.frame)
        told = self._zones.take(record.partition, frame)
        self._tell_late()
        return Step(emissions=_emissions(told), received_ms=_NOTHING)

    def snapshot(self) -> bytes:
        """Return the state as bytes; `open` with them continues exactly where this state stands."""
        blob = self._zones.dump()
        self._tell_late()
        return blob

    def clocks(self) -> Mapping[int, int]:
        """Return how far each partition is taken in, by its writer's clock."""
        return self._zones.bins.reached()

    def definitions(self) -> dict[str, Definition]:
        """Return the named zones that are followed."""
        return dict(self._zones.definitions)

    def _tell_late(self) -> None:
        """Count what was found late since it was told last: saving finds some too."""
        late = self._zones.bins.late
        if late > self._late_told:
            self._meter.count("zone_late_total", late - self._late_told)
            self._late_told = late


class ZonesFamily:
    """Opens the one state, and takes in definitions where it is saved."""

    name = "zones"
    topic = SCORES.name
    version = FORMAT
    earlier: tuple[str, ...] = EARLIER

    def __init__(self, definitions: ZoneDefinitions, meter: Meter) -> None:
        self._definitions = definitions
        self._meter = meter

    def open(self, blob: bytes | None) -> ZonesState:
        """Return the state: fresh, or from a snapshot of this version or an earlier one.

        Raises:
            ContractError: The snapshot cannot be read.
        """
        return ZonesState(_opened(blob), self._meter)

    def clock_ms(self, record: Record) -> int | None:
        """Return the clock of the record's writer, None where it does not tell."""
        return scores.clock_of(record.value)

    async def successor(self, state: PartitionState) -> bytes | None:
        """Return the snapshot of the state with the zones that are defined now, None where they are those it follows.

        Raises:
            PassingError: The database is away.
        """
        held = state.definitions() if isinstance(state, ZonesState) else {}
        wanted = await self._definitions.named(held)
        return await asyncio.to_thread(_following, state, held, wanted)


def _refuse_strange_places(frame: Frame) -> None:
    """Raise FrameError where a cell is none: at a later bin nobody could tell any more which record it came with."""
    if frame.absent("cell"):
        return
    cells = frame.integers("cell")
    if not are_cells(cells[cells != 0]).all():
        raise FrameError("A cell of the scores is no index of the grid, or of another size.")


def _following(state: PartitionState, held: Mapping[str, Definition], wanted: Sequence[Definition]) -> bytes | None:
    """Return the snapshot of the state that follows what is wanted, None where that is what it holds."""
    if {one.zone_id: one for one in wanted} == held:
        return None
    found = _opened(state.snapshot())
    found.define(wanted)
    return found.dump()


def _opened(blob: bytes | None) -> "Zones":
    """Load what judges zones where it is needed first: not before the worker has begun."""
    from stream_processors.operators.zones import Zones

    found = Zones(PARTITIONS)
    if blob is not None:
        found.load(blob)
    return found


def _emissions(told: Told) -> list[Emission]:
    return [
        *(_status(one.zone_id, zones.encode(one)) for one in told.statuses),
        *(_status(zone_id, b"") for zone_id in told.gone),
        *(_episode(one) for one in told.episodes),
    ]


def _status(zone_id: str, value: bytes) -> Emission:
    return Emission(
        topic=ZONES.name, partition=partition_of(zone_id.encode()), key=f"zone:{zone_id}".encode(), value=value
    )


def _episode(one: episodes.Episode) -> Emission:
    time = datetime.fromtimestamp(one.decided_append_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return Emission(
        topic=EPISODES.name,
        partition=partition_of((one.subject.zone or "").encode()),
        key=one.subject.key.encode(),
        value=episodes.encode(one, time=time),
    )
