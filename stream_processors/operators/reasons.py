"""One plain sentence for a person: what was seen, for how long, and what is usual."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from schemas.episodes import Evidence
from schemas.vitals import BY_NAME

_SAID: Final = {"respiratory_rate": "Breathing"}
"""Labels that a person says otherwise."""
_UNITS: Final = {"spo2": " %", "skin_temperature": " degrees", "body_temperature": " degrees", "hrv_rmssd": " ms",
                 "hrv_sdnn": " ms", "respiratory_rate": " a minute"}  # fmt: skip
"""Units that belong into a sentence; a heart rate is understood without one."""
_A_DAY_S: Final = 86_400
_SLOW_S: Final = 3_600
ACTIVITY_UNKNOWN: Final = "activity unknown"
_AT_REST: Final = "at rest"
_AT_REST_SINCE: Final = "at rest the last"
"""Whose rest is shorter than what is told of: the deviation was there while the wearer moved, too."""


def duration(milliseconds: int) -> str:
    """Return a duration as people say it: 45 s, 6 min, 2 min 05 s, 3 h 10 min, 8 h."""
    seconds = milliseconds // 1000
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes >= 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes // 60} h {minutes % 60:02d} min" if minutes % 60 else f"{minutes // 60} h"
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"


def amount(vital: str, value: float | None) -> str:
    """Return a value as a person is shown it, with its unit where a sentence needs one."""
    if value is None:
        return "unknown"
    return f"{value:.{BY_NAME[vital].decimals}f}{_UNITS.get(vital, '')}"


def physiological(condition: str, evidence: Evidence) -> str:
    """Return the sentence of an open episode: what is seen, for how long, and what is usual."""
    say = _SENTENCES.get(condition, _measured)
    return f"{say(evidence)}.{marks(evidence)}"


def _measured(evidence: Evidence) -> str:
    return f"{_seen(evidence)} for {_length(evidence)}{_compared(evidence)}"


def _at_rest(evidence: Evidence) -> str:
    """Return the words of a vital that is judged at rest alone."""
    usual = _compared(evidence) or "; what is usual for this wearer is not known yet"
    return f"{_seen(evidence)} for {_length(evidence)}{_resting_words(evidence.context)}{usual}"


def at_rest_since(context: str) -> str:
    """Return the context of an episode that began before its wearer came to rest."""
    return _AT_REST_SINCE + context.removeprefix(_AT_REST) if context.startswith(_AT_REST) else context


def _resting_words(context: str) -> str:
    if context == ACTIVITY_UNKNOWN or context.startswith(_AT_REST_SINCE):
        return f", {context}"
    return f" {_AT_REST}" if context.startswith(_AT_REST) else ""


def _above(evidence: Evidence) -> str:
    """Return the words of a vital whose absolute value says little: by how much it is off."""
    if _of_nights(evidence):
        return _nights(evidence)
    if evidence.observed is None or evidence.expected is None:
        return _measured(evidence)
    off = amount(evidence.vital or "", abs(evidence.observed - evidence.expected))
    side = "above" if evidence.observed >= evidence.expected else "below"
    return f"{_label(evidence)} {off} {side} usual for {_length(evidence)}"


def _resting(evidence: Evidence) -> str:
    """Return the words of the resting heart rate of many hours, or of two nights."""
    if _of_nights(evidence):
        return _nights(evidence)
    over = duration(int((evidence.time_scale_s or 0) * 1000))
    own = "" if evidence.baseline is None else f", own resting value {amount(evidence.vital or '', evidence.baseline)}"
    return (
        f"Heart rate at rest higher than usual over {over}; now {amount(evidence.vital or '', evidence.observed)}{own}"
    )


def _of_nights(evidence: Evidence) -> bool:
    return (evidence.time_scale_s or 0) > _A_DAY_S


def _nights(evidence: Evidence) -> str:
    return f"{_label(evidence)} at night higher than usual, two nights running"


def _drift(evidence: Evidence) -> str:
    """Return the words of several vitals together: which, which way and by how much, in usual spreads."""
    seen = _seen(evidence)
    named = _named(evidence.parts or {}, over=duration(int((evidence.time_scale_s or 0) * 1000)))
    rate = f"{seen[0].lower()}{seen[1:]}{_compared(evidence)}"
    return f"{_TOGETHER} far from usual for {_length(evidence)}{named}; now {rate}"


def _named(parts: dict[str, float], *, over: str) -> str:
    """Return the vitals that are off towards illness by as much as one would see; all where none is."""
    least = _PART_LEAST if max(parts.values(), default=0.0) >= _PART_LEAST else -math.inf
    words = [
        f"{BY_NAME[vital].label} {abs(off):.1f} {'below' if (off >= 0) == (vital in _FALLING) else 'above'}"
        for vital, off in parts.items()
        if off >= least
    ]
    return f": {', '.join(words)} (in usual spreads, average of {over})" if words else ""


_TOGETHER: Final = "Several vital signs together"
_FALLING: Final = ("hrv_rmssd", "hrv_sdnn")
"""Vitals that go down in illness."""
_PART_LEAST: Final = 0.5


_SENTENCES: Final[dict[str, Callable[[Evidence], str]]] = {
    "heart_rate.high": _at_rest,
    "heart_rate.low": _at_rest,
    "respiratory_rate.high": _at_rest,
    "skin_temperature.high": _above,
    "resting_heart_rate.high": _resting,
    "vitals.drift": _drift,
}


def _label(evidence: Evidence) -> str:
    vital = evidence.vital or ""
    label = BY_NAME[vital].label
    return _SAID.get(vital, label[0].upper() + label[1:])


def _seen(evidence: Evidence) -> str:
    return f"{_label(evidence)} {amount(evidence.vital or '', evidence.observed)}"


def _length(evidence: Evidence) -> str:
    return duration(int((evidence.duration_s or 0) * 1000))


def _compared(evidence: Evidence) -> str:
    """Return what is usual: of the moment, where the detector knows a baseline of its own beside it."""
    if evidence.expected is None or evidence.scale is None:
        return ""
    digits = BY_NAME[evidence.vital or ""].decimals
    low, high = evidence.expected - 2 * evidence.scale, evidence.expected + 2 * evidence.scale
    low, high = max(low, 0.0), min(high, BY_NAME[evidence.vital or ""].plausible[1])
    when = "for this hour" if evidence.baseline is not None else "at rest"
    return f"; usual {when} {low:.{digits}f} to {high:.{digits}f}"


def recovered(evidence: Evidence, *, within_ms: int) -> str:
    """Return the sentence of an episode whose condition ended."""
    if evidence.side is None:
        return f"{_TOGETHER} are no longer far from usual.{marks(evidence)}"
    words = f"{_seen(evidence)}, back for {duration(within_ms)}"
    if (evidence.time_scale_s or 0) >= _SLOW_S:
        now = amount(evidence.vital or "", evidence.observed)
        words = f"{_label(evidence)} on average no longer far from usual, now {now}"
    return f"{words}; it had reached {amount(evidence.vital or '', evidence.extreme)}.{marks(evidence)}"


def data_ended(evidence: Evidence, *, silent_ms: int) -> str:
    """Return the sentence of an episode whose data ended: nobody knows whether it goes on."""
    vital = evidence.vital or ""
    words = f"No usable {BY_NAME[vital].label} for {duration(silent_ms)}; it was {amount(vital, evidence.observed)}"
    return f"{words} before. Not known to have recovered.{marks(evidence)}"


def no_data(gap_ms: int, sources: Sequence[str] = ()) -> str:
    """Return the sentence of a wearer who went silent, or of whom only these sources did."""
    of = f" from the {' and the '.join(sources)}" if sources else ""
    return f"No readings{of} for {duration(gap_ms)}."


def given_up(gap_ms: int) -> str:
    """Return the sentence of a wearer who is no longer waited for."""
    return f"No readings for {duration(gap_ms)}: no longer waited for."


def data_back(gap_ms: int) -> str:
    """Return the sentence of a wearer whose readings returned."""
    return f"Readings are back after {duration(gap_ms)}."


def clock_wrong(offset_ms: int) -> str:
    """Return the sentence of a device with a wrong clock."""
    side = "behind" if offset_ms > 0 else "ahead"
    return f"The clock of the device is {duration(abs(offset_ms))} {side}; its times are corrected."


def clock_right() -> str:
    """Return the sentence of a device whose clock is right again."""
    return "The clock of the device is right again."


def marks(evidence: Evidence) -> str:
    """Return what must never be hidden: values that were injected, simulated or replayed."""
    words = ""
    if evidence.injected:
        words += " Injected values, not a real event."
    if evidence.origin == "simulated":
        words += " Simulated data."
    if evidence.origin == "replay":
        words += " Replayed recording."
    return words
