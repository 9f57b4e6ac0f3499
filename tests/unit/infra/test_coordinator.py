"""When a group's coordinator counts as absent, what is said of it, and when its broker is restarted."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
from aiokafka.errors import KafkaConnectionError

from infra.embedded.mending import Mending
from infra.kafka import coordinator
from infra.kafka.coordinator import ABSENT_AFTER_S, Absence, Answer, CoordinatorProbe, GroupWatch, is_absent

_A, _R, _AWAY = Answer.ANSWERS, Answer.REFUSES, Answer.AWAY


@pytest.mark.parametrize(
    ("answers", "seconds"),
    [
        ([_A, _A, _A], [0, 0, 0]),
        ([_A, _R, _R, _R], [0, 0, 2, 4]),
        ([_R, _R, _A, _R], [0, 2, 0, 0]),
        ([_R, _R, _AWAY, _R, _R], [0, 2, 0, 0, 2]),
    ],
)
def test_only_refusals_in_a_row_count(answers: list[Answer], seconds: list[float]) -> None:
    """An answer ends an absence, and so does a broker that is away: it starts anew, which may take its time."""
    absence = Absence()
    assert [absence.saw(answer, 100.0 + 2 * step) for step, answer in enumerate(answers)] == seconds


def test_a_worker_says_it_after_twenty_seconds_and_no_longer_once_it_is_over() -> None:
    """The figure is always told; the health answer names the group only while its coordinator is absent."""
    told: list[tuple[str, float]] = []
    watch = GroupWatch("pulsera-care", lambda name, value: told.append((name, value)))
    said = []
    for missing_s in (0.0, ABSENT_AFTER_S - 0.1, ABSENT_AFTER_S, 400.0, 0.0):
        watch.take(missing_s)
        said.append(dict(watch.waiting()))
    words = {"coordinator": "Kafka's coordinator of the group pulsera-care does not answer."}
    assert said == [{}, {}, words, words, {}]
    assert [name for name, _ in told] == ["coordinator_missing_seconds"] * 5
    assert [value for _, value in told] == [0.0, ABSENT_AFTER_S - 0.1, ABSENT_AFTER_S, 400.0, 0.0]


def test_a_restart_is_due_once_and_again_after_five_minutes() -> None:
    """A coordinator that stays absent has its broker restarted at most every five minutes; short absences never."""
    mending = Mending()
    due = [mending.due({"one": 0.0, "two": now_s}, float(now_s)) for now_s in range(0, 700, 2)]
    assert [2 * step for step, group in enumerate(due) if group] == [20, 320, 620]
    assert set(due) == {None, "two"}
    assert not is_absent(ABSENT_AFTER_S - 0.1)


class _Admin:
    """Kafka's door, as far as the probe goes through it: the broker answers, the coordinator with a code."""

    code: ClassVar[int | None] = None
    closed: ClassVar[int] = 0

    def __init__(self, bootstrap_servers: str) -> None:
        assert bootstrap_servers == "here"

    async def start(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Count the ends of connections."""
        _Admin.closed += 1

    async def find_coordinator(self, group: str) -> int:
        """Name a broker, as a broker does whatever the state of the coordinator in it."""
        assert group == "pulsera-care"
        return 1

    async def describe_consumer_groups(self, groups: list[str], group_coordinator_id: int) -> list[SimpleNamespace]:
        """Answer with the code, or break off."""
        assert (groups, group_coordinator_id) == (["pulsera-care"], 1)
        if self.code is None:
            raise KafkaConnectionError
        return [SimpleNamespace(groups=[(self.code, "pulsera-care", "Stable", "consumer", "range", [])])]


@pytest.mark.parametrize(
    ("code", "answer", "closed"), [(0, _A, 0), (14, _R, 0), (15, _R, 0), (16, _R, 0), (30, _A, 0), (None, _R, 1)]
)
async def test_what_the_coordinator_says_decides_not_that_a_broker_names_one(
    monkeypatch: pytest.MonkeyPatch, code: int | None, answer: Answer, closed: int
) -> None:
    """A failed coordinator is still named by its broker: NOT_COORDINATOR is the sign; a right refused is an answer."""
    monkeypatch.setattr(coordinator, "AIOKafkaAdminClient", _Admin)
    monkeypatch.setattr(_Admin, "code", code)
    monkeypatch.setattr(_Admin, "closed", 0)
    assert await CoordinatorProbe("here").ask("pulsera-care") is answer
    assert _Admin.closed == closed
