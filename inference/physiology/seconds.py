"""Made people at seconds, for devices that stream: the people, days and bodies of the minutes, step by step.

Everybody wears a device that measures everything and never takes it off; losses and silences are the client's to make.
"""

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from inference.physiology.body import WANDERINGS, Body, inputs_of, vitals
from inference.physiology.days import DAY_MIN, Drives, plan
from inference.physiology.onsets import onset
from inference.physiology.people import draw_people
from inference.slots import Bools, Floats

_PLANNED_CELLS: Final = 1_200_000
"""Most minutes x people planned at once; bouts end with their plan."""
_LEAST_PLANNED_MIN: Final = 60
_BODY_STEP_S: Final = 2.0
"""Bodies change no faster; between their steps only breath, beats and sensors move."""
_LONGEST_WITH_BEATS_S: Final = 10.0
_BREATHED_SHARE: Final = 0.6
"""Share of the squared successive differences of beats that breathing makes; the rest is chance. Chosen."""
_SEEN_SHARE: Final = 0.5
"""How much of the breath's swing is left in a watch's heart rate, which is averaged over some beats. Chosen."""
_SENSOR_S: Final = 12.0
_STILL_G: Final = 0.03
_LEAST_BEAT_MS, _MOST_BEAT_MS = 250.0, 2500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the devices of all people measure in one step.

    Attributes:
        vitals: By name of the vital, shape (people,), NaN where not measured; HRV and body temperature once a minute.
        ibi_ms: Beat intervals that ended in the step, shape (people, most), padded with NaN behind.
        injected: Whose values a fault changed, shape (people,).
    """

    vitals: dict[str, Floats]
    ibi_ms: Floats
    injected: Bools


class Living:
    """A number of made people; the same seed and the same calls of `step` give the same moments.

    `fault` befalls the first of them `fault_min` minutes after the first step (`onsets.STREAMED` are the names). With a
    `utc_offset_min` they all live by that clock, else each by a zone of their own.

    Raises:
        ValueError: There is no such fault.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int,
        fault: str | None = None,
        fault_min: float = 0.0,
        utc_offset_min: int | None = None,
    ) -> None:
        draw = self._draw = np.random.default_rng(seed)
        # How many beats a step has depends on the vitals: drawn from one source, a fault would change everybody.
        self._beat_draw = np.random.default_rng([seed, 1])
        people = draw_people(count, draw)
        if utc_offset_min is not None:
            people = replace(people, utc_offset_min=np.full(count, utc_offset_min, dtype=np.int64))
        self._people = people
        self._body = Body(self._people, draw)
        self._onset = None if fault is None else onset(self._people, fault, begins_min=fault_min)
        self._injected: Bools = np.zeros(count, dtype=bool)
        self._began_ms: int | None = None
        self._planned: Drives | None = None
        self._planned_from = self._minute = 0
        self._lived_ms = 0
        self._breath: Floats = draw.uniform(0, 2 * np.pi, count)
        self._to_beat_ms: Floats = draw.uniform(0, 800, count)
        self._beat_ms: Floats = np.full(count, 800.0)
        self._stride: Floats = draw.uniform(0, 1, count)
        self._sensor: Floats = np.zeros(count)

    def step(self, time_ms: int, step_s: float) -> Moment:
        """Let `step_s` pass until `time_ms` (Unix) and return what is measured then."""
        if self._began_ms is None:
            self._began_ms = self._lived_ms = time_ms
        new_minute = self._enter(time_ms // 60_000)
        if new_minute or time_ms - self._lived_ms >= _BODY_STEP_S * 1000:
            passed_s = (time_ms - self._lived_ms) / 1000
            self._live(passed_s if passed_s > 0 else step_s, (time_ms - self._began_ms) / 60_000)
            self._lived_ms = time_ms
        self._breath = (self._breath + self._breath_rad_per_s * step_s) % (2 * np.pi)
        breathed = np.sin(self._breath)
        measured = self._measured(breathed, step_s)
        if new_minute:
            measured |= self._once_a_minute(measured["motion"])
        return Moment(vitals=measured, ibi_ms=self._beats(breathed, step_s), injected=self._injected)

    def _enter(self, minute: int) -> bool:
        """Take up the drives of a minute, planning ahead where no plan reaches; return whether it is a new one."""
        planned = self._planned
        if planned is not None and minute == self._minute:
            return False
        if planned is None or not 0 <= minute - self._planned_from < len(planned.hour):
            ahead = max(_LEAST_PLANNED_MIN, min(DAY_MIN, _PLANNED_CELLS // self._people.count))
            planned = self._planned = plan(self._people, self._draw, first_minute=minute, minutes=ahead)
            self._planned_from = minute
        row = minute - self._planned_from
        self._now = Drives(**{field.name: getattr(planned, field.name)[row] for field in fields(Drives)})
        self._inputs = inputs_of(self._now)
        self._minute = minute
        return True

    def _live(self, step_s: float, since_start_min: float) -> None:
        """Let the bodies live on, and note what follows from it until they next do."""
        people, now = self._people, self._now
        normals = self._draw.standard_normal((WANDERINGS, people.count))
        truth = self._truth = vitals(people, now, self._body.step(now.exertion, self._inputs, normals, step_s))
        self._cadence, self._motion = now.cadence, now.motion
        self._injected = np.zeros(people.count, dtype=bool)
        into_min = None if self._onset is None else self._onset.at(since_start_min)
        if self._onset is not None and into_min is not None:
            self._onset.change(truth, into_min)
            who, row = self._onset.person, int(into_min)
            self._cadence, self._motion = self._cadence.copy(), self._motion.copy()
            self._cadence[who] += self._onset.steps[row]
            self._motion[who] += self._onset.motion[row]
            self._injected[who] = True
        self._breath_rad_per_s = truth.respiratory_rate * (2 * np.pi / 60)
        per_beat = np.maximum(np.sin(np.pi * truth.respiratory_rate / truth.heart_rate), 0.2)
        self._swing_ms = truth.hrv_rmssd * np.sqrt(_BREATHED_SHARE) / np.sqrt(2) / per_beat
        self._chance_ms = truth.hrv_rmssd * np.sqrt((1 - _BREATHED_SHARE) / 2)
        self._seen_bpm = _SEEN_SHARE * np.minimum(self._swing_ms * truth.heart_rate**2 / 60_000, 9.0)

    def _measured(self, breathed: Floats, step_s: float) -> dict[str, Floats]:
        """Return the vitals of every step, with their sensors' noise."""
        people, truth = self._people, self._truth
        noise = self._draw.standard_normal((5, people.count))
        kept = np.exp(-step_s / _SENSOR_S)
        self._sensor = self._sensor * kept + noise[0] * np.sqrt(1 - kept**2)
        walked = self._stride + self._cadence * (step_s / 60)
        steps = np.floor(walked)
        motion = np.maximum(self._motion * np.exp(0.2 * noise[1]), np.where(steps > 0, _STILL_G, 0.0))
        self._stride = walked - steps
        return {
            "heart_rate": truth.heart_rate + self._seen_bpm * breathed + people.sensor_bpm * self._sensor,
            "spo2": np.minimum(truth.spo2 + 0.3 * noise[2], 100.0),
            "respiratory_rate": truth.respiratory_rate + 0.3 * noise[3],
            "skin_temperature": truth.skin_temperature,
            "acceleration": 1.0 + 0.15 * motion + 0.003 * noise[4],
            "motion": motion,
            "steps": steps,
        }

    def _once_a_minute(self, motion: Floats) -> dict[str, Floats]:
        """Return what is told once a minute: the variability of still people, and body temperatures."""
        still = motion < _STILL_G
        return {
            "hrv_rmssd": np.where(still, self._truth.hrv_rmssd, np.nan),
            "hrv_sdnn": np.where(still, self._truth.hrv_sdnn, np.nan),
            "body_temperature": self._truth.body_temperature,
        }

    def _beats(self, breathed: Floats, step_s: float) -> Floats:
        """Return the intervals of the beats of this step: the heart's own, the breath's swing, and chance."""
        self._to_beat_ms = self._to_beat_ms - step_s * 1000
        ended: list[Floats] = []
        while step_s <= _LONGEST_WITH_BEATS_S and (beating := self._to_beat_ms <= 0).any():
            ended.append(np.where(beating, self._beat_ms, np.nan))
            chance = self._chance_ms * self._beat_draw.standard_normal(len(beating))
            following = 60_000 / self._truth.heart_rate - self._swing_ms * breathed + chance
            following = np.clip(following, _LEAST_BEAT_MS, _MOST_BEAT_MS)
            self._beat_ms = np.where(beating, following, self._beat_ms)
            self._to_beat_ms = self._to_beat_ms + np.where(beating, following, 0.0)
        return np.stack(ended, axis=1) if ended else np.empty((len(breathed), 0))
