"""What befalls a made city: what is no distress and must say so, and what is and must not be made less of.

An alarm is a notice where one cause is likely in every bin of it, as the alert of a zone whose tier only rises; else an
alert. It is labelled with a cause where its first bin names that one, as likely or as possible: what was named stays.
In every bin a fifth of the city walks, whatever happens.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from inference.slots import Bools, Floats, Ints
from inference.zones.bins import ClosedBin
from inference.zones.city import City
from inference.zones.covariates import Causes, Label, Recent
from inference.zones.evaluation import MadeBin, Progress, ahead, neighbourhood, with_flags
from inference.zones.monitor import Monitor
from inference.zones.recurrence import SHIPPED_DAYS
from inference.zones.scan import BINS_KEPT

BINS: Final = 14
"""One bin before it begins, and 65 min of it."""
RUN_BINS: Final = 9
"""So long a marathon lasts; who ran rests then and stays flagged as often."""
ACTIVE: Final = 100
DECOY_SHARE: Final = 0.1
CLOCK_SHARE: Final = 0.02
"""Shares of the rows that a decoy flags."""
EVENT_SHARE: Final = 0.2
"""Share of those there whom an event flags, in each bin anew."""
WALKED_BINS: Final = 6
WALKING: Final = 0.2
WALK_BINS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One bin in which something happens.

    Attributes:
        made: The bin as it would be.
        here: Whom it happens to, numbers of wearers.
        number: Bins since before it began.
        draw: Chance.
    """

    made: MadeBin
    here: Ints
    number: int
    draw: np.random.Generator

    @property
    def inside(self) -> Bools:
        """Rows of those it happens to."""
        return np.isin(self.made.wearers, self.here)

    def some(self, share: float) -> Bools:
        """Return rows drawn by chance from all."""
        return self.draw.random(len(self.made.wearers)) < share


Make = Callable[[Scene], ClosedBin]


class Walks:
    """Who walks: a fifth of the city at any time, for a quarter of an hour on average."""

    def __init__(self, wearers: int, draw: np.random.Generator) -> None:
        self._draw = draw
        self._walking: Bools = draw.random(wearers) < WALKING

    def next(self, made: MadeBin) -> MadeBin:
        """Return the bin with those who walk in it."""
        stops = 1.0 / WALK_BINS
        starts = stops * WALKING / (1.0 - WALKING)
        chance = self._draw.random(len(self._walking))
        self._walking = np.where(self._walking, chance >= stops, chance < starts)
        return replace(made, closed=replace(made.closed, moving=self._walking[made.wearers]))


def decoys(monitor: Monitor, city: City, *, trials: int, seed: int, progress: Progress) -> dict[str, dict[str, int]]:
    """Let things happen that are no distress; count alarms, those labelled with what it was, and of these notices."""
    draw = np.random.default_rng(seed)
    found: dict[str, dict[str, int]] = {}
    for name, (make, label) in DECOYS.items():
        alarms = _alarms(monitor, city, make, trials=trials, draw=draw)
        labelled = sum(label in told[0].likely + told[0].possible for told in alarms)
        notices = sum(all(label in one.likely for one in told) for told in alarms)
        found[name] = {"trials": trials, "alarms": len(alarms), "labelled": labelled, "notices": notices}
        progress("decoys", len(found), len(DECOYS))
    return found


def events(monitor: Monitor, city: City, *, trials: int, seed: int, progress: Progress) -> dict[str, dict[str, int]]:
    """Let distress happen, with none or many who move because of it; count alarms, and of them alerts.

    Of the alerts those are counted too that name a possible cause in a bin.
    """
    draw = np.random.default_rng(seed)
    found: dict[str, dict[str, int]] = {}
    for name, make in EVENTS.items():
        alarms = _alarms(monitor, city, make, trials=trials, draw=draw)
        alerts = [told for told in alarms if not set.intersection(*(set(one.likely) for one in told))]
        possible = sum(any(one.possible for one in told) for told in alerts)
        found[name] = {"trials": trials, "alarms": len(alarms), "alerts": len(alerts), "possible": possible}
        progress("real events", len(found), len(EVENTS))
    return found


def _alarms(monitor: Monitor, city: City, make: Make, *, trials: int, draw: np.random.Generator) -> list[list[Causes]]:
    """Return the causes named in each bin that is an alarm, for each trial in which one is.

    Labels know the two hours before, as in a system that runs: the first trial begins after as many bins.
    """
    found: list[list[Causes]] = []
    walks, recent = Walks(len(city.home), draw), Recent()
    _pass(monitor, recent, [walks.next(one) for one in ahead(city, BINS_KEPT)])
    for _ in range(trials):
        made = [walks.next(one) for one in ahead(city, BINS)]
        here = neighbourhood(monitor, made[0], ACTIVE, draw)
        if here is None:
            raise RuntimeError("The city has no neighbourhood of so many.")
        scenes = [Scene(made=one, here=here, number=number, draw=draw) for number, one in enumerate(made)]
        told = _causes(monitor, recent, [make(one) if one.number else one.made.closed for one in scenes])
        if told:
            found.append(told)
        _pass(monitor, recent, made)
    return found


def _pass(monitor: Monitor, recent: Recent, made: Sequence[MadeBin]) -> None:
    """Let bins pass in which nothing happens."""
    for one in made:
        monitor.close(one.closed, {})
        recent.take(one.closed)


def _causes(monitor: Monitor, before: Recent, bins: Sequence[ClosedBin]) -> list[Causes]:
    follows, recent = copy.deepcopy((monitor, before))
    found: list[Causes] = []
    for closed in bins:
        recent.take(closed)
        regions, _ = follows.close(closed, {})
        told = [one for one in regions if one.score > follows.threshold(one.test, SHIPPED_DAYS)]
        if told:
            found.append(recent.causes(max(told, key=lambda one: one.recurrence_days), closed.start_ms))
    return found


def event(share: float) -> Make:
    """Raise flags of some of those there, of whom a share moves; everybody else goes on as before."""

    def make(scene: Scene) -> ClosedBin:
        closed = with_flags(scene.made, scene.here, EVENT_SHARE, scene.draw)
        # Who moves goes on moving; the order of numbers has nothing to do with anything else.
        moves = scene.inside & (_spread(scene.made.wearers) < share)
        return replace(closed, moving=closed.moving | moves)

    return make


def walked(first: Make) -> Make:
    """Let those there walk for half an hour, nobody worse off for it, and stand; then something happens."""

    def make(scene: Scene) -> ClosedBin:
        closed = scene.made.closed
        walks = scene.number <= WALKED_BINS
        moving = closed.moving | scene.inside if walks else closed.moving & ~scene.inside
        made = replace(scene.made, closed=replace(closed, moving=moving))
        return made.closed if walks else first(replace(scene, made=made))

    return make


def _everywhere(scene: Scene) -> ClosedBin:
    """Heat in the whole city, all of whose devices have one firmware."""
    closed = scene.made.closed
    return replace(closed, firmware=np.zeros_like(closed.firmware), flag=closed.flag | scene.some(DECOY_SHARE))


def _spread(wearers: Ints) -> Floats:
    """Return a number from 0 to 1 of each wearer, always the same."""
    return np.asarray(wearers * 0.6180339887498949 % 1.0, dtype=np.float64)


EVENTS: Final[Mapping[str, Make]] = {
    "heat, everybody as usual": event(0.0),
    "smoke, half flee": event(0.5),
    "crush, 60 % push": event(0.6),
    "panic, 90 % run": event(0.9),
    "march of 30 min, then heat": walked(event(0.0)),
    "walked in for 30 min, then a crush, 60 % push": walked(event(0.6)),
    "heat in the whole city, one firmware": _everywhere,
}
"""What happens, to how many of whom move because of it."""


def _firmware(scene: Scene) -> ClosedBin:
    """A new firmware on a third of all devices raises flags in one of ten bins."""
    new = scene.made.wearers % 3 == 0
    closed = scene.made.closed
    return replace(closed, firmware=new.astype(np.int64), flag=closed.flag | (new & scene.some(DECOY_SHARE)))


def _backfill(scene: Scene) -> ClosedBin:
    """A network that was away delivers a neighbourhood's bins late, one in ten flagged."""
    closed = scene.made.closed
    return replace(closed, backfill=scene.inside, flag=closed.flag | (scene.inside & scene.some(DECOY_SHARE)))


def _clock_change(scene: Scene) -> ClosedBin:
    """Summer time: everybody is an hour off what is usual, three times the flags in the whole city."""
    closed = scene.made.closed
    return replace(closed, offset_min=closed.offset_min + 60, flag=closed.flag | scene.some(CLOCK_SHARE))


def _marathon(scene: Scene) -> ClosedBin:
    """A neighbourhood runs, then rests; a tenth of it is flagged all the time."""
    closed, runs = scene.made.closed, scene.inside
    moving = closed.moving | runs if scene.number <= RUN_BINS else closed.moving & ~runs
    return replace(closed, moving=moving, flag=closed.flag | (runs & scene.some(DECOY_SHARE)))


def _keep(made: MadeBin, rows: Ints) -> ClosedBin:
    closed = made.closed
    return ClosedBin(
        start_ms=closed.start_ms,
        wearer=closed.wearer[rows],
        cell=closed.cell[rows],
        flag=closed.flag[rows],
        rate=closed.rate[rows],
        deviate=closed.deviate[rows],
        moving=closed.moving[rows],
        firmware=closed.firmware[rows],
        backfill=closed.backfill[rows],
        offset_min=closed.offset_min[rows],
    )


def _halves(scene: Scene) -> ClosedBin:
    """Half of the city stops reporting."""
    return _keep(scene.made, np.flatnonzero(scene.made.wearers % 2 == 0))


def _doubles(scene: Scene) -> ClosedBin:
    """A neighbourhood's wearers are twice as many: as many more like them report."""
    count = len(scene.made.wearers)
    rows = np.concatenate((np.arange(count), np.flatnonzero(scene.inside)))
    kept = _keep(scene.made, rows)
    return replace(kept, wearer=np.where(np.arange(len(rows)) >= count, -1 - kept.wearer, kept.wearer))


DECOYS: Final[Mapping[str, tuple[Make, Label | None]]] = {
    "firmware": (_firmware, "firmware"),
    "backfill": (_backfill, "backfill"),
    "clock_change": (_clock_change, "clock_change"),
    "marathon": (_marathon, "activity"),
    "population_halves": (_halves, None),
    "population_doubles": (_doubles, None),
}
"""What happens, and the label that an alarm of it must carry; without one there must be none."""
