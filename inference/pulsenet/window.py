"""A short window of one person, judged by the engine as a wearer of whom nothing was known before.

The window is that of an earlier model: rows of heart rate (1/min), variability (ms), mean acceleration (g, 1 at rest)
and skin temperature (Cel). Rows become minutes; what was not measured stays so. The engine says nothing of the heart
rate in a new wearer's first `activity.WARM_UP_MIN` minutes: a window no longer than that has no score, and says why.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS, MINUTES, VITAL_OF
from inference.pulsenet.engine import Judged, PulseNet
from inference.pulsenet.inputs import FROZEN, NO_VALUE, WARMING_UP
from inference.pulsenet.personal import KNOWN_MIN
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, HRV_SDNN, SKIN_TEMPERATURE, VITAL_COUNT
from inference.pulsenet.steps import Steps
from inference.recordings.minutes import means, plausible
from inference.slots import Bools, Floats, Ints

ROWS: Final = 60
COLUMNS: Final = ("heart_rate", "hrv", "acceleration", "skin_temperature")
EARLIER_STEP_S: Final = 12.0
"""What lay between two rows of the earlier model's window, nominally."""

Reason = Literal["warming_up", "sensor_frozen", "missing_channel", "motion"]
HrvMethod = Literal["rmssd", "sdnn"]

_HRV: Final = {"rmssd": HRV_RMSSD, "sdnn": HRV_SDNN}
_VITAL: Final = {"hrv": "hrv_rmssd"}
"""Whose plausible range a column has, where that is not its own: RMSSD and SDNN share one."""
_DAY_MIN: Final = 1_440
_SOME_DAY_MIN: Final = 20_000 * _DAY_MIN
"""The engine keeps minutes in 32 bits, whatever year a client names."""
_HEART: Final = np.flatnonzero((VITAL_OF == HEART_RATE) & np.array([channel.scale in MINUTES for channel in CHANNELS]))
_WHY: Final[dict[int, Reason]] = {WARMING_UP: "warming_up", FROZEN: "sensor_frozen", NO_VALUE: "missing_channel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is asked about.

    Attributes:
        rows: Columns as `COLUMNS`, NaN where not measured, oldest first, shape (ROWS, 4).
        step_s: Seconds from one row to the next, at most 60.
        end_min: Minute since 1970 UTC in which the window ends; of it the hour of the day alone counts.
        utc_offset_min: Local time minus UTC.
        hrv: How the variability was computed; None leaves it out, since one method says nothing of the other.
    """

    rows: Floats
    step_s: float
    end_min: int
    utc_offset_min: int
    hrv: HrvMethod | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the engine said of each of the window's m minutes.

    Attributes:
        minute: Which minute each row fell into, shape (ROWS,).
        value: What was measured, plausible values alone, NaN elsewhere, shape (m, VITAL_COUNT).
        expected: What was expected, NaN while too little is known, as `value`; `low` and `high` two scales around it.
        z: Normal deviate, NaN where not judged, as `value`.
        score: By channel, over its tier-1 threshold; NaN where its vital was not judged, shape (m, CHANNEL_COUNT).
        reason: Why the heart rate of a minute was not judged, None where it was.
        implausible: How many values of each column no living person's sensor reports; they count as not measured.
    """

    minute: Ints
    value: Floats
    expected: Floats
    low: Floats
    high: Floats
    z: Floats
    score: Floats
    reason: list[Reason | None]
    implausible: dict[str, int]

    @property
    def combined(self) -> Floats:
        """The largest score of each minute, shape (m,).

        NaN where the heart rate was not judged and nothing else passed its threshold: skin temperature alone makes
        nobody well.
        """
        most: Floats = np.fmax.reduce(self.score, axis=1)
        alone = np.isnan(self.score[:, _HEART]).all(axis=1) & ~(most >= 1.0)
        return np.where(alone, np.nan, most)

    def peaks(self) -> list[tuple[str, str, float, int]]:
        """Return of each channel that was judged: condition, time scale, highest score, and its minute."""
        judged = np.flatnonzero(~np.isnan(self.score).all(axis=0)).tolist()
        at = {channel: int(np.nanargmax(self.score[:, channel])) for channel in judged}
        return [
            (CHANNELS[channel].condition, CHANNELS[channel].scale, float(self.score[minute, channel]), minute)
            for channel, minute in at.items()
        ]


def judge(model: PulseNet, window: Window) -> Answer:
    """Step an engine without wearers through the window's minutes."""
    model.extend(1)
    minute = np.floor(np.arange(ROWS) * window.step_s / 60.0 + 1e-9).astype(np.int64)
    minutes = int(minute[-1]) + 1
    value, motion, implausible = _by_minute(window, minute, minutes)
    told = {name: np.full((minutes, VITAL_COUNT), np.nan) for name in ("expected", "low", "high", "z")}
    score = np.full((minutes, CHANNEL_COUNT), np.nan)
    reason: list[Reason | None] = ["missing_channel"] * minutes
    calm: Bools = np.ones((1, VITAL_COUNT), dtype=np.bool_)
    first_min = _SOME_DAY_MIN + window.end_min % _DAY_MIN - minutes + 1
    for row in np.flatnonzero(~np.isnan(value).all(axis=1) | ~np.isnan(motion)).tolist():
        at = np.array([first_min + row])
        judged = model.step(_step(at, window, value[row], motion[row]), learn=calm)
        usable = (judged.known_min[0] >= KNOWN_MIN) & (judged.gate[0] != WARMING_UP)
        for name, said in told.items():
            said[row] = np.where(usable, getattr(judged, name)[0], np.nan)
        score[row] = _shares(judged)
        reason[row] = None if not np.isnan(score[row, _HEART]).all() else _WHY.get(int(judged.gate[0]), "motion")
        # What passed its threshold teaches nothing.
        calm = np.full((1, VITAL_COUNT), not judged.combined[0] >= 1.0)
    return Answer(minute=minute, value=value, score=score, reason=reason, implausible=implausible, **told)


def _by_minute(window: Window, minute: Ints, minutes: int) -> tuple[Floats, Floats, dict[str, int]]:
    """Return the means of the vitals (m, VITAL_COUNT), of the motion (m,), and what was left out by column."""
    columns = {"heart_rate": HEART_RATE, "skin_temperature": SKIN_TEMPERATURE}
    if window.hrv is not None:
        columns["hrv"] = _HRV[window.hrv]
    value = np.full((minutes, VITAL_COUNT), np.nan)
    motion = np.full(minutes, np.nan)
    left_out = {}
    for place, name in enumerate(COLUMNS):
        given = window.rows[:, place]
        # The earlier clients said 0 for what they had not measured.
        good = np.where(given > 0.0, plausible(_VITAL.get(name, name), given), np.nan)
        left_out[name] = int(np.isnan(good).sum() - np.isnan(given).sum())
        if name == "acceleration":
            # A mean magnitude hides swings around 1 g: the motion is at least this.
            motion = means(minute, np.abs(good - 1.0), minutes=minutes)
        elif name in columns:
            value[:, columns[name]] = means(minute, good, minutes=minutes)
    return value, motion, left_out


def _step(at: Ints, window: Window, value: Floats, motion: float) -> Steps:
    return Steps(
        slot=np.zeros(1, dtype=np.int64),
        minute=at,
        local_min=(at + window.utc_offset_min) % _DAY_MIN,
        values=value[None, :],
        steps=np.full(1, np.nan),
        motion=np.array([motion]),
        gated=np.zeros((1, VITAL_COUNT), dtype=np.bool_),
    )


def _shares(judged: Judged) -> Floats:
    """Return each channel's score over its threshold where its vital was judged in this very minute."""
    share: Floats = np.where(~np.isnan(judged.z[0, VITAL_OF]), judged.score[0] / judged.threshold[0, :, 0], np.nan)
    return share
