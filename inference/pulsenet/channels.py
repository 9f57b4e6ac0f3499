"""The table of channels: which deviation, on which side and time scale, may raise which condition."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from inference.pulsenet.series import (
    BODY_TEMPERATURE,
    HEART_RATE,
    HRV_RMSSD,
    HRV_SDNN,
    RESPIRATORY_RATE,
    SKIN_TEMPERATURE,
    SPO2,
)

Scale = Literal["5 min", "10 min", "60 min", "8 h", "2 nights"]
MINUTES: Final = ("5 min", "10 min")
"""Scales of minutes: what is averaged over them counts at rest alone, and has the wearer's own level taken from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel; its position in the table is its code in the state.

    Attributes:
        condition: Name of the condition that it raises.
        vital: Column of the vital, None where several decide together.
        side: Which side of what is expected.
        scale: Over how long the deviation is averaged.
        share: Its part of the alerts promised to a wearer of whom everything is measured.
    """

    condition: str
    vital: int | None
    side: Literal["high", "low"]
    scale: Scale
    share: float


CHANNELS: Final = (
    Channel(condition="heart_rate.high", vital=HEART_RATE, side="high", scale="10 min", share=0.45),
    Channel(condition="heart_rate.low", vital=HEART_RATE, side="low", scale="10 min", share=0.07),
    Channel(condition="spo2.low", vital=SPO2, side="low", scale="5 min", share=0.08),
    Channel(condition="respiratory_rate.high", vital=RESPIRATORY_RATE, side="high", scale="5 min", share=0.08),
    Channel(condition="hrv_rmssd.low", vital=HRV_RMSSD, side="low", scale="60 min", share=0.06),
    Channel(condition="hrv_sdnn.low", vital=HRV_SDNN, side="low", scale="60 min", share=0.06),
    Channel(condition="skin_temperature.high", vital=SKIN_TEMPERATURE, side="high", scale="60 min", share=0.06),
    Channel(condition="body_temperature.high", vital=BODY_TEMPERATURE, side="high", scale="60 min", share=0.06),
    Channel(condition="resting_heart_rate.high", vital=HEART_RATE, side="high", scale="8 h", share=0.01),
    Channel(condition="resting_heart_rate.high", vital=HEART_RATE, side="high", scale="2 nights", share=0.01),
    Channel(condition="skin_temperature.high", vital=SKIN_TEMPERATURE, side="high", scale="2 nights", share=0.02),
    Channel(condition="vitals.drift", vital=None, side="high", scale="60 min", share=0.04),
)
CHANNEL_COUNT: Final = len(CHANNELS)
_CONDITIONS: Final = tuple(dict.fromkeys(channel.condition for channel in CHANNELS))
OF_CONDITION: Final = np.array([
    [channel.condition == condition for condition in _CONDITIONS] for channel in CHANNELS
])  # fmt: skip
"""Which channels raise one condition, and so one alert; shape (CHANNEL_COUNT, number of conditions)."""
SHARES: Final = np.array([channel.share for channel in CHANNELS])
SIGNS: Final = np.array([1.0 if channel.side == "high" else -1.0 for channel in CHANNELS])
VITAL_OF: Final = np.array([HEART_RATE if channel.vital is None else channel.vital for channel in CHANNELS])


def of_scale(*scales: Scale, joint: bool = False) -> list[int]:
    """Return the codes of the channels of time scales, those of one vital or those of several together."""
    return [
        code for code, channel in enumerate(CHANNELS) if channel.scale in scales and (channel.vital is None) == joint
    ]


def adjoining(codes: list[int]) -> slice:
    """Return the columns of codes that follow one another.

    Raises:
        ValueError: They do not.
    """
    columns = slice(codes[0], codes[-1] + 1)
    if codes != list(range(columns.start, columns.stop)):
        raise ValueError("these channels do not follow one another in the table")
    return columns
