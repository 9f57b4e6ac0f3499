"""What the PulseNet routes take and answer, as OpenAPI shows it; older clients find the fields of their contract."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.moments import Moment
from inference.pulsenet.window import EARLIER_STEP_S, ROWS

_HALF_DAY_MIN = 14 * 60
_EXAMPLE = [[71.5, 42.0, 1.01, 33.2]] * (ROWS - 1) + [[None, None, 1.0, 33.1]]


def _finite(number: float | None) -> float | None:
    if number is not None and math.isinf(number):
        raise ValueError("Infinity is not a number here; null says that nothing was measured.")
    return number


_Cell = Annotated[float | None, Field(strict=True), AfterValidator(_finite)]
_Row = Annotated[list[_Cell], Field(min_length=4, max_length=4)]


class WindowBody(BaseModel):
    """60 rows of heart rate (1/min), variability (ms), mean acceleration (g, 1 at rest) and skin temperature (Cel)."""

    model_config = ConfigDict(extra="ignore")

    window: Annotated[list[_Row], Field(min_length=ROWS, max_length=ROWS, examples=[_EXAMPLE])] = Field(
        description="Oldest row first. null is not measured; so is what no living person's sensor reports, such as 0."
    )
    step_s: float = Field(
        default=EARLIER_STEP_S, ge=1, le=60, description="Seconds from row to row; at 12 the window is 12 min long."
    )
    hrv_method: Literal["rmssd", "sdnn"] | None = Field(
        default=None, description="How the second column was computed; without it the column is not judged."
    )
    time: Moment | None = Field(default=None, description="When the window ends. Default: now.")
    utc_offset_min: int = Field(
        default=0, ge=-_HALF_DAY_MIN, le=_HALF_DAY_MIN, description="Local time minus UTC: what is usual has an hour."
    )


class MinuteShape(BaseModel):
    """One minute of the window."""

    minute: int = Field(description="Counted from the window's beginning.")
    score: float | None = Field(description="Largest score over its threshold: 1 is the threshold of a notice.")
    reason: str | None = Field(
        description="Why the heart rate was not judged: warming_up, sensor_frozen, missing_channel, motion."
    )
    vitals: dict[str, dict[str, float | None]] = Field(
        description="By vital: value, expected, low and high (two spreads around it), z; null is not known."
    )


class ConditionShape(BaseModel):
    """One condition that was judged, in the minute in which it came nearest to its threshold."""

    condition: str = Field(examples=["heart_rate.high"])
    time_scale: str = Field(examples=["5 min"])
    score: float = Field(description="Over its threshold of tier 1.")
    minute: int


class InferShape(BaseModel):
    """The judgement of a window; what cannot be said is null, and `reason` says why."""

    status: Literal["ok", "no_estimate"]
    reason: str | None = Field(description="Why there is no estimate, as in `minutes`.")
    detail: str | None = Field(description="The same as a sentence.")
    overall_score: float | None = Field(description="Mean of the row scores that there are, 0 to 1.")
    max_score: float | None = Field(description="The highest of them.")
    is_anomaly: bool | None = Field(description="A notice's threshold was passed: a row score of at least 0.5.")
    per_timestep_scores: list[float | None] = Field(description="By row: s / (s + 1) for the minute's score s.")
    reconstruction: list[list[float | None]] = Field(description="By row what was expected, columns as in the window.")
    association_discrepancy: None = Field(description="This model has no attention.")
    attention_heatmap: None
    prior_attention: None
    minutes: list[MinuteShape]
    conditions: list[ConditionShape]
    implausible: dict[str, int] = Field(description="Values by column that were taken as not measured.")
    model: str
    time: str
    notice: str


class StatusShape(BaseModel):
    """Which model judges, and how it fares. The worker tells; null where it does not."""

    loaded: bool = Field(description="The shipped model can be asked about a window.")
    parameters: int | None
    device: Literal["cpu"]
    checkpoint_dir: None = Field(description="No path of the server is told.")
    model: str | None = Field(description="The shipped model's name, and the beginning of its weights' digest.")
    alerting: str | None = Field(description="The model by which wearers are judged now.")
    role: str | None = Field(description="alerting, or fallback: the simple detector stands in.")
    fallback: str | None = Field(description="Why the simple detector stands in.")
    wanted: str | None = Field(description="The model that takes over at the next save, where it is another.")
    drift: float | None
    shadow: dict[str, Any] | None = Field(description="A model that is scored and does not alert.")
    promise: dict[str, float]
    reason: str | None = Field(description="Why the worker's part is not known.")


class ArchitectureShape(BaseModel):
    """What the model is, and what it really learned from."""

    model: str
    kind: str
    parameters: int | None
    inputs: list[str]
    outputs: list[str]
    conditions: list[dict[str, Any]]
    step: str
    warm_up_min: int
    thresholds: dict[str, Any]
    training: dict[str, Any]
    notice: str


class PulseNetHealthShape(BaseModel):
    """Whether the model can be asked and wearers are judged by it."""

    status: Literal["healthy", "degraded"]
    service: Literal["pulsenet"]
    model_loaded: bool
    reason: str | None
