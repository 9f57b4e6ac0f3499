"""The appender tells a frame durable only when it and every earlier one of its partition are."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, OutOfOrderSequenceNumber

from infra.kafka import appender as module
from infra.kafka.appender import KafkaAppender
from schemas.errors import ContractError
from schemas.topics import PARTITIONS

Fate = Exception | str | None
SILENT = "never answered"


class Broker:
    """Remembers what producers sent, by producer; the fates of sends are told beforehand, afterwards all succeed."""

    def __init__(self, fates: list[Fate]) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.fates: Iterator[Fate] = iter(fates)
        self.producers = 0

    def producer(self, **_: Any) -> "Producer":
        """Return one more producer."""
        self.producers += 1
        return Producer(self, self.producers)


class Producer:
    """What the appender uses of aiokafka's producer."""

    def __init__(self, broker: Broker, number: int) -> None:
        self._broker = broker
        self._number = number

    async def start(self) -> None:
        """Be ready."""

    async def stop(self) -> None:
        """Be done."""

    async def partitions_for(self, _: str) -> set[int]:
        """Return every partition."""
        return set(range(PARTITIONS))

    async def send(self, _: str, *, value: bytes, partition: int) -> asyncio.Future[None]:
        """Take a record, and let its future have its fate."""
        del partition
        self._broker.sent.append((self._number, value))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        fate = next(self._broker.fates, None)
        if fate is None:
            future.set_result(None)
        elif isinstance(fate, Exception):
            future.set_exception(fate)
        return future


@pytest.fixture
def broker_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Broker]:
    """Return how to put a broker with these fates in the place of Kafka."""

    def made(*fates: Fate) -> Broker:
        broker = Broker(list(fates))
        monkeypatch.setattr(module, "AIOKafkaProducer", broker.producer)
        monkeypatch.setattr(module, "_BACKOFF_S", 0.001)
        return broker

    return made


async def _appended(*frames: bytes) -> tuple[list[bytes], list[object]]:
    """Append frames to one partition at once; return in which order they were told durable, and each one's result."""
    told: list[bytes] = []
    async with KafkaAppender("nowhere") as appender:
        tasks = [asyncio.create_task(appender.append(3, frame)) for frame in frames]
        for task, frame in zip(tasks, frames, strict=True):
            task.add_done_callback(lambda _, frame=frame: told.append(frame))  # type: ignore[misc]
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    return told, list(results)


@pytest.mark.parametrize("failure", [KafkaTimeoutError, OutOfOrderSequenceNumber, ConnectionResetError])
def test_a_failed_frame_holds_back_those_behind_it(
    broker_with: Callable[..., Broker], failure: type[Exception]
) -> None:
    """Where the first of three fails, a fresh producer appends all three again in order, and then they are told."""
    broker = broker_with(failure())
    told, results = asyncio.run(_appended(b"1", b"2", b"3"))
    assert (told, results) == ([b"1", b"2", b"3"], [None, None, None])
    assert [value for number, value in broker.sent if number == 2] == [b"1", b"2", b"3"]


def test_what_was_told_durable_is_not_appended_again(broker_with: Callable[..., Broker]) -> None:
    """Frames before the one that failed are left alone."""
    broker = broker_with(None, KafkaTimeoutError())
    told, _ = asyncio.run(_appended(b"1", b"2", b"3"))
    assert told == [b"1", b"2", b"3"]
    assert [value for number, value in broker.sent if number == 2] == [b"2", b"3"]


def test_a_frame_that_kafka_never_takes_is_refused_alone(broker_with: Callable[..., Broker]) -> None:
    """A frame that is too large fails for whoever sent it; its neighbours are durable, and nothing is replaced."""
    broker = broker_with(None, MessageSizeTooLargeError())
    _, results = asyncio.run(_appended(b"1", b"2", b"3"))
    assert [type(result) for result in results] == [type(None), ContractError, type(None)]
    assert broker.producers == 1


async def test_what_a_replaced_producer_never_answers_is_appended_again(broker_with: Callable[..., Broker]) -> None:
    """A frame in the hands of a producer that another partition had replaced goes to the new one."""
    broker = broker_with(SILENT, KafkaTimeoutError())
    async with KafkaAppender("nowhere") as appender, asyncio.timeout(5):
        forgotten = asyncio.create_task(appender.append(3, b"forgotten"))
        await asyncio.sleep(0)
        await asyncio.gather(appender.append(4, b"failed"), forgotten)
    assert broker.sent.count((1, b"forgotten")) == 1
    assert any(number > 1 and frame == b"forgotten" for number, frame in broker.sent)


async def test_a_producer_that_is_being_stopped_is_stopped_also_by_whoever_is_cancelled(
    broker_with: Callable[..., Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An appender that is left while a failed producer is put aside leaves once that one is stopped."""
    stopping, may_stop, stopped = asyncio.Event(), asyncio.Event(), []

    async def stop(producer: Producer) -> None:
        stopping.set()
        await may_stop.wait()
        stopped.append(producer._number)

    broker_with(KafkaTimeoutError())
    monkeypatch.setattr(Producer, "stop", stop)
    appender = await KafkaAppender("nowhere").__aenter__()
    async with asyncio.timeout(20):
        waiting = asyncio.create_task(appender.append(3, b"1"))
        await stopping.wait()
        leaving = asyncio.create_task(appender.__aexit__(None, None, None))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not leaving.done()
        may_stop.set()
        await leaving
        await asyncio.wait({waiting})
    assert stopped == [1, 2]
