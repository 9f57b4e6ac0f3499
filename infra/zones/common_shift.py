"""A hundred made wearers at rest whose hearts beat 6 bpm faster for an hour: does their zone see it, and do they?

Each wearer's readings go through the vitals operator with the detector that ships, its scores through the zones' bins
and monitor; the rest of the city is made at the level of scores. Everything is simulated.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa

from inference.physiology.body import WANDERINGS, Body, inputs_of, vitals
from inference.physiology.days import DAY_MIN, Drives, plan
from inference.physiology.people import draw_people
from inference.pulsenet.calibration import TIER_RATES
from inference.pulsenet.weights.loading import load
from inference.slots import Floats, Ints
from inference.zones.bins import ClosedBin
from inference.zones.city import City, CityPlan
from inference.zones.monitor import Monitor, Region
from inference.zones.recurrence import SHIPPED_DAYS
from schemas import episodes, frame, scores
from schemas.frame import FRAME_SCHEMA
from schemas.topics import EPISODES, READINGS, SCORES
from schemas.vitals import ORIGINS, stream_id
from stream_processors.families.vitals import VitalsFamily
from stream_processors.operators.pulsenet import PulseNetDetector
from stream_processors.operators.zone_bins import ZoneBins
from stream_processors.ports import PartitionState, Record

REST_MIN: Final = 120
"""So long before the event everybody sits; before that they live as made people do."""
EVENT_MIN: Final = 60
_NEIGHBOURHOOD_RINGS: Final = 2
_FIRST_MINUTE: Final = int(datetime(2026, 1, 1, 10, tzinfo=UTC).timestamp()) // 60
"""Everybody lives by UTC: they sit in the morning, not at night."""
_MINUTE_MS: Final = 60_000
_READINGS_A_MINUTE: Final = 2
_SITTING_G: Final = 0.007
_SPACE: Final = UUID("6c0d1c8b-2b39-4f4e-9d0c-3d6f0a6d1f57")
_FAMILY: Final = VitalsFamily(lambda: PulseNetDetector(load()))

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftPlan:
    """What is made.

    Attributes:
        wearers: Whose readings are made, in the middle of the city.
        others: Of the rest of the city, within `rings` of the middle.
        quiet_days: Days before the event, from 10:00 on, from which the model learns; the monitor does so at midnights,
            and has the laws of made cities until then.
        raised_bpm: What the event adds to everybody's resting rate.
    """

    seed: int
    wearers: int = 100
    others: int = 1_000
    rings: int = 8
    quiet_days: float = 8.0
    raised_bpm: float = 6.0


class _Neighbours:
    """The made wearers: who they are, where, and what their devices measure."""

    def __init__(self, made: ShiftPlan, minutes: int) -> None:
        self._draw = np.random.default_rng([made.seed, 3])
        crowd = draw_people(made.wearers, self._draw)
        self._people = replace(crowd, utc_offset_min=np.zeros(made.wearers, dtype=np.int64))
        drives = plan(self._people, self._draw, first_minute=_FIRST_MINUTE, minutes=minutes)
        self._drives = _seated(drives, minutes - REST_MIN - EVENT_MIN)
        self._body = Body(self._people, self._draw)
        middle = City(CityPlan(wearers=1, rings=made.rings, seed=made.seed)).cells[0]
        self.cells: Ints = np.array(sorted(h3.grid_disk(int(middle), _NEIGHBOURHOOD_RINGS)), dtype=np.int64)
        self._fixed = _fixed_columns(self._draw.choice(self.cells, made.wearers))

    def frames(self, number: int, *, raised_bpm: float) -> list[tuple[int, bytes]]:
        """Let a minute pass; return when its readings were measured (Unix ms), and their frames."""
        row = Drives(**{one.name: getattr(self._drives, one.name)[number] for one in fields(Drives)})
        now = replace(row, rest_bpm=row.rest_bpm + raised_bpm)
        count = self._people.count
        normals = self._draw.standard_normal((WANDERINGS, count))
        truth = vitals(self._people, now, self._body.step(now.exertion, inputs_of(now), normals, 60.0))
        made = []
        for part in range(_READINGS_A_MINUTE):
            noise = self._draw.standard_normal((4, count))
            measured: dict[str, Floats] = {
                "heart_rate": truth.heart_rate + self._people.sensor_bpm * noise[0],
                "spo2": np.minimum(truth.spo2 + 0.3 * noise[1], 100.0),
                "respiratory_rate": truth.respiratory_rate + 0.3 * noise[2],
                "skin_temperature": truth.skin_temperature,
                "motion": now.motion * np.exp(0.2 * noise[3]),
                "steps": np.round(now.cadence / _READINGS_A_MINUTE),
            }
            if part == 0:
                measured["hrv_rmssd"] = np.where(now.motion < 0.03, truth.hrv_rmssd, np.nan)  # noqa: PLR2004 - still
                measured["body_temperature"] = truth.body_temperature
            at_ms = (_FIRST_MINUTE + number) * _MINUTE_MS + (2 * part + 1) * _MINUTE_MS // (2 * _READINGS_A_MINUTE)
            made.append((at_ms, self._frame(at_ms, measured, injected=raised_bpm != 0.0)))
        return made

    def _frame(self, at_ms: int, measured: dict[str, Floats], *, injected: bool) -> bytes:
        count = self._people.count
        at = np.full(count, at_ms * 1_000)
        columns: dict[str, Any] = self._fixed | {"time": at, "received": at, "injected": np.full(count, injected)}
        columns |= {name: pa.array(values, from_pandas=True) for name, values in measured.items()}
        arrays = [
            pa.array(columns[one.name]).cast(one.type) if one.name in columns else pa.nulls(count, one.type)
            for one in FRAME_SCHEMA
        ]
        return frame.encode(pa.RecordBatch.from_arrays(arrays, schema=FRAME_SCHEMA))


@dataclass(slots=True, kw_only=True)
class _World:
    """Everything that goes on from minute to minute."""

    people: _Neighbours
    city: City
    state: PartitionState
    bins: ZoneBins
    monitor: Monitor
    records: int = 0

    def twin(self) -> "_World":
        """Return a world that stands where this one stands, and goes its own way."""
        state = _FAMILY.open(0, self.state.snapshot())
        rest = (self.people, self.city, self.bins, self.monitor)
        people, city, bins, monitor = copy.deepcopy(rest)
        return _World(people=people, city=city, state=state, bins=bins, monitor=monitor, records=self.records)

    def live(self, number: int, *, raised_bpm: float = 0.0) -> tuple[list[tuple[int, list[Region]]], int]:
        """Let a minute pass; return the regions of each bin that closed, by its start, and the notices of wearers."""
        closed: list[tuple[int, list[Region]]] = []
        notices = 0
        for at_ms, value in self.people.frames(number, raised_bpm=raised_bpm):
            record = Record(
                topic=READINGS.name, partition=0, offset=self.records, append_ms=at_ms + 50, key=None, value=value
            )
            self.records += 1
            for told in self.state.step(record).emissions:
                if told.topic == SCORES.name:
                    due = self.bins.take(0, scores.decode(told.value))
                    closed += [(one.start_ms, self._close(one)) for one in due]
                elif told.topic == EPISODES.name:
                    change = episodes.decode(told.value)
                    notices += change.type == "physiological" and change.phase == "opened"
        return closed, notices

    def _close(self, own: ClosedBin) -> list[Region]:
        others, _ = self.city.next()
        outside = ~np.isin(others.cell, self.people.cells)
        columns = [one.name for one in fields(ClosedBin) if one.name != "start_ms"]
        joined = {name: np.concatenate((getattr(own, name), getattr(others, name)[outside])) for name in columns}
        return self.monitor.close(ClosedBin(start_ms=own.start_ms, **joined), {})[0]


def common_shift(made: ShiftPlan, *, progress: Progress) -> dict[str, Any]:
    """Return what the shift test and the wearers' own notices made of the hour, and of the same hour without it."""
    begins = round(made.quiet_days * DAY_MIN)
    if begins < REST_MIN:
        raise ValueError(f"Everybody sits for {REST_MIN} min before the event.")
    city = City(CityPlan(wearers=made.others, rings=made.rings, seed=made.seed))
    city.bin = _FIRST_MINUTE % DAY_MIN // 5
    world = _World(
        people=_Neighbours(made, begins + EVENT_MIN),
        city=city,
        state=_FAMILY.open(0, None),
        bins=ZoneBins(1),
        monitor=Monitor(),
    )
    for number in range(begins):
        world.live(number)
        progress(number + 1, begins + 2 * EVENT_MIN)
    found = {}
    for turn, (name, raised_bpm) in enumerate({"quiet": 0.0, "raised": made.raised_bpm}.items()):
        found[name] = _hour(world.twin(), begins, raised_bpm)
        progress(begins + (turn + 1) * EVENT_MIN, begins + 2 * EVENT_MIN)
    return {
        "data": "simulated",
        "seed": made.seed,
        "wearers": made.wearers,
        "others": made.others,
        "quiet_days": made.quiet_days,
        "raised_bpm": made.raised_bpm,
        "promised_notices": made.wearers * TIER_RATES[0] * EVENT_MIN / DAY_MIN,
        **found,
    }


def _hour(world: _World, begins: int, raised_bpm: float) -> dict[str, Any]:
    """Return the highest z of the shift test in the neighbourhood's bins of the hour, and when it passed."""
    starts_ms = (_FIRST_MINUTE + begins) * _MINUTE_MS
    notices, bins_until, best, number = 0, None, None, 0
    threshold = world.monitor.threshold("shift", SHIPPED_DAYS)
    for minute in range(begins, begins + EVENT_MIN):
        closed, opened = world.live(minute, raised_bpm=raised_bpm)
        notices += opened
        for start_ms, regions in closed:
            if start_ms < starts_ms:
                continue
            number += 1
            for one in regions:
                if one.test != "shift" or not np.isin(one.cells, world.people.cells).any():
                    continue
                best = one if best is None or one.score > best.score else best
                if one.score > threshold and bins_until is None:
                    bins_until = number
    return {
        "bins": number,
        "bins_until_alarm": bins_until,
        "threshold_z": round(threshold, 2),
        "highest_z": None if best is None else round(best.score, 2),
        "mean_shift": None if best is None else round(best.mean_shift, 3),
        "notices": notices,
    }


def _seated(drives: Drives, first: int) -> Drives:
    """Return the drives of people who from a minute on sit awake; what they feel and have eaten stays theirs."""
    still = {"cadence": 0.0, "motion": _SITTING_G, "exertion": 0.0, "posture_bpm": 0.0, "asleep": 0.0}
    changed = {name: getattr(drives, name).copy() for name in still}
    for name, value in still.items():
        changed[name][first:] = value
    return replace(drives, **changed)


def _fixed_columns(cells: Ints) -> dict[str, Any]:
    count = len(cells)
    return {
        "wearer": [uuid5(_SPACE, f"wearer {number}").bytes for number in range(count)],
        "boot": [uuid5(_SPACE, f"boot {number}").bytes for number in range(count)],
        "stream_id": np.array([stream_id(number + 1, "watch") for number in range(count)]),
        "device_number": np.arange(1, count + 1),
        "seq": np.ones(count, dtype=np.int64),
        "utc_offset_min": np.zeros(count, dtype=np.int64),
        "clock_offset_ms": np.zeros(count, dtype=np.int64),
        "cell": cells.astype(np.uint64),
        "origin": np.full(count, ORIGINS.index("simulated")),
        "backfill": np.zeros(count, dtype=np.bool_),
        "worn": np.ones(count, dtype=np.bool_),
    }


def told(report: dict[str, Any]) -> str:
    """Return the report in a table."""
    who = f"{report['wearers']} made wearers at rest, {report['others']:,} around them"
    lines = [
        f"{who}, {24 * report['quiet_days']:g} h before, seed {report['seed']}. All simulated.",
        "",
        "| an hour with | highest z of the shift test | once a year | mean shift | alarm after | notices of wearers |",
        "|---|---|---|---|---|---|",
    ]
    for name, more in (("quiet", "nothing"), ("raised", f"+{report['raised_bpm']:g} bpm")):
        row = report[name]
        after = row["bins_until_alarm"]
        z, shift = ("" if row[one] is None else f"{row[one]:.2f}" for one in ("highest_z", "mean_shift"))
        alarm = f"none in {row['bins']} bins" if after is None else f"{after} bins of 5 min"
        lines.append(f"| {more} | {z} | {row['threshold_z']:.2f} | {shift} | {alarm} | {row['notices']} |")
    promised = f"{report['promised_notices']:.2f}"
    return "\n".join([*lines, "", f"At the promised rate so many wearers have {promised} notices in an hour."])
