"""What is said of a zone's episode: never a count, always how seldom chance alone gives as much."""

from collections.abc import Sequence
from typing import Final

from inference.zones.levels import recurrence_words
from schemas.episodes import Evidence
from schemas.zones import Label

CAUSES: Final[dict[Label, str]] = {
    "activity": "people in motion",
    "firmware": "one firmware",
    "backfill": "data that came late",
    "clock_change": "a change of the clock",
}
_POSSIBLE: Final[dict[Label, str]] = {
    "activity": "most of it is of people in motion",
    "firmware": "most of it is of one firmware",
    "backfill": "much data came late",
    "clock_change": "the clock changed within a day",
}
_COVERAGE: Final = {
    "too_few": "too few wearers to tell",
    "thin": "few wearers watched",
    "fair": "a fair number of wearers watched",
    "good": "many wearers watched",
}


def title(condition: str, evidence: Evidence) -> str:
    """Return a few words for an alert of a zone."""
    where = evidence.place or "a zone"
    words = f"Everybody off their usual in {where}" if condition == "zone.shift" else f"Unusual distress in {where}"
    return f"{words} (likely {causes(evidence.labels)})" if evidence.labels else words


def opened(evidence: Evidence) -> str:
    """Return the sentences of an open episode."""
    where, days = evidence.place or "a zone", evidence.recurrence_days or 0.0
    seen = f"More wearers than chance allows are in distress in {where}"
    if evidence.rule == "zone.shift":
        seen = f"The wearers in {where} are all further off their usual than chance allows"
    test = "a common shift" if evidence.rule == "zone.shift" else "a count"
    words = f"{seen}: by chance {recurrence_words(days)} ({test} over {evidence.window_min} min"
    words += f"; {_COVERAGE[evidence.coverage]})." if evidence.coverage else ")."
    if evidence.labels:
        words += f" Likely cause: {causes(evidence.labels)}."
    if evidence.possible:
        words += f" Possible, and not shown to be the cause: {possible(evidence.possible)}."
    return words


def causes(labels: Sequence[str]) -> str:
    """Return likely causes in words."""
    return ", ".join(words for label, words in CAUSES.items() if label in labels)


def possible(labels: Sequence[str]) -> str:
    """Return possible causes in words: what is known, and no more."""
    return ", ".join(words for label, words in _POSSIBLE.items() if label in labels)


def recovered(evidence: Evidence, *, minutes: int) -> str:
    """Return the sentence of an episode that is over."""
    return f"For {minutes} min no more in {evidence.place or 'a zone'} than chance gives now and then."


def data_ended(evidence: Evidence, *, minutes: int) -> str:
    """Return the sentence of an episode of which nobody knows whether it goes on."""
    where = evidence.place or "a zone"
    few = f"In the last {minutes} min too few wearers reported where it was ({where}) to tell."
    return f"{few} Not known to have recovered."


def withdrawn(evidence: Evidence) -> str:
    """Return the sentence of an episode whose zone is followed no more."""
    return f"{evidence.place or 'The zone'} is followed no more. Not known to have recovered."
