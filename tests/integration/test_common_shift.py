"""Made readings go through the vitals' model to the zones' test, once with a common shift and once without."""

from functools import cache
from typing import Any

import pytest

from infra.zones.common_shift import ShiftPlan, common_shift, told


@cache
def report() -> dict[str, Any]:
    """Return the report of few wearers, judged for two hours, and a shift that nobody could miss."""
    made = ShiftPlan(seed=1, wearers=24, others=60, rings=4, quiet_days=0.1, raised_bpm=25.0)
    return common_shift(made, progress=lambda _done, _total: None)


def test_before_a_week_was_followed_no_common_shift_is_told() -> None:
    """Whatever is raised in everybody, an area whose usual days are not known yet has no alarm of a shift."""
    found = report()
    assert found["data"] == "simulated"
    assert found["raised"]["bins"] == found["quiet"]["bins"] > 0
    assert found["raised"]["highest_z"] is None
    assert found["raised"]["bins_until_alarm"] is None


def test_the_table_tells_both_hours_and_that_they_are_simulated() -> None:
    """The promised notices are 0.1 a wearer-day, and what is printed names the seed and both hours."""
    assert report()["promised_notices"] == pytest.approx(24 * 0.1 / 24)
    text = told(report())
    assert "seed 1. All simulated." in text
    assert "| nothing |" in text
    assert "| +25 bpm |" in text
