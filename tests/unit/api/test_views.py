"""What stored things look like on the wires."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api import views
from api.records import Score
from schemas.scores import RATES

AT = datetime(2026, 11, 21, 8, tzinfo=UTC)


def score(**given: Any) -> dict[str, Any]:
    """Return a scored bin as it is told."""
    found = Score(
        wearer=UUID(int=1), bin=AT, bin_ms=5_000, score=0.4, tier=0, tier0=False, worn=True, at_rest=True, motion=0.01,
        model="pulsenet 1", readings=5, late=0, backfill=0, received=AT, values={"heart_rate": 64.0},
        z={"heart_rate": 0.5}, expected={"heart_rate": 61.0}, **given,
    )  # fmt: skip
    return views.score(found)


def test_a_score_tells_what_was_promised_and_what_came_of_it() -> None:
    """The flag's rate, the promised and the realised rate, and the days behind it."""
    told = score(tier0_rate=0.01, promised_rate=0.1, realised_rate=0.07, rate_days=12.0)
    assert [told[name] for name in RATES] == [0.01, 0.1, 0.07, 12.0]
    assert (told["value_heart_rate"], told["z_heart_rate"], told["expected_heart_rate"]) == (64.0, 0.5, 61.0)


def test_what_is_not_known_is_absent() -> None:
    """No rate is told where the model keeps none, and before the first whole day."""
    assert not set(RATES) & set(score())
    assert "realised_rate" not in score(promised_rate=0.1)
