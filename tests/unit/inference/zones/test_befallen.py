"""What befalls a made city does what its name says."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from inference.zones import befallen as befell
from inference.zones.befallen import BINS, DECOYS, RUN_BINS, Scene, Walks, event
from inference.zones.bins import ClosedBin
from inference.zones.city import City, CityPlan
from inference.zones.covariates import Causes, Recent
from inference.zones.evaluation import MadeBin, ahead
from inference.zones.monitor import Monitor, Region
from inference.zones.scan import BINS_KEPT

CITY = CityPlan(wearers=400, rings=3, seed=5)


def scene(number: int, *, moving: bool = False) -> Scene:
    """Return a bin of a city in which something happens to the first fifty who are there."""
    [made] = ahead(City(CITY), 1)
    closed = replace(made.closed, moving=np.full(len(made.wearers), moving))
    here = made.wearers[:50]
    return Scene(made=MadeBin(closed, made.wearers), here=here, number=number, draw=np.random.default_rng(1))


def befallen(name: str, number: int, *, moving: bool = False) -> ClosedBin:
    """Return the bin after what happened."""
    return DECOYS[name][0](scene(number, moving=moving))


def test_a_fifth_of_the_city_walks() -> None:
    """The share of those who walk stays about a fifth, and who walks goes on for more than a bin."""
    walks = Walks(400, np.random.default_rng(2))
    bins = [walks.next(one) for one in ahead(City(CITY), 200)]
    assert 0.17 < np.mean([one.closed.moving.mean() for one in bins]) < 0.23
    stays = [
        np.isin(one.wearers[one.closed.moving], two.wearers[two.closed.moving]).mean() for one, two in pairwise(bins)
    ]
    assert np.mean(stays) > 0.5


def test_who_runs_rests_afterwards_and_stays_flagged() -> None:
    """In a marathon all there move until it ends, none of them after; about a tenth is flagged before and after."""
    for number, moves in ((1, True), (RUN_BINS, True), (RUN_BINS + 1, False), (BINS - 1, False)):
        closed = befallen("marathon", number, moving=not moves)
        assert set(closed.moving[:50].tolist()) == {moves}
        assert set(closed.moving[50:].tolist()) == {not moves}
        assert 1 <= closed.flag[:50].sum() <= 20


def test_labels_know_the_two_hours_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bin of the first trial that is an alarm is labelled by as many bins as are kept, as ever after."""
    asked: list[int] = []

    class Counted(Recent):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def take(self, closed: ClosedBin) -> None:
            self.count += 1
            super().take(closed)

        def causes(self, region: Region, now_ms: int) -> Causes:
            asked.append(self.count)
            return super().causes(region, now_ms)

    monkeypatch.setattr(befell, "Recent", Counted)
    monkeypatch.setattr(befell, "EVENTS", {"all": event(0.0)})
    found = befell.events(Monitor(), City(replace(CITY, wearers=1000)), trials=2, seed=1, progress=lambda *_: None)
    assert found["all"]["alarms"] == 2
    assert min(asked) > BINS_KEPT


def test_what_is_named_is_counted_by_how_sure_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likely in all bins is a notice, named in the first is labelled; alerts that name what is possible are counted."""
    likely, possible, none = Causes(likely=("activity",)), Causes(possible=("activity",)), Causes()
    monkeypatch.setattr(befell, "DECOYS", {"run": DECOYS["marathon"]})
    monkeypatch.setattr(befell, "EVENTS", {"run": event(0.9)})
    for bins, labelled, notices, alerts, named in (
        ([likely, likely], 1, 1, 0, 0),
        ([likely, possible], 1, 0, 1, 1),
        ([likely, none], 1, 0, 1, 0),
        ([none, likely], 0, 0, 1, 0),
    ):
        monkeypatch.setattr(befell, "_alarms", lambda *_, told=bins, **__: [told])
        decoys, events = (
            count(Monitor(), City(CITY), trials=1, seed=1, progress=lambda *_: None)["run"]
            for count in (befell.decoys, befell.events)
        )
        assert decoys == {"trials": 1, "alarms": 1, "labelled": labelled, "notices": notices}
        assert events == {"trials": 1, "alarms": 1, "alerts": alerts, "possible": named}


def test_twice_as_many_are_other_people() -> None:
    """Where a neighbourhood doubles, no wearer has two rows."""
    closed = befallen("population_doubles", 1)
    assert len(closed.wearer) == len(scene(1).made.wearers) + 50
    assert len(np.unique(closed.wearer)) == len(closed.wearer)


def test_distress_flags_who_moves_and_who_does_not_alike() -> None:
    """As many are flagged of those who move because of distress as of others; the share given moves."""
    ahead_of = ahead(City(CITY), 60)
    moved = stayed = moved_flags = stayed_flags = 0
    for made in ahead_of:
        here = made.wearers[::2]
        one = Scene(made=made, here=here, number=1, draw=np.random.default_rng(made.closed.start_ms))
        closed = event(0.6)(one)
        moved += int(closed.moving[one.inside].sum())
        stayed += int((~closed.moving[one.inside]).sum())
        moved_flags += int(closed.flag[one.inside & closed.moving].sum())
        stayed_flags += int(closed.flag[one.inside & ~closed.moving].sum())
    assert 0.5 < moved / (moved + stayed) < 0.7
    assert 0.8 < (moved_flags / moved) / (stayed_flags / stayed) < 1.25
