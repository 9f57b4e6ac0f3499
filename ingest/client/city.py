"""A made city at the device socket: people who live, work and travel over H3 cells, each with a device that says where.

Bodies are those of the physiological simulator, places those of the made city of `inference.zones.city`; everything is
marked `simulated`. The same seed, hour and steps make the same people, places and readings.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Protocol

import h3.api.basic_int as h3
import numpy as np

from inference.physiology.seconds import Living, Moment
from inference.slots import Bools, Ints
from inference.zones.cells import SCANNED
from inference.zones.city import CENTRE, City, CityPlan
from ingest.client.happenings import Happening
from ingest.client.messages import Reading
from ingest.client.simulator import Tally, readings
from schemas.errors import ContractError

TRAVEL_H: Final = 0.5
"""How long people are on their way between home and work."""
SAY_AGAIN_MS: Final = 600_000
"""A device that does not move says where it is every ten minutes."""

_WAY_PARTS: Final = 6
_DAY_MIN: Final = 1_440
_QUARTER_MIN: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class CitySize:
    """How many people, over how many rings of cells of 0.74 km2 around the middle."""

    people: int
    rings: int
    seed: int


@dataclass(frozen=True, slots=True)
class Step:
    """One reading of each device without its time, where each is, and of whom it is kept back for now."""

    readings: list[Reading]
    cell: Ints
    kept: Bools


class Crowd:
    """Everybody of the city, moved on in one numpy step."""

    def __init__(self, size: CitySize, *, start_ms: int, hour: float | None, happenings: Sequence[Happening]) -> None:
        """With an `hour` the city's clocks are set so that it is that hour of its day at the start, else to UTC.

        Raises:
            ContractError: A happening has its place outside the city.
        """
        self._city = City(CityPlan(wearers=size.people, rings=size.rings, seed=size.seed))
        self.middle = int(self._city.cells[0])
        check_places(size, happenings)
        self.offset_min = 0 if hour is None else _offset_min(start_ms, hour)
        self._living = Living(size.people, seed=size.seed, utc_offset_min=self.offset_min)
        self._zone = timezone(timedelta(minutes=self.offset_min))
        self._start_ms = start_ms
        self._happenings = happenings
        self._affected: list[Bools | None] = [None] * len(happenings)
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._draw = np.random.default_rng([size.seed, 2])
        self._people = size.people
        self._updated: Bools = np.zeros(size.people, dtype=np.bool_)

    @property
    def updated(self) -> Bools:
        """Who has got the new firmware so far, shape (people,)."""
        return self._updated

    def affected(self, number: int) -> int | None:
        """Return how many a happening has befallen, None before it began."""
        who = self._affected[number]
        return None if who is None else int(who.sum())

    def events(self, time_ms: int) -> list[str]:
        """Return what began and what ended since this was asked last, in words."""
        minute = (time_ms - self._start_ms) / 60_000
        told: list[str] = []
        for number, one in enumerate(self._happenings):
            befallen = self.affected(number)
            if befallen is not None and number not in self._begun:
                self._begun.add(number)
                told.append(f"{one.kind} begins {one.where(self.middle)}: it befalls {befallen} wearers now.")
            if number in self._begun and number not in self._ended and one.ended(minute):
                self._ended.add(number)
                told.append(f"{one.kind} {one.where(self.middle)} has ended.")
        return told

    def step(self, time_ms: int, step_s: float) -> Step:
        """Let `step_s` pass until `time_ms` (Unix)."""
        moment = self._living.step(time_ms, step_s)
        cell = self._cells(time_ms)
        minute = (time_ms - self._start_ms) / 60_000
        vitals = dict(moment.vitals)
        injected: Bools = np.zeros(self._people, dtype=np.bool_)
        kept: Bools = np.zeros(self._people, dtype=np.bool_)
        for number, one in enumerate(self._happenings):
            who = self._befallen(number, minute, cell)
            if who is None:
                continue
            if one.change(vitals, who, minute, step_s=step_s):
                injected |= who
            if one.kind == "backfill" and minute < one.begins_min + one.lasts_min:
                kept |= who
            if one.kind == "firmware":
                self._updated |= who
        # The beats of the simulated hearts would contradict a rate that was changed.
        made = readings(time_ms, Moment(vitals=vitals, ibi_ms=np.empty((self._people, 0)), injected=injected))
        return Step(made, cell, kept)

    def time(self, time_ms: float) -> str:
        """Return a time as the city's clocks tell it, with their offset from UTC."""
        return datetime.fromtimestamp(time_ms / 1000, self._zone).isoformat(timespec="milliseconds")

    def _befallen(self, number: int, minute: float, cell: Ints) -> Bools | None:
        one = self._happenings[number]
        if minute < one.begins_min:
            return None
        who = self._affected[number]
        if who is None:
            cells = one.cells(self.middle)
            there = np.ones(self._people, dtype=np.bool_) if cells is None else np.isin(cell, cells)
            who = self._affected[number] = there & (self._draw.random(self._people) < one.share)
        return who

    def _cells(self, time_ms: int) -> Ints:
        """Return where everybody is: at home, at work, or on the way between."""
        hour = (time_ms / 60_000 + self.offset_min) % _DAY_MIN / 60
        place = self._city.where(hour)
        cell: Ints = self._city.cells[place]
        earlier = [self._city.where((hour - TRAVEL_H * part / _WAY_PARTS) % 24) for part in range(1, _WAY_PARTS + 1)]
        arrived = np.mean([one == place for one in earlier], axis=0)
        for who in np.flatnonzero(earlier[-1] != place).tolist():
            way = h3.grid_path_cells(int(self._city.cells[earlier[-1][who]]), int(cell[who]))
            cell[who] = way[round(arrived[who] * (len(way) - 1))]
        return cell


def check_places(size: CitySize, happenings: Sequence[Happening]) -> None:
    """Refuse what would happen outside the city, where nobody is.

    Raises:
        ContractError: A happening has its place there.
    """
    middle = h3.latlng_to_cell(*CENTRE, SCANNED)
    inside = set(h3.grid_disk(middle, size.rings))
    for one in happenings:
        if one.place is not None and one.place not in inside:
            north, east = CENTRE
            raise ContractError(
                f"The place {one.place:x} of {one.kind} lies outside the made city of {size.rings} rings around "
                f"{middle:x} ({north:.2f} N, {east:.2f} E), where nobody is."
            )


def _offset_min(start_ms: int, hour: float) -> int:
    """Return the offset from UTC, in quarters of an hour, with which it is that hour at the start."""
    now = datetime.fromtimestamp(start_ms / 1000, UTC)
    ahead = hour * 60 - now.hour * 60 - now.minute
    return round(((ahead + _DAY_MIN / 2) % _DAY_MIN - _DAY_MIN / 2) / _QUARTER_MIN) * _QUARTER_MIN


class Device(Protocol):
    """A connected device; `DeviceClient` is one."""

    @property
    def unacknowledged(self) -> int:
        """Number of readings that are not acknowledged yet."""
        ...

    async def send(self, readings: Sequence[Reading]) -> None:
        """Take readings, waiting while there is no room."""
        ...

    async def locate(self, latitude: float | None, longitude: float | None) -> None:
        """Tell where the device is."""
        ...

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        ...


class Wanderings:
    """Sends what a crowd measures, everybody once in `every_s`, one after the other."""

    def __init__(
        self,
        crowd: Crowd,
        devices: list[Device],
        *,
        every_s: float,
        update: Callable[[int], Awaitable[Device]],
    ) -> None:
        """`update` puts the new firmware on a device and returns it, connected anew."""
        self._crowd = crowd
        self._devices = devices
        self._every_s = every_s
        self._update = update
        self._told: list[tuple[int, int] | None] = [None] * len(devices)
        self._held: list[list[Reading]] = [[] for _ in devices]
        self._new: set[int] = set()
        self.sent = 0

    async def run(
        self,
        *,
        seconds: float | None,
        start_ms: int,
        monotonic_s: Callable[[], float],
        on_progress: Callable[[Tally], None],
        on_event: Callable[[str], None] = lambda _words: None,
    ) -> Tally:
        """Send for `seconds` or until cancelled; return the final tally. `on_event` is told what begins and ends.

        Raises:
            DeviceStoppedError: The gateway will not take one of the devices any more.
        """
        began_s, number = monotonic_s(), 0
        while seconds is None or number * self._every_s < seconds:
            due_ms = start_ms + round(number * self._every_s * 1000)
            step = await asyncio.to_thread(self._crowd.step, due_ms, self._every_s)
            for words in self._crowd.events(due_ms):
                on_event(words)
            for who in range(len(self._devices)):
                late_s = self._every_s * (number + who / len(self._devices))
                await asyncio.sleep(max(0.0, began_s + late_s - monotonic_s()))
                await self._one(who, step, start_ms + round(late_s * 1000))
            number += 1
            on_progress(self._tally(monotonic_s() - began_s))
        for device, held in zip(self._devices, self._held, strict=True):
            await device.send(held)
            self.sent += len(held)
            await device.drained()
        return self._tally(monotonic_s() - began_s)

    async def _one(self, who: int, step: Step, at_ms: int) -> None:
        if self._crowd.updated[who] and who not in self._new:
            self._new.add(who)
            self._devices[who] = await self._update(who)
            self._told[who] = None
        device, cell, told = self._devices[who], int(step.cell[who]), self._told[who]
        if told is None or told[0] != cell or at_ms - told[1] >= SAY_AGAIN_MS:
            self._told[who] = (cell, at_ms)
            await device.locate(*h3.cell_to_latlng(cell))
        reading: dict[str, Any] = {**step.readings[who], "time": self._crowd.time(at_ms)}
        self._held[who].append(reading)
        if not step.kept[who]:
            held, self._held[who] = self._held[who], []
            await device.send(held)
            self.sent += len(held)

    def _tally(self, elapsed_s: float) -> Tally:
        waiting = sum(device.unacknowledged for device in self._devices)
        return Tally(self.sent, self.sent - waiting, self.sent / elapsed_s if elapsed_s > 0 else 0.0)


def zones_around(size: CitySize) -> dict[str, tuple[str, list[int]]]:
    """Return the zones of a made city by id, with names and cells: its middle, and what lies around by direction."""
    city = City(CityPlan(wearers=1, rings=size.rings, seed=0))
    middle = int(city.cells[0])
    inner = set(h3.grid_disk(middle, min(2, size.rings)))
    found: dict[str, tuple[str, list[int]]] = {"simulated-centre": ("Simulated centre", sorted(inner))}
    north, east = h3.cell_to_latlng(middle)
    sides: dict[str, list[int]] = {name: [] for name in ("north", "east", "south", "west")}
    for cell in city.cells.tolist():
        if cell not in inner:
            latitude, longitude = h3.cell_to_latlng(cell)
            up, right = latitude - north, (longitude - east) * np.cos(np.radians(north))
            side = ("north" if up > 0 else "south") if abs(up) > abs(right) else ("east" if right > 0 else "west")
            sides[side].append(cell)
    return found | {f"simulated-{name}": (f"Simulated {name}", cells) for name, cells in sides.items() if cells}
