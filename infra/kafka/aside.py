"""An appender that works aside: in a thread and a loop of its own, so that the log's answers wait for no device.

From a frame's departure to its acknowledgement a client of Kafka takes a dozen turns of its loop. In the loop that
reads the devices each of them would last as long as all the messages take that have come meanwhile.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Final, Self

import structlog
import uvloop

from ingest.ports import FrameAppender
from schemas.errors import BrokerAwayError

_LOG: Final = structlog.get_logger(__name__)
_NAME: Final = "pulsera-appender"


class _Sent:
    """A frame that was handed over, the future of whoever waits for it, and what became of it."""

    __slots__ = ("done", "error", "frame", "partition")

    def __init__(self, partition: int, frame: bytes) -> None:
        self.partition = partition
        self.frame = frame
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None


class AppenderAside:
    """Keeps the order of the calls; what one side hands over at once costs the other one wake-up.

    Whatever happens in the thread, every frame is answered: where the thread ends by itself, those that it leaves
    behind end with a BrokerAwayError, later ones too, and leaving the context raises what ended it.
    """

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[FrameAppender]]) -> None:
        """`make` is called in the thread; what it gives is entered and left there."""
        self._make = make
        self._sent: deque[_Sent] = deque()
        self._answered: deque[_Sent] = deque()
        self._unanswered: set[_Sent] = set()
        self._appends: set[asyncio.Future[None]] = set()
        self._stopping = False
        self._error: Exception | None = None
        self._home: asyncio.AbstractEventLoop
        self._aside: asyncio.AbstractEventLoop
        self._work: asyncio.Task[None]
        self._thread: threading.Thread
        self._ready: asyncio.Future[None]
        self._ended: asyncio.Future[None]
        self._appender: FrameAppender

    async def __aenter__(self) -> Self:
        """Start the thread and return when its appender was entered; raises what that raises."""
        self._home = asyncio.get_running_loop()
        self._ready, self._ended = self._home.create_future(), self._home.create_future()
        self._aside = uvloop.new_event_loop()
        self._work = self._aside.create_task(self._serve())
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)
        self._thread.start()
        try:
            await asyncio.shield(self._ready)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the appender and end the thread; raises what ended it, if it was not this."""
        await self._stop()
        if self._error is not None:
            raise self._error

    def append(self, partition: int, frame: bytes) -> asyncio.Future[None]:
        """Return a future that is done when the frame is durable on all replicas.

        It ends with a ContractError where the broker will never take this frame, with a BrokerAwayError where the
        appender ends before its answer.
        """
        sent = _Sent(partition, frame)
        if self._stopping or self._ended.done():
            sent.done.set_exception(_stopped())
            return sent.done
        self._unanswered.add(sent)
        self._sent.append(sent)
        if len(self._sent) == 1:
            self._aside.call_soon_threadsafe(self._take)
        return sent.done

    # In the thread.

    def _run(self) -> None:
        error: BaseException | None = None
        while not self._work.done():
            try:
                self._aside.run_until_complete(self._work)
            except BaseException as raised:  # noqa: BLE001 - it is told at home
                error = error or raised
                self._work.cancel()  # where the loop was stopped under it, the appender is left all the same
        self._home.call_soon_threadsafe(self._over, error)

    async def _serve(self) -> None:
        try:
            async with self._make() as appender:
                self._appender = appender
                self._home.call_soon_threadsafe(self._opened)
                await asyncio.Event().wait()
        finally:
            for append in self._appends:
                append.cancel()
            await asyncio.gather(*self._appends, return_exceptions=True)

    def _take(self) -> None:
        while self._sent:
            sent = self._sent.popleft()
            try:
                append = asyncio.ensure_future(self._appender.append(sent.partition, sent.frame))
            except Exception as error:  # noqa: BLE001 - it is told to who sent the frame; the others go on
                self._answer(sent, error)
                continue
            self._appends.add(append)
            append.add_done_callback(partial(self._landed, sent))

    def _landed(self, sent: _Sent, append: asyncio.Future[None]) -> None:
        self._appends.discard(append)
        self._answer(sent, _stopped() if append.cancelled() else append.exception())

    def _answer(self, sent: _Sent, error: BaseException | None) -> None:
        sent.error = error
        self._answered.append(sent)
        if len(self._answered) == 1:
            self._home.call_soon_threadsafe(self._settle)

    # At home.

    def _opened(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _settle(self) -> None:
        while self._answered:
            sent = self._answered.popleft()
            self._unanswered.discard(sent)
            _end(sent.done, sent.error)

    def _over(self, error: BaseException | None) -> None:
        """Take note that the thread does nothing any more; tell everybody who waits for it."""
        self._thread.join()  # this was the last that it did
        self._aside.close()
        self._settle()
        if not (self._stopping and isinstance(error, asyncio.CancelledError)):
            self._error = error if isinstance(error, Exception) else _stopped()
            _LOG.error("appender_ended", error=type(error).__name__, unanswered=len(self._unanswered))
        for sent in self._unanswered:
            _end(sent.done, _stopped())
        self._unanswered.clear()
        self._sent.clear()
        if not self._stopping:
            _end(self._ready, self._error)
        self._ended.set_result(None)

    async def _stop(self) -> None:
        if not self._ended.done():
            self._stopping = True
            self._aside.call_soon_threadsafe(self._work.cancel)
            await asyncio.shield(self._ended)


def _stopped() -> BrokerAwayError:
    return BrokerAwayError("The appender has stopped.")


def _end(future: asyncio.Future[None], error: BaseException | None) -> None:
    """Give a future its outcome, unless whoever waits for it has gone."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    elif isinstance(error, StopIteration):  # no future takes it
        future.set_exception(RuntimeError("The appender raised StopIteration."))
    else:
        future.set_exception(error)
