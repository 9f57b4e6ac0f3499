"""Moves frames from the framer to the log, and tells their sessions when they are durable or given up."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from ingest.effects import Admit, AdmitVideo
from ingest.framing import Frame, Framer
from ingest.ports import Clock, FrameAppender, Meter
from schemas.errors import ContractError

_LOG: Final = structlog.get_logger(__name__)
READINGS: Final = "readings"


class Sender(Protocol):
    """Whoever sent readings and waits to hear of them."""

    def durable(self, seqs: list[int]) -> None:
        """Take note that what was admitted from these messages is durable."""
        ...

    def given_up(self, reason: str) -> None:
        """Take note that some of what was admitted may never become durable: the device must send it again."""
        ...


class _Flight:
    """A frame in the air; `late` is None once its senders were told that it takes too long."""

    __slots__ = ("frame", "late", "started_s")

    def __init__(self, frame: Frame[Sender], started_s: float) -> None:
        self.frame = frame
        self.started_s = started_s
        self.late: asyncio.TimerHandle | None = None


class _Landed(NamedTuple):
    """What the meter is told of a frame that is durable: how long it took, and how long each message waited."""

    kind: str
    rows: int
    backfill: int
    took_s: float
    waited_us: npt.NDArray[np.int64]


class Pump:
    """Owns the framer and one task a frame, or a record of video, in the air.

    An append that takes longer than `give_up_s` is given up: its senders are told, but its bytes stay counted until
    the log has taken or refused them, so that the bound on memory holds however long the log is away.
    """

    def __init__(
        self,
        appender: FrameAppender,
        video: FrameAppender,
        *,
        clock: Clock,
        meter: Meter,
        linger_s: float = 0.04,
        held_most: int = 64 * 1024 * 1024,
        give_up_s: float = 120.0,
    ) -> None:
        """`appender` takes frames of readings, `video` records of one message each."""
        self._appender = appender
        self._video = video
        self._video_held = 0
        self._clock = clock
        self._meter = meter
        self._held_most = held_most
        self._give_up_s = give_up_s
        self._framer: Framer[Sender] = Framer(now_s=clock.monotonic_s(), linger_s=linger_s)
        self._wake = asyncio.Event()
        self._waiting: deque[Callable[[], None]] = deque()
        self._appends: set[asyncio.Future[None]] = set()
        self._failure: BaseException | None = None
        self._uncounted: list[_Landed] = []

    @property
    def full(self) -> bool:
        """Is more held than the bound allows? Then sockets are not to be read."""
        return self._framer.held + self._video_held >= self._held_most

    @property
    def _held(self) -> int:
        return self._framer.held + self._video_held

    def when_room(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` once, as soon as less is held than the bound allows; first come, first served."""
        self._waiting.append(go_on)

    def add(self, sender: Sender, admit: Admit) -> None:
        """Take the rows of one message."""
        if self._framer.add(sender, admit, now_s=self._clock.monotonic_s()):
            self._wake.set()

    def add_video(self, sender: Sender, admit: AdmitVideo) -> None:
        """Append the record of one message at once: half a second of frames is large enough to travel alone."""
        self._video_held += len(admit.data)
        frame = Frame[Sender](
            partition=admit.partition,
            data=admit.data,
            rows=0,
            backfill=0,
            settles={sender: [admit.seq]},
            received_us=np.array([admit.received_us], dtype=np.int64),
            kind=admit.kind,
        )
        self._depart(frame, self._video)

    async def run(self) -> None:
        """Append what is due until cancelled; an append that fails for an unknown reason fails this too."""
        while self._failure is None:
            self._wake.clear()
            self._launch(flush=False)
            try:
                async with asyncio.timeout(self._framer.wait_s(now_s=self._clock.monotonic_s())):
                    await self._wake.wait()
            except TimeoutError:
                continue
        raise self._failure

    async def drain(self, *, deadline_s: float) -> bool:
        """Append everything that is held; return whether all of it is durable before the deadline."""
        self._launch(flush=True)
        if self._appends:
            await asyncio.wait(self._appends, timeout=deadline_s)
        left = list(self._appends)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._count()
        return not left and self._failure is None

    def _launch(self, *, flush: bool) -> None:
        for frame in self._framer.due(now_s=self._clock.monotonic_s(), flush=flush):
            self._depart(frame, self._appender)
        self._meter.gauge("inflight_bytes", self._held)
        self._count()

    def _depart(self, frame: Frame[Sender], appender: FrameAppender) -> None:
        append = asyncio.ensure_future(appender.append(frame.partition, frame.data))
        flight = _Flight(frame, self._clock.monotonic_s())
        flight.late = asyncio.get_running_loop().call_later(self._give_up_s, self._overdue, flight)
        self._appends.add(append)
        append.add_done_callback(partial(self._ended, flight))

    def _overdue(self, flight: _Flight) -> None:
        """Tell who waits for a frame not to wait any longer; its bytes stay counted until the log has answered."""
        frame, flight.late = flight.frame, None
        _LOG.warning("append_given_up", partition=frame.partition, rows=frame.rows, after_s=self._give_up_s)
        self._give_up(frame, "the log does not answer")

    def _ended(self, flight: _Flight, append: asyncio.Future[None]) -> None:
        """See a frame off; what fails for an unknown reason fails `run`."""
        self._appends.discard(append)
        try:
            self._landed(flight, append)
        except BaseException as error:  # noqa: BLE001 - a callback has nobody else to tell
            self._failure = self._failure or error
        self._wake.set()

    def _landed(self, flight: _Flight, append: asyncio.Future[None]) -> None:
        frame, late = flight.frame, flight.late
        if late is not None:
            late.cancel()
        try:
            if append.cancelled():
                self._give_up(frame, "the log has not answered")
                return
            append.result()
            if late is not None:
                self._settle(flight)
        except ContractError as error:
            _LOG.error("append_refused", partition=frame.partition, rows=frame.rows, error=str(error))
            self._give_up(frame, "the log does not take these readings")
        finally:
            if frame.kind == READINGS:
                self._framer.landed(frame)
            else:
                self._video_held -= len(frame.data)
            while self._waiting and not self.full:
                self._waiting.popleft()()

    def _settle(self, flight: _Flight) -> None:
        """Tell everybody who waits for a frame that it is durable."""
        frame = flight.frame
        took_s = self._clock.monotonic_s() - flight.started_s
        for sender, seqs in frame.settles.items():
            sender.durable(seqs)
        waited_us = self._clock.wall_us() - frame.received_us
        self._uncounted.append(_Landed(frame.kind, frame.rows, frame.backfill, took_s, waited_us))

    def _count(self) -> None:
        """Tell the meter what has become durable since the last time: frames come back together, as they left."""
        if not self._uncounted:
            return
        landed, self._uncounted = self._uncounted, []
        self._meter.observe("append", np.array([one.took_s for one in landed]))
        readings = [one for one in landed if one.kind == READINGS]
        for one in landed:
            if one.kind != READINGS:
                self._meter.count("messages_total", type=one.kind)
        if not readings:
            return
        self._meter.count("frames_total", len(readings))
        waited_us = np.concatenate([one.waited_us for one in readings])
        if len(waited_us):
            self._meter.count("readings_total", sum(one.rows for one in readings))
            self._meter.count("backfill_total", sum(one.backfill for one in readings))
            self._meter.count("messages_total", len(waited_us), type=READINGS)
            self._meter.observe("ack", waited_us / 1e6)

    @staticmethod
    def _give_up(frame: Frame[Sender], reason: str) -> None:
        for sender in frame.settles:
            sender.given_up(reason)
