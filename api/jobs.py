"""Long work of the API: a bounded queue of jobs, each somebody's own, kept in memory for an hour after its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import structlog

from api.errors import BusyError, RefusedError, TooOftenError
from schemas.errors import PulseraError, UnknownSubjectError

LIMIT_S: Final = 180.0
AT_ONCE: Final = 1
MOST_TAKEN: Final = 5
"""Jobs that are being received, wait or run: each holds a file on the disk."""
MOST_OF_ONE: Final = 2
"""Of those, one user's."""
KEPT_FOR: Final = timedelta(hours=1)
MOST_KEPT: Final = 64
RETRY_AFTER_S: Final = 30

_LOG = structlog.get_logger(__name__)

Progress = Callable[[float | None], None]
Work = Callable[[Progress], Awaitable[dict[str, Any]]]


def too_slow(limit_s: float) -> RefusedError:
    """Return the refusal of work that took too long."""
    return RefusedError(504, "too_slow", f"Not done after {limit_s:g} s, so it was ended.")


class State(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True, kw_only=True)
class Job:
    """One piece of work and what came of it; `wearer` is of whom its result tells stored data, None for nobody."""

    job_id: UUID
    user_id: UUID
    wearer: UUID | None = None
    created: datetime
    state: State = State.QUEUED
    progress: float | None = None
    ended: datetime | None = None
    result: dict[str, Any] | None = None
    error: PulseraError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.ended is not None


@dataclass(slots=True)
class Place:
    """A place in the queue; whoever holds it may start one job."""

    user_id: UUID
    job: Job | None = field(default=None)


class JobDesk:
    """Takes jobs, runs `at_once` of them, and remembers what came of them; owns their tasks."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        at_once: int = AT_ONCE,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._limit_s = limit_s
        self._turn = asyncio.Semaphore(at_once)
        self._taken: dict[int, UUID] = {}
        self._jobs: dict[UUID, Job] = {}

    @property
    def limit_s(self) -> float:
        """How long a job may run."""
        return self._limit_s

    @property
    def taken(self) -> int:
        """How many jobs are being received, wait or run."""
        return len(self._taken)

    @property
    def running(self) -> int:
        """How many run."""
        return sum(job.state is State.RUNNING for job in self._jobs.values())

    @asynccontextmanager
    async def place(self, user_id: UUID) -> AsyncIterator[Place]:
        """Hold a place while a job is received; a job that was started keeps it until its end.

        Raises:
            TooOftenError: This user holds as many as one may.
            BusyError: All are held.
        """
        if sum(holder == user_id for holder in self._taken.values()) >= MOST_OF_ONE:
            raise TooOftenError(
                "too_many_jobs",
                f"You have {MOST_OF_ONE} videos here already; wait for one.",
                retry_after_s=RETRY_AFTER_S,
            )
        if len(self._taken) >= MOST_TAKEN:
            raise BusyError("queue_full", "Too many videos wait already; try again later.", retry_after_s=RETRY_AFTER_S)
        place = Place(user_id)
        self._taken[id(place)] = user_id
        try:
            yield place
        finally:
            if place.job is None:
                del self._taken[id(place)]

    def start(self, place: Place, work: Work, *, held: ExitStack, wearer: UUID | None = None) -> Job:
        """Queue the job of a place; what is held for it is let go at its end, however it ends."""
        self._forget()
        job = Job(job_id=self._new_id(), user_id=place.user_id, wearer=wearer, created=self._clock())
        self._jobs[job.job_id] = place.job = job
        job.task = asyncio.create_task(self._run(job, work), name="video job")
        job.task.add_done_callback(lambda _: self._close(job, place, held))
        return job

    def find(self, job_id: UUID, user_id: UUID) -> Job:
        """Return a job of this user.

        Raises:
            UnknownSubjectError: There is none; the sentence tells where it may have gone.
        """
        self._forget()
        job = self._jobs.get(job_id)
        if job is None or job.user_id != user_id:
            raise UnknownSubjectError(
                "There is no such job of yours: it may have expired, or the API was restarted, which loses jobs."
            )
        return job

    async def drop(self, job: Job) -> None:
        """End a job at once, where it is not over, and forget it."""
        await self.cancel(job)
        self._jobs.pop(job.job_id, None)

    async def cancel(self, job: Job) -> None:
        """End a job at once; return when its work has ended."""
        if job.task is not None:
            job.task.cancel()
            await asyncio.wait({job.task})

    async def close(self) -> None:
        """End all jobs."""
        await asyncio.gather(*(self.cancel(job) for job in list(self._jobs.values())))

    def expires(self, job: Job) -> datetime | None:
        """Return when a job that is over will be forgotten."""
        return None if job.ended is None else job.ended + KEPT_FOR

    async def _run(self, job: Job, work: Work) -> None:
        def progress(share: float | None) -> None:
            job.progress = share

        try:
            async with self._turn:
                job.state = State.RUNNING
                async with asyncio.timeout(self._limit_s):
                    job.result = await work(progress)
            job.state, job.progress = State.DONE, 1.0
        except TimeoutError:
            job.state = State.FAILED
            job.error = too_slow(self._limit_s)
        except PulseraError as error:
            job.state, job.error = State.FAILED, error

    def _close(self, job: Job, place: Place, held: ExitStack) -> None:
        """Note the end, also of a job that was cancelled before its first step or failed in a way nobody thought of."""
        held.close()
        self._taken.pop(id(place), None)
        job.ended = self._clock()
        if job.task is None or job.state in {State.DONE, State.FAILED}:
            return
        if job.task.cancelled():
            job.state = State.CANCELLED
            job.error = RefusedError(409, "cancelled", "The job was cancelled.")
            return
        job.state = State.FAILED
        job.error = RefusedError(500, "internal", "Something went wrong here; it is in the log.")
        _LOG.error("a job failed", exc_info=job.task.exception())

    def _forget(self) -> None:
        """Forget what ended long ago, and the oldest of too many."""
        now = self._clock()
        over = [job for job in self._jobs.values() if job.ended is not None]
        old = {job.job_id for job in over if job.ended is not None and now - job.ended >= KEPT_FOR}
        old |= {job.job_id for job in over[: max(0, len(over) - MOST_KEPT)]}
        for job_id in old:
            del self._jobs[job_id]
