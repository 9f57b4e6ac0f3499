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
_COVERAGE: Final = {
    "too_few": "too few wearers to tell",
    "thin": "few wearers behind it",
    "fair": "a fair number of wearers behind it",
    "good": "many wearers behind it",
}


def title(condition: str, evidence: Evidence) -> str:
    """Return a few words for an alert of a zone."""
    where = evidence.place or "a zone"
    words = f"Everybody off their usual in {where}" if condition == "zone.shift" else f"Unusual distress in {where}"
    return f"{words} (likely {causes(evidence.labels)})" if evidence.labels else words


def opened(condition: str, evidence: Evidence) -> str:
    """Return the sentences of an open episode."""
    where, days = evidence.place or "a zone", evidence.recurrence_days or 0.0
    seen = f"More wearers than chance allows are in distress in {where}"
    if condition == "zone.shift":
        seen = f"The wearers in {where} are all further off their usual than chance allows"
    test = "a common shift" if condition == "zone.shift" else "a count"
    words = f"{seen}: by chance {recurrence_words(days)} ({test} over {evidence.window_min} min"
    words += f"; {_COVERAGE[evidence.coverage]})." if evidence.coverage else ")."
    if evidence.labels:
        words += f" Likely cause: {causes(evidence.labels)}."
    if evidence.possible:
        words += f" Possible cause: {causes(evidence.possible)}; nothing shows that there is no other."
    return words


def causes(labels: Sequence[str]) -> str:
    """Return causes in words."""
    return ", ".join(words for label, words in CAUSES.items() if label in labels)


def recovered(evidence: Evidence, *, minutes: int) -> str:
    """Return the sentence of an episode that is over."""
    return f"For {minutes} min no more in {evidence.place or 'a zone'} than chance gives now and then."


def data_ended(evidence: Evidence, *, minutes: int) -> str:
    """Return the sentence of an episode of which nobody knows whether it goes on."""
    where = evidence.place or "a zone"
    return f"For {minutes} min too few wearers report in {where} to tell. Not known to have recovered."


def withdrawn(evidence: Evidence) -> str:
    """Return the sentence of an episode whose zone is followed no more."""
    return f"{evidence.place or 'The zone'} is followed no more. Not known to have recovered."
