"""Why there is a heart rate or none, why no variability or breathing rate, and what whoever is filmed can do."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why an estimate holds a heart rate (the first two) or none."""

    OK = "ok"
    LOW_CONFIDENCE = "low_confidence"
    """A heart rate is given, to be shown with its confidence."""
    WARMING_UP = "warming_up"
    """Too little has been seen since the beginning, or since a face came back or the light changed at once."""
    TOO_SHORT = "too_short"
    """The recording, or its longest stretch without a break, ends before there is enough of it."""
    NO_FRAMES = "no_frames"
    BAD_TIMES = "bad_times"
    """The times of the frames do not rise, or are no numbers."""
    LOW_FPS = "low_fps"
    GAP = "gap"
    """Frames are missing."""
    UNREADABLE = "unreadable"
    """The pictures could not be measured: most are damaged or missing, or what decodes them failed again and again."""
    NO_FACE = "no_face"
    TWO_FACES = "two_faces"
    LOW_LIGHT = "low_light"
    SATURATED = "saturated"
    LIGHT_CHANGES = "light_changes"
    """The brightness jumps again and again, so that nothing is seen for long enough."""
    MOTION = "motion"
    NO_SIGNAL = "no_signal"
    """The colour does not change at all: a still picture, or a frozen camera."""
    OUT_OF_BAND = "out_of_band"
    """What beats there beats slower than 40 or faster than 200 times a minute."""
    FLICKER = "flicker"
    """The same rhythm is in the background: it is the light's, not the heart's."""
    UNSTEADY = "unsteady"
    """Two methods, or two halves of the window, tell different heart rates."""
    LOW_SNR = "low_snr"


GIVEN = frozenset({Reason.OK, Reason.LOW_CONFIDENCE})
"""The reasons with which an estimate holds a heart rate."""


class HrvReason(StrEnum):
    """Why an estimate holds measures of variability (the first) or none: the gate that was closed."""

    OK = "ok"
    NOT_DUE = "not_due"
    """A stream is asked once in ten seconds."""
    NO_HEART_RATE = "no_heart_rate"
    TOO_SHORT = "too_short"
    LOW_FPS = "low_fps"
    LOW_SNR = "low_snr"
    FEW_BEATS = "few_beats"
    """Less than the share of the beats that the heart rate promises is believed."""
    UNLIKE_BEATS = "unlike_beats"
    """The beats do not look like one another."""
    RATE_MISMATCH = "rate_mismatch"
    """The beats tell another heart rate than the spectrum."""


class BreathReason(StrEnum):
    """Why an estimate holds a breathing rate (the first) or none."""

    OK = "ok"
    NOT_DUE = "not_due"
    """A stream is asked once in ten seconds."""
    NO_HEART_RATE = "no_heart_rate"
    TOO_SHORT = "too_short"
    """Less than half a minute of beats without a break."""
    UNLIKE_BEATS = "unlike_beats"
    """The beats do not look like one another."""
    UNCLEAR = "unclear"
    """No rhythm, or more than one, is in the intervals of the beats."""
    OUT_OF_BAND = "out_of_band"
    """The rhythm is so slow that it may be the blood pressure's, or over 30 a minute."""
    DISAGREE = "disagree"
    """Neither height nor brightness of the pulse has the rhythm of the intervals, or the recording's parts differ."""


class Act(StrEnum):
    """What the person can do now."""

    NONE = "none"
    WAIT = "wait"
    HOLD_STILL = "hold_still"
    MORE_LIGHT = "more_light"
    LESS_LIGHT = "less_light"
    STEADY_LIGHT = "steady_light"
    FACE_THE_CAMERA = "face_the_camera"
    ONE_PERSON = "one_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the person can do now, and how long until a first value at the soonest (0 when there is enough)."""

    act: Act
    seconds_left: float


ACTS: dict[Reason, Act] = {
    Reason.WARMING_UP: Act.WAIT,
    Reason.GAP: Act.WAIT,
    Reason.NO_FRAMES: Act.WAIT,
    Reason.NO_FACE: Act.FACE_THE_CAMERA,
    Reason.TWO_FACES: Act.ONE_PERSON,
    Reason.LOW_LIGHT: Act.MORE_LIGHT,
    Reason.SATURATED: Act.LESS_LIGHT,
    Reason.MOTION: Act.HOLD_STILL,
    Reason.UNSTEADY: Act.HOLD_STILL,
    Reason.LOW_SNR: Act.HOLD_STILL,
    Reason.FLICKER: Act.STEADY_LIGHT,
    Reason.LIGHT_CHANGES: Act.STEADY_LIGHT,
}
"""What helps against what; against the others nothing that a person could do."""
