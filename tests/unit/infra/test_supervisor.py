"""The supervisor's plan: back-off, needs, and the order of stopping."""

import pytest

from infra.embedded.process import Program
from infra.embedded.supervisor import Part, check_needs, restart_delay_s, stop_order


def _part(name: str, *, stage: int = 0, needs: frozenset[str] = frozenset()) -> Part:
    return Part(
        name=name, prepare=lambda: Program(command=("true",)), ready=lambda: True, needs=needs, stop_stage=stage
    )


def test_restarts_begin_at_once_and_slow_down_to_ten_seconds() -> None:
    """The first restart follows at once, the next ones after 0.5 s doubling to 10 s."""
    assert restart_delay_s(1) < 0.1
    assert [restart_delay_s(n) for n in range(2, 9)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_parts_stop_by_stage() -> None:
    """Low stages stop first; parts of one stage stop together."""
    parts = [_part("kafka", stage=4), _part("gateway", stage=1), _part("storage", stage=2), _part("vitals", stage=2)]
    assert [[part.name for part in stage] for stage in stop_order(parts)] == [
        ["gateway"],
        ["storage", "vitals"],
        ["kafka"],
    ]


def test_a_need_that_nobody_meets_is_refused() -> None:
    """A plan that would wait for ever is an error when it is made."""
    with pytest.raises(ValueError, match="api needs migrate"):
        check_needs([_part("kafka"), _part("api", needs=frozenset({"migrate"}))])
