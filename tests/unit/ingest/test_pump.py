"""Whoever waits for a frame hears of it, also where it was neither taken nor refused."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from infra.metrics.meter import PrometheusMeter
from ingest.effects import AdmitVideo
from ingest.pump import Pump
from schemas.errors import BrokerAwayError, ContractError
from tests.device_sessions import NOW_MS, ManualClock

DEADLINE_S = 20.0


class Log:
    """Hands out the futures of its appends, for a test to end."""

    def __init__(self) -> None:
        self.appends: list[asyncio.Future[None]] = []

    def append(self, _partition: int, _frame: bytes) -> asyncio.Future[None]:
        """Take a frame."""
        self.appends.append(asyncio.get_running_loop().create_future())
        return self.appends[-1]


class Waiting:
    """Who sent a message: what it heard."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def durable(self, seqs: list[int]) -> None:
        """Note it."""
        self.heard += seqs

    def given_up(self, reason: str) -> None:
        """Note it."""
        self.heard.append(reason)


def with_one_in_the_air(
    tested: Callable[[Pump, asyncio.Future[None], Waiting], Coroutine[Any, Any, None]],
) -> None:
    """Run a test with a pump of which one record is in the air."""

    async def run() -> None:
        log, sender = Log(), Waiting()
        pump = Pump(log, log, clock=ManualClock(), meter=PrometheusMeter(), held_most=8)
        pump.add_video(sender, AdmitVideo("trace", 0, 7, NOW_MS * 1000, b"a record"))
        assert pump.full
        async with asyncio.timeout(DEADLINE_S):
            await tested(pump, log.appends[0], sender)
        assert not pump.full

    asyncio.run(run())


def test_who_sent_a_record_hears_that_it_is_durable() -> None:
    """A record that the log took is told with its seq, and its bytes are no longer held."""

    async def tested(pump: Pump, append: asyncio.Future[None], sender: Waiting) -> None:
        append.set_result(None)
        assert await pump.drain(deadline_s=DEADLINE_S)
        assert sender.heard == [7]

    with_one_in_the_air(tested)


@pytest.mark.parametrize("ending", [None, ContractError("never")])
def test_who_sent_what_was_not_taken_is_given_up(ending: Exception | None) -> None:
    """An append that was cancelled or refused is told to who waits for it, and fails nobody else."""

    async def tested(pump: Pump, append: asyncio.Future[None], sender: Waiting) -> None:
        if ending is None:
            append.cancel()
        else:
            append.set_exception(ending)
        assert await pump.drain(deadline_s=DEADLINE_S)
        assert [type(one) for one in sender.heard] == [str]

    with_one_in_the_air(tested)


def test_what_the_log_leaves_unanswered_is_given_up_when_the_gateway_goes() -> None:
    """A drain ends at its deadline, says that it was not complete, and who waits is told."""

    async def tested(pump: Pump, append: asyncio.Future[None], sender: Waiting) -> None:
        assert not await pump.drain(deadline_s=0.0)
        assert append.cancelled()
        assert [type(one) for one in sender.heard] == [str]

    with_one_in_the_air(tested)


def test_a_log_that_has_ended_ends_the_pump() -> None:
    """An append that fails for another reason than its frame is raised by `run`, and no drain is complete after it."""

    async def tested(pump: Pump, append: asyncio.Future[None], sender: Waiting) -> None:
        append.set_exception(BrokerAwayError("The appender has stopped."))
        with pytest.raises(BrokerAwayError):
            await pump.run()
        assert not await pump.drain(deadline_s=DEADLINE_S)
        assert sender.heard == []

    with_one_in_the_air(tested)
