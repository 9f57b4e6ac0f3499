"""A made city at the device socket: who is where, what happens to whom, and what is sent of it."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import h3.api.basic_int as h3
import numpy as np
import pytest

from ingest.client.city import CitySize, Crowd, Device, Wanderings, zones_around
from ingest.client.happenings import Happening, parse_happenings
from ingest.client.simulator import Tally
from schemas.errors import ContractError

START_MS = 1_795_248_000_000  # 2026-11-21T08:00:00Z
SIZE = CitySize(people=40, rings=4, seed=3)


def crowd(*texts: str, hour: float = 10.0) -> Crowd:
    """Return a small city in which these things happen."""
    return Crowd(SIZE, start_ms=START_MS, hour=hour, happenings=parse_happenings(texts))


def at(city: Crowd, minute: float) -> Any:
    """Return what is measured so many minutes after the start."""
    return city.step(START_MS + round(minute * 60_000), 10.0)


def test_a_seed_repeats_its_city() -> None:
    """The same seed, hour and steps give the same readings in the same places."""
    one, other = crowd("heat@0"), crowd("heat@0")
    for minute in (0.0, 1.0, 20.0):
        told, again = at(one, minute), at(other, minute)
        assert told.readings == again.readings
        assert (told.cell == again.cell).all()


@pytest.mark.parametrize("hour", [0.0, 7.5, 10.0, 23.9])
def test_it_is_the_hour_that_was_asked_for(hour: float) -> None:
    """The city's clocks show it, within a quarter of an hour, with an honest offset: the moment is the same."""
    told = datetime.fromisoformat(crowd(hour=hour).time(START_MS))
    assert told.timestamp() * 1000 == START_MS
    off = (told.hour * 60 + told.minute - hour * 60 + 720) % 1440 - 720
    assert abs(off) <= 8
    assert abs(told.utcoffset() or timedelta()) <= timedelta(hours=12)


def test_people_move_over_neighbouring_cells() -> None:
    """From night to noon many go elsewhere, no further than a few cells a step, and never out of the city's sight."""
    city = crowd(hour=5.0)
    places = [at(city, minute).cell for minute in range(0, 420, 5)]
    assert (places[0] != places[-1]).sum() >= 5
    for before, after in itertools.pairwise(places):
        for old, new in zip(before.tolist(), after.tolist(), strict=True):
            assert h3.grid_distance(old, new) <= 4
    assert all(h3.grid_distance(city.middle, cell) <= SIZE.rings for place in places for cell in place.tolist())


def test_an_event_befalls_those_who_are_there_and_is_marked() -> None:
    """Of the wearers within its rings a share is changed and marked injected; nobody else, and nobody before it."""
    quiet, hot = crowd(), crowd("heat@10,radius=1,share=1,lasts=60")
    assert not any("injected" in reading for reading in at(hot, 0.0).readings)
    at(quiet, 0.0)
    before, told = at(quiet, 30.0), at(hot, 30.0)
    disc = h3.grid_disk(hot.middle, 1)
    there = [cell in disc for cell in told.cell.tolist()]
    assert [reading.get("injected", False) for reading in told.readings] == there
    assert 0 < sum(there) < SIZE.people
    assert hot.affected(0) == sum(there)
    raised = [new["heart_rate"] - old["heart_rate"] for old, new in zip(before.readings, told.readings, strict=True)]
    assert np.allclose(raised, np.where(there, 12.0, 0.0), atol=0.11)
    assert not any("injected" in reading for reading in at(hot, 71.0).readings)


def test_decoys_are_what_they_are_called() -> None:
    """Activity moves, a backfill keeps readings back and changes none, a firmware comes to the whole city and stays."""
    city = crowd("activity@1,radius=4,share=1", "backfill@1,radius=4,share=1,lasts=2", "firmware@1,share=1")
    at(city, 0.0)
    told = at(city, 4.0)
    assert all(reading["motion"] > 0.3 and reading["steps"] > 20 for reading in told.readings)
    assert not told.kept.any()
    assert at(crowd("backfill@1,radius=4,share=1,lasts=2"), 2.0).kept.all()
    assert city.updated.all()


@pytest.mark.parametrize(
    "text",
    ["", "heat", "flood@2", "heat@-1", "heat@x", "heat@nan", "heat@1,share=2", "heat@1,size=3", "heat@1,place=8"],
)
def test_what_cannot_happen_is_refused(text: str) -> None:
    """A name, a time or an option that there is not is refused in a sentence."""
    with pytest.raises(ContractError):
        parse_happenings([text])


def test_a_happening_is_read() -> None:
    """All of its options are read; one that begins after the end is refused."""
    [one] = parse_happenings(["smoke@20,radius=3,share=0.5,lasts=15,place=881f8d4a03fffff"], seconds=1201)
    place = 0x881F8D4A03FFFFF
    assert one == Happening(kind="smoke", begins_min=20, lasts_min=15, place=place, rings=3, share=0.5)
    with pytest.raises(ContractError):
        parse_happenings(["smoke@20"], seconds=1200)


class Sink:
    """A device that keeps what it is told."""

    def __init__(self, said: list[tuple[str, Any]]) -> None:
        self.said = said
        self.unacknowledged = 0

    async def send(self, readings: Sequence[Any]) -> None:
        """Keep readings."""
        self.said += [("reading", reading) for reading in readings]

    async def locate(self, latitude: float | None, longitude: float | None) -> None:
        """Keep a place."""
        assert latitude is not None
        assert longitude is not None
        self.said.append(("place", h3.latlng_to_cell(latitude, longitude, 8)))

    async def drained(self) -> None:
        """Have nothing left."""


class Quick:
    """A clock on which every look takes as long as a step, so that nothing waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return a time beyond all that is due."""
        self.now_s += 10.0
        return self.now_s


async def test_everybody_says_where_they_are_before_they_measure() -> None:
    """Each device tells its place first, after an update again, and all its readings once, also those kept back."""
    said: list[list[tuple[str, Any]]] = [[] for _ in range(SIZE.people)]
    city = crowd("firmware@1,share=1", "backfill@0,radius=4,share=1,lasts=1")
    devices: list[Device] = [Sink(one) for one in said]
    updated: list[int] = []

    async def update(who: int) -> Device:
        updated.append(who)
        return Sink(said[who])

    tallies: list[Tally] = []
    wanderings = Wanderings(city, devices, every_s=10.0, update=update)
    tally = await wanderings.run(seconds=90, start_ms=START_MS, monotonic_s=Quick(), on_progress=tallies.append)
    assert tally.sent == 9 * SIZE.people
    assert updated == list(range(SIZE.people))
    for one in said:
        assert one[0][0] == "place"
        assert sum(kind == "place" for kind, _ in one) >= 2
        times = [datetime.fromisoformat(what["time"]) for kind, what in one if kind == "reading"]
        assert np.allclose(np.diff([time.timestamp() for time in times]), 10.0, atol=0.002)


def test_zones_lie_around_the_middle() -> None:
    """A city's named zones share no cell, hold the whole disc, and have ids that the API takes."""
    zones = zones_around(SIZE)
    cells = [cell for _, held in zones.values() for cell in held]
    assert len(cells) == len(set(cells)) == 1 + 3 * SIZE.rings * (SIZE.rings + 1)
    assert len(zones) == 5
    assert all(zone_id.replace("-", "").isalnum() and zone_id.islower() for zone_id in zones)


def test_what_begins_and_ends_is_told_once_with_how_many_it_befalls() -> None:
    """An event says its place and how many it befalls when it begins, and that it has ended; a firmware never ends."""
    city = crowd("heat@1,lasts=2", "firmware@1")
    told = []
    for minute in (0.0, 1.0, 2.0, 3.0, 4.0):
        at(city, minute)
        told.append(city.events(START_MS + round(minute * 60_000)))
    where = f"within 2 rings of cell {city.middle:x}"
    assert told == [
        [],
        [
            f"heat begins {where}: it befalls {city.affected(0)} wearers now.",
            f"firmware begins in the whole city: it befalls {city.affected(1)} wearers now.",
        ],
        [],
        [f"heat {where} has ended."],
        [],
    ]


def test_an_event_outside_the_city_is_refused() -> None:
    """A place where nobody is is refused with the city's middle, before anything begins; one inside is none."""
    with pytest.raises(ContractError, match=r"881f8d4a03fffff of heat lies outside .* 881f8342cdfffff \(46\.95 N"):
        crowd("heat@1,place=881f8d4a03fffff")
    assert crowd("heat@1,place=881f8342c1fffff").affected(0) is None
