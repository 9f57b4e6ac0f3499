"""Who decided, and who told what was expected."""

import msgspec

from schemas.episodes import Evidence
from stream_processors.operators import evidence
from stream_processors.operators.detector import Expectation
from stream_processors.operators.evidence import FLOOR, Sight

MODEL = "pulsenet-ridge 1+99507ad"
KNOWING = Expectation(centre=71.2, scale=11.6, model=MODEL)


def seen(expectation: Expectation) -> Sight:
    """Return a bin at 190 bpm beside what was expected."""
    return Sight(
        wearer=0, stream=257, start_ms=0, end_ms=5_000, value=190.0, quality=900, vague=False, injected=False, origin=0,
        sources=2, context="at rest 3 min", resting_ms=180_000, expectation=expectation,
    )  # fmt: skip


def after(*expectations: Expectation) -> Evidence:
    """Return the evidence of a heart rate beyond the floor, bin by bin."""
    made = Evidence(vital="heart_rate", unit="/min", side="high", context="at rest 2 min")
    for expectation in expectations:
        made = evidence.by_floor(evidence.further(made, seen(expectation), onset_ms=0), 180.0)
    return made


def test_the_floor_is_named_where_it_decided() -> None:
    """A clinical limit is not the model's judgement, bin after bin; who told what was expected is named beside it."""
    for made in (after(KNOWING), after(KNOWING, KNOWING), after(Expectation(model=MODEL), KNOWING)):
        assert (made.rule, made.model, made.expected_by) == ("floor", FLOOR, MODEL)


def test_nobody_is_named_for_what_was_not_expected() -> None:
    """Where too little was known to expect anything, no model is named at all."""
    made = after(KNOWING, Expectation(model=MODEL))
    assert (made.model, made.expected, made.expected_by) == (FLOOR, None, None)
    assert "expected_by" not in msgspec.to_builtins(made)
