"""The shapes that OpenAPI shows, and the bodies that requests are checked against."""

import math
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)

from api.body_rules import Name, alerts_beside_act
from api.moments import Moment
from schemas.vitals import VITALS

_ID = "0199b6f2-5c1e-7c35-9a53-5a0f6f5f7a42"
_DEEPEST = 16
_INTEGER_MOST = 2**63 - 1
_TIME = "2026-11-21T08:00:00.123Z"

Note = Annotated[str | None, Field(max_length=2000, examples=["Called her, she sat down and feels well."])]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("There is no such time zone; use a name such as Europe/Berlin.") from error
    return name


class StorableBody(BaseModel):
    """The body of a request: what the database cannot hold is refused."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        """Refuse, at any depth, what the database cannot hold: such a command would be lost after its 202."""
        left = [(data, 0)]
        while left:
            part, depth = left.pop()
            if depth > _DEEPEST:
                raise ValueError(f"Nested deeper than {_DEEPEST} levels.")
            if isinstance(part, dict):
                left.extend((inner, depth + 1) for pair in part.items() for inner in pair)
            elif isinstance(part, list):
                left.extend((inner, depth + 1) for inner in part)
            else:
                _refuse_unstorable(part)
        return data


def _refuse_unstorable(part: Any) -> None:
    if isinstance(part, str):
        if "\0" in part:
            raise ValueError("A text must not hold the character U+0000.")
        if any("\ud800" <= character <= "\udfff" for character in part):
            raise ValueError("A text must not hold half of a surrogate pair.")
    elif isinstance(part, float) and not math.isfinite(part):
        raise ValueError("NaN and infinity are not numbers here.")
    elif isinstance(part, int) and not -_INTEGER_MOST <= part <= _INTEGER_MOST:
        raise ValueError("A whole number must fit 64 bits.")


class NewWearer(StorableBody):
    """A person who will wear devices."""

    name: Name
    timezone: Annotated[str, AfterValidator(_zone), Field(examples=["Europe/Berlin"])] = "UTC"
    profile: Annotated[dict[str, Any], Field(max_length=64)] = Field(default_factory=dict)


class NewDevice(StorableBody):
    """A device that a wearer will wear."""

    model: Annotated[str, Field(min_length=1, max_length=200, examples=["watch-7"])]


class NewUser(StorableBody):
    """A user who will look after wearers."""

    name: Name
    email: Annotated[str | None, Field(max_length=320, examples=["ada@example.org"])] = None
    role: Literal["admin", "carer"] = "carer"


class NewGrant(StorableBody):
    """What a carer may see and do, exactly; `act` needs `alerts` beside it; `expires` ends it."""

    scopes: Annotated[
        list[Literal["readings", "scores", "alerts", "act"]],
        Field(min_length=1, max_length=4, examples=[["readings", "alerts", "act"]]),
        AfterValidator(alerts_beside_act),
    ]
    expires: Moment | None = None


class SignInBody(StorableBody):
    """Either a one-time code or a token."""

    code: Annotated[str | None, Field(max_length=200)] = None
    token: Annotated[str | None, Field(max_length=200)] = None


class AcknowledgeBody(StorableBody):
    """Somebody has taken the alert on."""

    note: Note = None


class ResolveBody(StorableBody):
    """What it turned out to be."""

    outcome: Annotated[str, Field(min_length=1, max_length=200, examples=["false_alarm"])]
    note: Note = None


class Fault(BaseModel):
    """What went wrong: a code for programs, a sentence for people, details such as the field."""

    code: str = Field(examples=["not_found"])
    message: str = Field(examples=["There is no such wearer, or none that you may see."])
    details: dict[str, Any] = Field(default_factory=dict, examples=[{}])


class ErrorShape(BaseModel):
    """Every error looks like this."""

    error: Fault


class WearerShape(BaseModel):
    """A wearer and the caller's scopes."""

    wearer_id: UUID = Field(examples=[_ID])
    name: str = Field(examples=["Ada"])
    timezone: str = Field(examples=["Europe/Berlin"])
    profile: dict[str, Any] = Field(examples=[{}])
    created_at: str = Field(examples=[_TIME])
    scopes: list[str] = Field(examples=[["act", "alerts", "readings", "scores"]])


class DeviceShape(BaseModel):
    """A device."""

    device_id: UUID = Field(examples=[_ID])
    wearer_id: UUID = Field(examples=[_ID])
    model: str = Field(examples=["watch-7"])
    created_at: str = Field(examples=[_TIME])
    revoked_at: str | None = None


class NewDeviceShape(BaseModel):
    """A device's token is shown once."""

    device_id: UUID = Field(examples=[_ID])
    token: str = Field(examples=["(shown once)"])


class NewUserShape(BaseModel):
    """A user's token is shown once."""

    user_id: UUID = Field(examples=[_ID])
    token: str = Field(examples=["(shown once)"])


class CarerShape(BaseModel):
    """A grant."""

    user_id: UUID = Field(examples=[_ID])
    name: str = Field(examples=["Ben"])
    scopes: list[str] = Field(examples=[["readings", "alerts", "act"]])
    expires: str | None = Field(examples=[_TIME])


class MeShape(BaseModel):
    """The caller."""

    user_id: UUID = Field(examples=[_ID])
    name: str = Field(examples=["Ben"])
    role: str = Field(examples=["carer"])


class SessionShape(MeShape):
    """The caller, signed in; the token is in the cookie alone."""

    expires: str = Field(examples=[_TIME])


_VITAL_FIELDS: dict[str, Any] = {
    vital.name: (float | None, Field(default=None, description=f"{vital.label} in {vital.unit}")) for vital in VITALS
}


class _ReadingBase(BaseModel):
    """A reading; a vital that was not measured is absent."""

    wearer_id: UUID = Field(examples=[_ID])
    time: str | None = Field(examples=[_TIME])
    received: str | None = Field(examples=[_TIME])
    device_id: UUID | None = Field(examples=[_ID])
    source: str | None = Field(examples=["watch"])
    quality: float | None = Field(examples=[0.93])
    worn: bool | None = Field(examples=[True])
    origin: Literal["live", "replay", "simulated"] | None = Field(examples=["live"])
    injected: bool | None = Field(examples=[False])


ReadingShape = create_model("ReadingShape", __base__=_ReadingBase, **_VITAL_FIELDS)


class VitalShape(BaseModel):
    """The newest value of one vital."""

    value: float = Field(examples=[72.0])
    unit: str = Field(examples=["/min"])
    time: str = Field(examples=[_TIME])
    source: str = Field(examples=["watch"])
    quality: float | None = Field(examples=[0.93])
    origin: str = Field(examples=["live"])
    injected: bool = Field(examples=[False])


LatestShape = create_model(
    "LatestShape",
    __base__=ReadingShape,
    vitals=(dict[str, VitalShape], ...),
    reason=(str | None, Field(default=None, examples=["no_data"])),
)


_SCORE_FIELDS: dict[str, Any] = {
    f"{prefix}_{vital.name}": (float | None, Field(default=None, description=f"{words} {vital.label}"))
    for prefix, words in (("value", "Seen:"), ("expected", "Expected:"), ("z", "Standard deviations off:"))
    for vital in VITALS
}


class _ScoreBase(BaseModel):
    """A scored bin; what is not known is absent."""

    wearer_id: UUID = Field(examples=[_ID])
    bin: str = Field(examples=[_TIME])
    bin_ms: int = Field(examples=[5000])
    score: float | None = Field(examples=[4.2])
    tier: int = Field(examples=[2])
    tier0: bool = Field(examples=[False])
    worn: bool | None = Field(examples=[True])
    at_rest: bool | None = Field(examples=[True])
    motion: float | None = Field(examples=[0.02])
    model: str = Field(examples=["baseline-1"])
    readings: int = Field(examples=[5])
    late: int = Field(examples=[0])
    backfill: int = Field(examples=[0])
    received: str = Field(examples=[_TIME])
    tier0_rate: float | None = Field(
        default=None, examples=[0.01], description="Share of bins that tier0 is calibrated to flag"
    )
    promised_rate: float | None = Field(
        default=None, examples=[0.1], description="Alerts a day that this wearer is promised at most"
    )
    realised_rate: float | None = Field(
        default=None, examples=[0.07], description="Alerts a day that there were, over rate_days days"
    )
    rate_days: float | None = Field(default=None, examples=[12.0])


ScoreShape = create_model("ScoreShape", __base__=_ScoreBase, **_SCORE_FIELDS)


_EVIDENCE: Final = (
    "What was observed, what was expected (expected, scale, baseline), the threshold and its unit, over how long the "
    "deviation was averaged (time_scale_s), whether it came suddenly or gradually (kind), the context, quality and "
    "sources, alerts a day promised_rate at most and realised_rate so far over rate_days, and the model. "
    "Absent is unknown."
)


class EpisodeShape(BaseModel):
    """An episode."""

    episode_id: UUID = Field(examples=[_ID])
    subject: dict[str, Any] = Field(examples=[{"wearer": _ID}])
    writer: str = Field(examples=["vitals"])
    revision: int
    condition: str = Field(examples=["heart_rate.high"])
    type: Literal["physiological", "technical"]
    phase: Literal["opened", "updated", "ended"]
    tier: int
    pages: bool
    onset: str = Field(examples=[_TIME])
    changed: str = Field(examples=[_TIME])
    ended: str | None
    end_reason: str | None
    reason: str
    evidence: dict[str, Any] = Field(description=_EVIDENCE)


class AlertShape(BaseModel):
    """An alert: condition x response, what was seen and expected, and its history."""

    alert_id: UUID = Field(examples=[_ID])
    subject: dict[str, Any] = Field(examples=[{"wearer": _ID}])
    episode_id: UUID = Field(examples=[_ID])
    revision: int
    kind: str = Field(examples=["heart_rate.high"])
    priority: Literal["high", "medium", "low"]
    type: Literal["physiological", "technical"]
    condition: Literal["active", "cleared"]
    response: Literal["unseen", "seen", "acknowledged", "resolved"]
    onset: str = Field(examples=[_TIME])
    raised: str = Field(examples=[_TIME])
    cleared: str | None
    cleared_reason: str | None
    acknowledged_by: UUID | None
    resolved_by: UUID | None
    title: str = Field(examples=["Heart rate high"])
    reason: str = Field(examples=["Heart rate 131/min for 45 s at rest; 74 was expected."])
    evidence: dict[str, Any] = Field(description=_EVIDENCE)
    events: list[dict[str, Any]]


class PendingShape(BaseModel):
    """Care has not recorded the command yet; it will."""

    command_id: UUID = Field(examples=[_ID])
    status: Literal["pending"]


class WearersShape(BaseModel):
    """A page of wearers."""

    items: list[WearerShape]
    cursor: str | None


class DevicesShape(BaseModel):
    """A wearer's devices."""

    items: list[DeviceShape]
    cursor: str | None


class CarersShape(BaseModel):
    """A wearer's carers."""

    items: list[CarerShape]
    cursor: str | None


class ReadingsShape(BaseModel):
    """A page of readings, oldest first."""

    items: list[ReadingShape]  # type: ignore[valid-type]
    cursor: str | None


class ScoresShape(BaseModel):
    """A page of scored bins, oldest first."""

    items: list[ScoreShape]  # type: ignore[valid-type]
    cursor: str | None


class EpisodesShape(BaseModel):
    """A page of episodes, newest first."""

    items: list[EpisodeShape]
    cursor: str | None


class AlertsShape(BaseModel):
    """A page of alerts, newest first."""

    items: list[AlertShape]
    cursor: str | None
