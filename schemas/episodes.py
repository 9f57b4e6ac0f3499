"""Episodes on `episodes.v1`: the only door to alerts, technical and zone ones included."""

from typing import Literal
from uuid import UUID, uuid5

import msgspec

from schemas.errors import UNREADABLE, ContractError

EPISODE_NAMESPACE = UUID("8c9ab5a6-6f0e-5d0c-9a1e-3d5a2f3b7c11")

Phase = Literal["opened", "updated", "ended"]
EndReason = Literal["recovered", "data_ended", "superseded"]
EpisodeType = Literal["physiological", "technical"]


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom an episode or alert is about: one wearer, or one zone."""

    wearer: UUID | None = None
    zone: str | None = None

    @property
    def key(self) -> str:
        """The subject's text form, which is the Kafka key: `wearer:UUID` or `zone:NAME`."""
        return f"wearer:{self.wearer}" if self.wearer is not None else f"zone:{self.zone}"


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was seen, what was expected, and why that is an episode. Absent is unknown, never normal.

    Attributes:
        vital: Registry name, None for technical conditions without one.
        side: Which side of the expected value.
        observed: The value that decided, in `unit`.
        extreme: The furthest value since onset.
        expected: Centre of what was expected, None where there is no baseline.
        scale: Standard deviation around it.
        threshold: The limit that was passed, in `threshold_unit`.
        threshold_unit: The vital's unit, or "z" for standard deviations.
        z: Standardised deviation.
        duration_s: Event time from onset to the deciding bin's end.
        rule: `floor` or `baseline` for the detector, or the technical rule's name.
        context: At rest, moving, or why that is unknown.
        data_quality: Lowest quality among the deciding readings, None when no source told one.
        quality_note: Why the quality may be doubted, such as "quality unknown".
        sources: Which sources measured; for `no_data` the wearable that is silent where another source is heard.
        bins: Number of bins that agree: of 5 s, or of a minute where the detector judges minutes.
        baseline_age_s: Observed rest time behind the baseline.
        injected: Some deciding value was injected for a demonstration or test.
        origin: live, replay or simulated.
        model: Name and version of what decided: a detector's, or `clinical floor`.
        expected_by: The detector that told what was expected, where the clinical floor decided.
        baseline: This wearer's own resting value, in `unit`.
        time_scale_s: Over how long the deviation that decided was averaged.
        kind: Whether the deviation came at once or grew, None where that is not known.
        promised_rate: Alerts a day that this wearer is promised at most.
        realised_rate: Those that there were, over `rate_days` days.
        parts: Where several vitals decided together: how far each is off in the direction of illness (a variability
            downwards), averaged over `time_scale_s`, in standard deviations of what is usual, by registry name.
        gap_s: For `no_data`: observed seconds of silence of every wearable.
        clock_offset_ms: For `clock_offset`.
        place: For a zone: its name.
        recurrence_days: For a zone: chance alone gives as much once in so many days, one of RECURRENCE_STEPS.
        window_min: For a zone: length of the window that tells most.
        labels: For a zone: what besides illness is likely behind it.
        possible: For a zone: what may be behind it without anything that shows it.
        coverage: For a zone: how many wearers stand behind it, as a class.
        region: For the whole area: cells of the shown partition that it is about.
    """

    vital: str | None = None
    unit: str | None = None
    side: Literal["high", "low"] | None = None
    observed: float | None = None
    extreme: float | None = None
    expected: float | None = None
    scale: float | None = None
    threshold: float | None = None
    threshold_unit: str | None = None
    z: float | None = None
    duration_s: float | None = None
    rule: str = ""
    context: str = ""
    data_quality: float | None = None
    quality_note: str | None = None
    sources: list[str] = []
    bins: int | None = None
    baseline_age_s: float | None = None
    injected: bool = False
    origin: str = "live"
    model: str = ""
    expected_by: str | None = None
    baseline: float | None = None
    time_scale_s: float | None = None
    kind: Literal["sudden", "gradual"] | None = None
    promised_rate: float | None = None
    realised_rate: float | None = None
    rate_days: float | None = None
    parts: dict[str, float] | None = None
    gap_s: float | None = None
    clock_offset_ms: int | None = None
    place: str | None = None
    recurrence_days: float | None = None
    window_min: int | None = None
    labels: list[str] = []
    possible: list[str] = []
    coverage: str | None = None
    region: list[str] = []


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one episode after one change.

    Attributes:
        episode_id: UUIDv5 of (subject, condition, start of its first bin).
        condition: Vital and side (`heart_rate.high`), a technical condition (`no_data`, `clock_offset`), or for a zone
            which test told it (`zone.count`, `zone.shift`).
        tier: 1 notice, 2 alert, 3 clinical floor; only rises while the episode is open. 0 for technical ones.
        writer: Family that wrote this change.
        revision: Rises with every change of this writer.
        pages: False for history: append time minus bin time was 15 min or more, so nobody is called.
        onset_ms: Start of the first bin, event time.
        changed_ms: Event time of this change.
        ended_ms: Event time of the end.
        reason: One plain sentence.
        decided_received_ms: Gateway's receipt of the reading that closed the deciding bin.
        decided_append_ms: Log time at which it was decided.
    """

    episode_id: UUID
    subject: Subject
    condition: str
    type: EpisodeType
    phase: Phase
    tier: int
    writer: str
    revision: int
    pages: bool
    onset_ms: int
    changed_ms: int
    reason: str
    evidence: Evidence
    decided_received_ms: int
    decided_append_ms: int
    ended_ms: int | None = None
    end_reason: EndReason | None = None


class EpisodeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents 1.0 envelope (JSON format) around an episode."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: Episode
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


_DECODER = msgspec.json.Decoder(EpisodeEvent)
_ENCODER = msgspec.json.Encoder()


def episode_id(subject: Subject, condition: str, first_bin_ms: int) -> UUID:
    """Return the id that the same log always gives this episode."""
    return uuid5(EPISODE_NAMESPACE, f"{subject.key}|{condition}|{first_bin_ms}")


def encode(episode: Episode, *, time: str) -> bytes:
    """Return the CloudEvents record; `time` is RFC 3339 of the deciding log time, so that a replay repeats it."""
    event = EpisodeEvent(
        id=f"{episode.episode_id}:{episode.writer}:{episode.revision}",
        source=f"pulsera/{episode.writer}",
        type=f"pulsera.episode.{episode.phase}",
        subject=episode.subject.key,
        time=time,
        data=episode,
    )
    return _ENCODER.encode(event)


def decode(data: bytes) -> Episode:
    """Return the episode in a record of `episodes.v1`.

    Raises:
        ContractError: Not a CloudEvent with an episode.
    """
    try:
        return _DECODER.decode(data).data
    except UNREADABLE as error:
        raise ContractError(f"Not an episode: {error}") from error
