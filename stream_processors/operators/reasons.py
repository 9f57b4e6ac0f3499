"""One plain sentence for a person: what was seen, for how long, and what is usual."""

from typing import Final

from schemas.episodes import Evidence
from schemas.vitals import BY_NAME

_UNITS: Final = {"%": " %", "Cel": " degrees Celsius"}
"""Units that belong into a sentence; a heart rate is understood without one."""


def duration(milliseconds: int) -> str:
    """Return a duration as people say it: 45 s, 6 min, 2 min 05 s, 3 h 10 min."""
    seconds = milliseconds // 1000
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes >= 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"


def amount(vital: str, value: float | None) -> str:
    """Return a value as a person is shown it, with its unit where a sentence needs one."""
    if value is None:
        return "unknown"
    row = BY_NAME[vital]
    return f"{value:.{row.decimals}f}{_UNITS.get(row.unit, '')}"


def physiological(evidence: Evidence) -> str:
    """Return the sentence of an open episode."""
    vital = evidence.vital or ""
    label = BY_NAME[vital].label
    length = duration(int((evidence.duration_s or 0) * 1000))
    words = f"{label[0].upper()}{label[1:]} {amount(vital, evidence.observed)} for {length}"
    if vital == "heart_rate":
        words += ", activity unknown" if evidence.context == "activity unknown" else " at rest"
        words += f"; {_usual(evidence)}"
    return f"{words}.{marks(evidence)}"


def _usual(evidence: Evidence) -> str:
    if evidence.expected is None or evidence.scale is None:
        return "what is usual for this wearer is not known yet"
    low, high = evidence.expected - 2 * evidence.scale, evidence.expected + 2 * evidence.scale
    return f"usual at rest {low:.0f} to {high:.0f}"


def recovered(evidence: Evidence, *, within_ms: int) -> str:
    """Return the sentence of an episode whose condition ended."""
    vital = evidence.vital or ""
    label = BY_NAME[vital].label
    words = f"{label[0].upper()}{label[1:]} {amount(vital, evidence.observed)}, back for {duration(within_ms)}"
    return f"{words}; it had reached {amount(vital, evidence.extreme)}.{marks(evidence)}"


def data_ended(evidence: Evidence, *, silent_ms: int) -> str:
    """Return the sentence of an episode whose data ended: nobody knows whether it goes on."""
    vital = evidence.vital or ""
    words = f"No usable {BY_NAME[vital].label} for {duration(silent_ms)}; it was {amount(vital, evidence.observed)}"
    return f"{words} before. Not known to have recovered.{marks(evidence)}"


def no_data(gap_ms: int) -> str:
    """Return the sentence of a wearer who went silent."""
    return f"No readings for {duration(gap_ms)}."


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
