"""Whoever is cancelled while it waits for Kafka leaves no client of it behind."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from infra.kafka import appender, publisher, reader
from infra.kafka.appender import KafkaAppender
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from schemas.topics import READINGS
from stream_processors.ports import Emission

DEADLINE_S = 20.0


class Hanging:
    """A client of a broker that takes connections and never answers."""

    made: "list[Hanging]"
    starting: asyncio.Event

    def __init__(self, **_settings: Any) -> None:
        self.stopped = False
        self.made.append(self)

    async def start(self) -> None:
        """Wait for ever."""
        self.starting.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Note that it was stopped."""
        self.stopped = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Hanging]:
    """The clients that are made."""
    monkeypatch.setattr(Hanging, "made", [], raising=False)
    for module, name in ((publisher, "AIOKafkaProducer"), (appender, "AIOKafkaProducer"), (reader, "AIOKafkaConsumer")):
        monkeypatch.setattr(module, name, Hanging)
    return Hanging.made


async def _publish() -> None:
    await KafkaPublisher("nowhere").publish([Emission(topic=READINGS.name, partition=0, key=None, value=b"1")])


async def _read() -> None:
    await KafkaReader("nowhere").bounds(READINGS.name, 0)


async def _append() -> None:
    await KafkaAppender("nowhere").__aenter__()


@pytest.mark.parametrize("waits", [_publish, _read, _append])
def test_a_client_that_is_cancelled_while_it_starts_is_stopped(
    made: list[Hanging], waits: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Publisher, reader and appender stop the client that they were about to start."""

    async def run() -> None:
        Hanging.starting = asyncio.Event()
        waiting = asyncio.create_task(waits())
        async with asyncio.timeout(DEADLINE_S):
            await Hanging.starting.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(run())
    assert [one.stopped for one in made] == [True]
