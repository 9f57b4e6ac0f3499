"""uvicorn's HTTP protocol, and more: who finishes no head of a request in time, or reads no answer, is cut off."""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_S: Final = 10.0
HEAD_MOST_BYTES: Final = 16_384
"""What is kept of a head that is not whole yet; `api.hardening` counts one that came whole."""


READ_WITHIN_S: Final = 60.0
"""An answer that is more than the computer's own buffers hold may wait so long without a byte of it being read."""


class PatientProtocol(H11Protocol):
    """Waits so long for the head of a request, from the connection's first moment or from the head's first byte."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Go on: something was read."""
        self._was_read()
        super().resume_writing()

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; while they are no whole head, the time runs on."""
        if self._late is None:
            self._wait()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        self._was_read()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._late = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _was_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _wait_for_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(READ_WITHIN_S, self._look_at_reader, waiting)

    def _look_at_reader(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() < waited:
            self._wait_for_reader()  # slow is no fault
        else:
            self.transport.abort()
