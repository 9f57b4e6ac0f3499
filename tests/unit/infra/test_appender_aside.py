"""An appender in a thread of its own keeps what an appender promises, and its own end hides from nobody."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import pytest

from infra.kafka.aside import AppenderAside
from ingest.ports import FrameAppender
from schemas.errors import BrokerAwayError, ContractError

DEADLINE_S = 20.0
REFUSED, STUCK, STOPPING, EXITING = b"refused", b"stuck", b"stopping", b"exiting"


class Log:
    """Remembers what it was given and where; told to, it refuses a frame or never answers."""

    def __init__(self, entering: Exception | None = None) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self.threads: set[int] = set()
        self.left = False
        self._entering = entering

    async def __aenter__(self) -> Self:
        """Begin, or fail."""
        if self._entering is not None:
            raise self._entering
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self.left = True

    async def append(self, partition: int, frame: bytes) -> None:
        """Take a frame."""
        self.frames.append((partition, frame))
        self.threads.add(threading.get_ident())
        await asyncio.sleep(0)
        if frame == REFUSED:
            raise ContractError("refused")
        if frame == STUCK:
            await asyncio.Event().wait()
        if frame == STOPPING:
            asyncio.get_running_loop().stop()
            await asyncio.Event().wait()
        if frame == EXITING:
            raise SystemExit(0)


class Abrupt(Log):
    """Raises where it is called, before there is anything to wait for."""

    def append(self, partition: int, frame: bytes) -> Coroutine[Any, Any, None]:
        """Take a frame, unless it is one that nobody thought of."""
        if frame == REFUSED:
            raise ZeroDivisionError
        return super().append(partition, frame)


class Lingering(Log):
    """Takes its time to be left, until a test lets it go, and answers nothing meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving = threading.Event()
        self.go = threading.Event()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say that it is being left, and wait."""
        self.leaving.set()
        await asyncio.to_thread(self.go.wait, DEADLINE_S)
        self.left = True


class Broken(Log):
    """Cannot be left in peace."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Fail."""
        raise ConnectionResetError


class Never:
    """An appender that is never ready."""

    async def __aenter__(self) -> Self:
        """Wait for what never comes."""
        await asyncio.Event().wait()
        raise AssertionError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    async def append(self, partition: int, frame: bytes) -> None:
        """Take nothing."""


def threads() -> list[str]:
    """Return the names of the threads that work aside now."""
    return [thread.name for thread in threading.enumerate() if thread.name == "pulsera-appender"]


def making(log: AbstractAsyncContextManager[FrameAppender]) -> Callable[[], AbstractAsyncContextManager[FrameAppender]]:
    """Return what makes this log."""
    return lambda: log


def test_frames_are_appended_in_order_elsewhere() -> None:
    """Frames reach the log in the order of the calls, in another thread, and each future is done at home."""
    log = Log()

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S), AppenderAside(making(log)) as aside:
            for batch in range(20):
                futures = [aside.append(at % 12, b"%d" % (batch * 50 + at)) for at in range(50)]
                await asyncio.gather(*futures)

    asyncio.run(run())
    assert [frame for _, frame in log.frames] == [b"%d" % number for number in range(1000)]
    assert len(log.threads) == 1
    assert threading.get_ident() not in log.threads
    assert log.left
    assert not threads()


def test_a_refused_frame_is_told_to_who_sent_it() -> None:
    """What the log raises for one frame is raised for that frame alone."""

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S), AppenderAside(making(Log())) as aside:
            good, bad, other = aside.append(0, b"1"), aside.append(0, REFUSED), aside.append(1, b"2")
            with pytest.raises(ContractError):
                await bad
            await asyncio.gather(good, other)

    asyncio.run(run())


def test_an_append_that_raises_at_once_is_told_to_who_sent_it() -> None:
    """What is raised where the thread takes a frame is raised for that frame; those behind it are appended."""

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S), AppenderAside(making(Abrupt())) as aside:
            bad, good = aside.append(0, REFUSED), aside.append(0, b"1")
            with pytest.raises(ZeroDivisionError):
                await bad
            await good
            await aside.append(0, b"2")

    asyncio.run(run())


def test_an_answer_to_who_has_gone_is_dropped() -> None:
    """Futures that were cancelled meanwhile do not keep the answers of others."""
    log = Log()

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S), AppenderAside(making(log)) as aside:
            gone, bad, good = aside.append(0, b"1"), aside.append(0, REFUSED), aside.append(0, b"2")
            gone.cancel()
            bad.cancel()
            await good
            await aside.append(0, b"3")

    asyncio.run(run())
    assert [frame for _, frame in log.frames] == [b"1", REFUSED, b"2", b"3"]


def test_who_still_waits_at_the_end_is_told() -> None:
    """A frame without an answer does not hold up the end; its future fails, and so do later ones."""

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            async with AppenderAside(making(Log())) as aside:
                stuck = aside.append(0, STUCK)
                await aside.append(1, b"1")
            with pytest.raises(BrokerAwayError):
                await stuck
            with pytest.raises(BrokerAwayError):
                await aside.append(0, b"2")

    asyncio.run(run())
    assert not threads()


def test_a_frame_that_comes_while_the_appender_stops_is_answered() -> None:
    """Between the beginning of the end and the end a frame fails at once, and none waits for ever."""
    log = Lingering()

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            aside = await AppenderAside(making(log)).__aenter__()
            stuck = aside.append(0, STUCK)
            leaving = asyncio.create_task(aside.__aexit__(None, None, None))
            await asyncio.to_thread(log.leaving.wait, DEADLINE_S)
            with pytest.raises(BrokerAwayError):
                await aside.append(0, b"1")
            assert not leaving.done()
            log.go.set()
            await leaving
            with pytest.raises(BrokerAwayError):
                await stuck

    asyncio.run(run())
    assert log.left
    assert not threads()


@pytest.mark.parametrize(("ending", "raised"), [(STOPPING, RuntimeError), (EXITING, BrokerAwayError)])
def test_a_thread_that_ends_by_itself_leaves_nobody_waiting(ending: bytes, raised: type[Exception]) -> None:
    """Frames in hand fail when the loop aside ends, later ones too; the appender is left, and its end is raised."""
    log = Log()

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            aside = await AppenderAside(making(log)).__aenter__()
            frames = [aside.append(0, frame) for frame in (STUCK, ending, STUCK)]
            for frame in frames:
                with pytest.raises((BrokerAwayError, SystemExit)):
                    await frame
            with pytest.raises(BrokerAwayError):
                await aside.append(0, b"1")
            with pytest.raises(raised):
                await aside.__aexit__(None, None, None)

    asyncio.run(run())
    assert log.left
    assert not threads()


def test_what_fails_at_the_end_is_raised() -> None:
    """An appender that cannot be left says so."""

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ConnectionResetError):
                async with AppenderAside(making(Broken())) as aside:
                    await aside.append(0, b"1")

    asyncio.run(run())
    assert not threads()


def test_what_fails_at_the_beginning_is_raised() -> None:
    """An appender that cannot be entered fails the entering at home, and leaves no thread."""

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(BrokerAwayError):
                await AppenderAside(making(Log(entering=BrokerAwayError("away")))).__aenter__()

    asyncio.run(run())
    assert not threads()


def test_waiting_for_the_log_can_be_cancelled() -> None:
    """A gateway that is stopped while it waits for Kafka stops, and leaves no thread."""

    async def run() -> None:
        waiting = asyncio.create_task(AppenderAside(making(Never())).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(DEADLINE_S):
                await waiting

    asyncio.run(run())
    assert not threads()
