"""The queue of jobs: who runs, who waits, what is forgotten, and that every end is the end of what was held."""

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.errors import RefusedError
from api.jobs import KEPT_FOR, MOST_KEPT, Job, JobDesk, Place, State
from schemas.errors import UnknownSubjectError

USER, OTHER = uuid4(), uuid4()


class Desk:
    """A desk with a clock that is set, and what its jobs held and let go."""

    def __init__(self, **settings: Any) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.let_go = 0
        self.desk = JobDesk(clock=lambda: self.now, new_id=uuid4, **settings)

    async def begin(self, work: Any, user: UUID = USER) -> tuple[Job, Place]:
        """Start a job."""
        held = ExitStack()
        held.callback(self._let_go)
        async with self.desk.place(user) as place:
            return self.desk.start(place, work, held=held), place

    def _let_go(self) -> None:
        self.let_go += 1


async def forever(_: Any) -> dict[str, Any]:
    """Never return."""
    await asyncio.Event().wait()
    return {}


async def quick(progress: Any) -> dict[str, Any]:
    """Return at once."""
    progress(0.5)
    return {"x": 1}


async def ended(job: Job) -> None:
    """Wait for a job's end, and for what is done at it."""
    assert job.task is not None
    await asyncio.wait({job.task})
    await asyncio.sleep(0)


async def test_one_runs_the_others_wait_in_turn() -> None:
    """The second starts when the first has ended, and places are free again at the end."""
    made = Desk()
    first, _ = await made.begin(forever)
    second, _ = await made.begin(quick)
    await asyncio.sleep(0)
    assert (first.state, second.state, made.desk.taken, made.desk.running) == (State.RUNNING, State.QUEUED, 2, 1)
    await made.desk.drop(first)
    await ended(second)
    assert (second.state, second.result, second.progress) == (State.DONE, {"x": 1}, 1.0)
    assert (made.desk.taken, made.let_go) == (0, 2)


async def test_a_job_that_never_began_lets_go_too() -> None:
    """Cancelled in its first moment, a job still closes what it held."""
    made = Desk()
    job, _ = await made.begin(forever)
    await made.desk.cancel(job)
    assert (job.state, made.let_go, made.desk.taken) == (State.CANCELLED, 1, 0)


async def test_every_failure_is_kept_as_an_error() -> None:
    """A refusal is told as it is, too long a time as 504, a fault of ours as 500 without its text."""

    async def refuses(_: Any) -> dict[str, Any]:
        raise RefusedError(422, "undecodable", "No.")

    async def breaks(_: Any) -> dict[str, Any]:
        raise KeyError("inside")

    made = Desk(limit_s=0.01)
    for work, status in ((refuses, 422), (forever, 504), (breaks, 500)):
        job, _ = await made.begin(work)
        await ended(job)
        assert isinstance(job.error, RefusedError)
        assert (job.state, job.error.status) == (State.FAILED, status)
        assert "inside" not in str(job.error)
    assert made.let_go == 3


async def test_a_place_without_a_job_is_given_back() -> None:
    """Whoever fails while his video is received leaves his place."""
    made = Desk()
    with pytest.raises(KeyError):
        async with made.desk.place(USER):
            raise KeyError
    assert made.desk.taken == 0


async def test_results_are_their_user_s_and_are_forgotten() -> None:
    """Nobody else finds a job; an hour after its end nobody does; of many the oldest go first."""
    made = Desk()
    job, _ = await made.begin(quick)
    await ended(job)
    assert made.desk.find(job.job_id, USER) is job
    with pytest.raises(UnknownSubjectError):
        made.desk.find(job.job_id, OTHER)
    made.now += KEPT_FOR - timedelta(seconds=1)
    made.desk.find(job.job_id, USER)
    made.now += timedelta(seconds=1)
    with pytest.raises(UnknownSubjectError):
        made.desk.find(job.job_id, USER)
    many = []
    for _ in range(MOST_KEPT + 2):
        one, _place = await made.begin(quick)
        await ended(one)
        many.append(one)
    made.desk.find(many[-1].job_id, USER)
    with pytest.raises(UnknownSubjectError):
        made.desk.find(many[0].job_id, USER)


async def test_the_end_of_the_desk_is_the_end_of_its_jobs() -> None:
    """Closing cancels what runs and what waits."""
    made = Desk()
    await made.begin(forever)
    await made.begin(forever)
    await made.desk.close()
    assert (made.desk.taken, made.let_go) == (0, 2)
