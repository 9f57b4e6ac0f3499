"""The shapes of an analysis of a video, as OpenAPI shows them."""

from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.uploads import FIELD

_ID = "0199b6f2-5c1e-7c35-9a53-5a0f6f5f7a42"
_TIME = "2026-11-21T08:00:00.123Z"

NOTICE: Final = "Not a diagnosis; Pulsera is not a medical device."


class DetailShape(BaseModel):
    """An error as the earlier service's clients know it; `error` beside it is as everywhere else."""

    detail: str = Field(examples=["The file is empty."])
    error: dict[str, Any]


class HeartRateShape(BaseModel):
    """One window whose heart rate is told."""

    timestamp_ms: int = Field(examples=[12_000], description="End of the window, since the video's first frame.")
    heart_rate_bpm: float = Field(examples=[66.4])
    confidence_score: float = Field(examples=[0.93], description="Probability that it is less than 5 bpm off, 0 to 1.")


class WindowShape(BaseModel):
    """One second's window, told or withheld."""

    time_s: float = Field(examples=[12.0])
    heart_rate_bpm: float | None = Field(examples=[66.4])
    confidence: float
    snr_db: float | None
    reason: str = Field(examples=["ok"], description="ok, low_confidence, or why it is withheld.")


class RangeShape(BaseModel):
    """The heart rate of the whole recording; `low` and `high` are the lowest and highest window told."""

    value: float = Field(examples=[66.4])
    low: float
    high: float


class QualityShape(BaseModel):
    """What the answer rests on."""

    snr_db: float | None
    face_ratio: float | None = Field(description="Share of the frames with a face; null where nobody looked for one.")
    motion: float | None = Field(description="Median speed of the face, in its widths a second.")
    fps: float
    duration_s: float
    coverage: float = Field(description="Share of the windows that hold a heart rate, 0 to 1.")


class HrvShape(BaseModel):
    """Variability of beats that passed every gate."""

    rmssd_ms: float
    sdnn_ms: float
    pnn50_pct: float
    n_beats: int
    artefact_pct: float = Field(description="Share of the intervals found that are not believed.")
    window_s: float = Field(
        examples=[56.8],
        description="From the first beat to the last; of at least 59 s of video, whose ends hold no whole beat.",
    )


class FeaturesShape(BaseModel):
    """The earlier service's features, of believed beats alone."""

    mean_hr: float
    std_hr: float
    rmssd: float
    pnn50: float


class AnalysisShape(BaseModel):
    """What a video tells."""

    recording_id: str | None = Field(examples=["clip-7"], description="As sent; null for an upload.")
    status: Literal["ok", "no_estimate"]
    reason: str = Field(examples=["ok"])
    detail: str
    heart_rate_data: list[HeartRateShape]
    hr_bpm: RangeShape | None
    confidence: float
    respiratory_rate_per_min: float | None
    respiratory_reason: str = Field(
        default="not_told",
        examples=["too_short"],
        description="`ok`, or why there is no breathing rate; `not_told` in answers from before this field.",
    )
    hrv: HrvShape | None
    hrv_reason: str
    features: FeaturesShape | None
    risk_prediction: dict[str, Any] | None = Field(
        description="Strain: how much the four features look like those of people under an acute stress task. No risk "
        "of any disease. Null with `risk_reason` where it cannot be said."
    )
    risk_reason: str = Field(examples=["no_validated_model"])
    insights: dict[str, Any] = Field(description="Rules over stored facts, each with the numbers it rests on.")
    quality: QualityShape
    windows: list[WindowShape]
    video: dict[str, Any]
    method: str
    model_version: str
    received_at: str = Field(examples=[_TIME])
    processed_at: str = Field(examples=[_TIME])
    notice: str = Field(examples=[NOTICE])


class JobShape(BaseModel):
    """A job and how far it is."""

    job_id: UUID = Field(examples=[_ID])
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float | None = Field(description="0 to 1; null while unknown.")
    created: str = Field(examples=[_TIME])
    expires: str | None = Field(description="When a job that is over is forgotten.")
    result: AnalysisShape | None
    error: dict[str, Any] | None
    note: str = Field(description="Jobs live in the API's memory: a restart loses them.")


class VitalsHealthShape(BaseModel):
    """Whether videos can be analysed here."""

    status: Literal["healthy", "degraded"]
    service: Literal["vitals"]
    components: dict[str, dict[str, Any]]
    queue: dict[str, int]


REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": "MP4, MOV, AVI, WebM or MKV; at most 256 MiB, 10 min, 4096 pixels a side.",
                        }
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["recording_id", "video_url"],
                    "properties": {
                        "recording_id": {"type": "string", "minLength": 1, "maxLength": 200, "example": "clip-7"},
                        "video_url": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 2048,
                            "example": "https://videos.example/clip-7.mp4",
                            "description": "An https address at a host that PULSERA_VIDEO_HOSTS names.",
                        },
                    },
                }
            },
        },
    }
}
