"""A client of Kafka that is cancelled while it starts."""

import asyncio

import pytest

from stream_processors.hosts import kafka_start
from stream_processors.hosts.kafka_start import started


class Client:
    """A client whose start waits for an answer, with an error where it is told one; it notes what happens to it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked, self.answered = asyncio.Event(), asyncio.Event()
        self.seen: list[str] = []
        self._error = error

    async def start(self) -> None:
        """Wait for the answer."""
        self.asked.set()
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        self.seen.append("answered")
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """Note it."""
        self.seen.append("stopped")


async def _cancelled(client: Client, *, answers: bool) -> None:
    starting = asyncio.create_task(started(client))
    async with asyncio.timeout(20):
        await client.asked.wait()
        starting.cancel()
        await asyncio.sleep(0)
        if answers:
            client.answered.set()
        with pytest.raises(asyncio.CancelledError):
            await starting


@pytest.mark.parametrize("error", [None, OSError("away")])
async def test_a_start_that_is_answered_is_not_cancelled(error: Exception | None) -> None:
    """Whoever is cancelled lets the answer come, whatever it is, and then stops the client."""
    client = Client(error)
    await _cancelled(client, answers=True)
    assert client.seen == ["answered", "stopped"]


async def test_a_start_that_is_not_answered_is_cancelled_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than a second for a broker that is silent."""
    monkeypatch.setattr(kafka_start, "_ANSWER_MOST_S", 0.01)
    client = Client()
    await _cancelled(client, answers=False)
    assert client.seen == ["cancelled", "stopped"]


async def test_a_client_that_cannot_start_is_stopped() -> None:
    """Its error is raised as it is."""
    client = Client(OSError("away"))
    client.answered.set()
    with pytest.raises(OSError, match="away"):
        await started(client)
    assert client.seen == ["answered", "stopped"]


async def test_who_is_cancelled_twice_leaves_no_client_either() -> None:
    """A second cancel does not wait for the answer: the start is cancelled and the client stopped at once."""
    client = Client()
    starting = asyncio.create_task(started(client))
    async with asyncio.timeout(20):
        await client.asked.wait()
        for _ in range(2):
            starting.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await starting
    assert client.seen == ["cancelled", "stopped"]
