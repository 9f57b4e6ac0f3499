"""The registry of vital signs: one row a vital, and the sources that measure them.

A vital is added here and nowhere else. Units are UCUM codes, codes are LOINC where one exists.
Raising the registry (a new row, a changed meaning) raises `REGISTRY_VERSION`.
"""

from dataclasses import dataclass
from typing import Literal

REGISTRY_VERSION = 1

Kind = Literal["instant", "mean", "count"]
"""instant: at `time`; mean: over the device's own window ending at `time`; count: since the previous reading."""

Aggregate = Literal["mean", "sum", "last"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalSign:
    """One vital sign: what it is called, measured in, believed within, and how it is brought together.

    Attributes:
        name: Field on the wire and column in frames and tables.
        label: Words for a person.
        unit: UCUM code.
        loinc: LOINC code, or None where no common code is known.
        plausible: Lowest and highest value that a living person's sensor can report; outside is refused.
        kind: What a value stands for in time.
        bin_with: How the values within one bin become one.
        step_with: How stored values become one within a `step` of a query.
        decimals: Digits a person is shown.
    """

    name: str
    label: str
    unit: str
    loinc: str | None
    plausible: tuple[float, float]
    kind: Kind
    bin_with: Aggregate
    step_with: Aggregate
    decimals: int


VITALS: tuple[VitalSign, ...] = (
    VitalSign(name="heart_rate", label="heart rate", unit="/min", loinc="8867-4", plausible=(20, 250),
              kind="mean", bin_with="mean", step_with="mean", decimals=0),
    VitalSign(name="hrv_rmssd", label="heart rate variability (RMSSD)", unit="ms", loinc=None, plausible=(0, 1000),
              kind="mean", bin_with="mean", step_with="mean", decimals=0),
    VitalSign(name="hrv_sdnn", label="heart rate variability (SDNN)", unit="ms", loinc="80404-7", plausible=(0, 1000),
              kind="mean", bin_with="mean", step_with="mean", decimals=0),
    VitalSign(name="spo2", label="oxygen saturation", unit="%", loinc="59408-5", plausible=(50, 100),
              kind="mean", bin_with="mean", step_with="mean", decimals=0),
    VitalSign(name="respiratory_rate", label="respiratory rate", unit="/min", loinc="9279-1", plausible=(4, 60),
              kind="mean", bin_with="mean", step_with="mean", decimals=0),
    VitalSign(name="skin_temperature", label="skin temperature", unit="Cel", loinc="39106-0", plausible=(10, 45),
              kind="instant", bin_with="mean", step_with="mean", decimals=1),
    VitalSign(name="body_temperature", label="body temperature", unit="Cel", loinc="8310-5", plausible=(25, 45),
              kind="instant", bin_with="mean", step_with="mean", decimals=1),
    VitalSign(name="acceleration", label="mean acceleration", unit="[g]", loinc=None, plausible=(0, 16),
              kind="mean", bin_with="mean", step_with="mean", decimals=2),
    VitalSign(name="motion", label="motion", unit="[g]", loinc=None, plausible=(0, 16),
              kind="mean", bin_with="mean", step_with="mean", decimals=2),
    VitalSign(name="steps", label="steps", unit="{steps}", loinc="55423-8", plausible=(0, 20_000),
              kind="count", bin_with="sum", step_with="sum", decimals=0),
)  # fmt: skip
"""The rows in column order. `acceleration` is mean magnitude with gravity (1 at rest); `motion` mean |a - 1 g|."""

BY_NAME: dict[str, VitalSign] = {vital.name: vital for vital in VITALS}
NAMES: tuple[str, ...] = tuple(vital.name for vital in VITALS)

IBI_PLAUSIBLE_MS = (200.0, 3000.0)
"""Inter-beat intervals outside 20 to 300 beats a minute are not beats."""
IBI_MOST = 600
"""Most inter-beat intervals that one reading may carry."""
HRV_WINDOW_PLAUSIBLE_S = (10.0, 86_400.0)

SOURCES: dict[str, int] = {"watch": 1, "phone": 2, "rppg": 3, "manual": 4}
"""Source names and their codes within a `stream_id`."""
SOURCE_NAMES: dict[int, str] = {code: name for name, code in SOURCES.items()}

ORIGINS: tuple[str, ...] = ("live", "replay", "simulated")
"""Where a reading comes from; the code in a frame is the index."""


def stream_id(device_number: int, source: str) -> int:
    """Return the stream of one source on one device: device number x 256 + source code."""
    return device_number * 256 + SOURCES[source]
