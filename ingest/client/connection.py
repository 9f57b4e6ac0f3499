"""The asyncio shell of the device half: keeps one connection up and moves messages between it and the protocol."""

import asyncio
import random as random_module
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Literal, Self
from uuid import UUID, uuid4

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from ingest.client.chunks import Chunk
from ingest.client.messages import Event, Reading, Refused, pack
from ingest.client.places import Place
from ingest.client.protocol import CAPACITY_BYTES, DeviceProtocol, Identity, Packed, Random, Reconnect, Stop
from schemas.device_protocol import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, Error, Origin, Welcome
from schemas.errors import ContractError, DeviceStoppedError

_OPEN_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 5.0
_WELCOME_TIMEOUT_S: Final = 15.0
_PING_EVERY_S: Final = 20.0
_PONG_WITHIN_S: Final = 60.0
"""A gateway whose log is slow stops reading, pings included: more patience than a ping's way would need."""
_PROTOCOL_ERROR: Final = 1002  # RFC 6455, section 7.4.1

_PICTURES: Final = b"\0"
"""So begins a message with pictures, in both encodings."""

_log = structlog.get_logger(__name__)


def wall_clock_ms() -> int:
    """Return this computer's time as Unix milliseconds."""
    return time.time_ns() // 1_000_000


def report(event: Event) -> None:
    """Log what the gateway refused, without the values; the default for `on_event`."""
    if isinstance(event, Refused):
        part = event.rejected
        _log.warning("reading_refused", seq=event.seq, index=part.index, field=part.field, code=part.code)
    elif isinstance(event, Error):
        _log.warning("message_refused", seq=event.seq, code=event.code)


class DeviceClient:
    """A device's connection to a gateway, as an async context manager.

    Readings given to `send` are kept, bounded, until the gateway has acknowledged them, and sent again on each new
    connection. `send` waits while the buffer is full. Leaving the context ends the connection at once: await
    `drained` before, when everything must have arrived.
    """

    def __init__(  # noqa: PLR0913 - what differs between devices, each by name
        self,
        url: str,
        token: str,
        *,
        model: str,
        firmware: str = "",
        origin: Origin = "live",
        capacity_bytes: int = CAPACITY_BYTES,
        on_event: Callable[[Event], None] = report,
        clock_ms: Callable[[], int] = wall_clock_ms,
        random: Random | None = None,
        boot: UUID | None = None,
        encoding: Literal["json", "msgpack"] = "json",
    ) -> None:
        """Prepare a client; with `encoding` msgpack the same messages travel in binary."""
        self._packed = encoding == "msgpack"
        self._url = url
        self._token = token
        self._on_event = on_event
        self._clock_ms = clock_ms
        identity = Identity(boot=boot or uuid4(), model=model, firmware=firmware, origin=origin)
        # Jitter, not a secret.
        source: Random = random or random_module.Random()  # noqa: S311
        self._protocol = DeviceProtocol(identity, random=source, capacity_bytes=capacity_bytes)
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._running = False
        self._stopped: str | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def unacknowledged(self) -> int:
        """Number of readings that the gateway has not acknowledged yet."""
        return self._protocol.readings

    async def __aenter__(self) -> Self:
        self._running = True
        self._task = asyncio.create_task(self._run(), name="device-client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.result()

    async def send(self, readings: Sequence[Reading]) -> None:
        """Take readings for sending; waits while the buffer is full.

        Raises:
            DeviceStoppedError: The gateway will not take this device any more.
            ContractError: One reading is too big for a message.
        """
        for packed in pack(readings):
            await self._enqueue(packed)

    async def stream(self, chunk: Chunk) -> None:
        """Take what a camera saw for sending; waits while the buffer is full.

        Raises:
            DeviceStoppedError: The gateway will not take this device any more.
        """
        await self._enqueue(chunk)

    async def locate(self, latitude: float | None, longitude: float | None) -> None:
        """Tell where the device is now, in degrees, or with None and None that it does not tell any more.

        It counts for what follows, for 30 min, and is told again on each new connection; call this as often as the
        device moves, and before 30 min have passed. The gateway keeps an area of about 0.7 km2, no coordinates.

        Raises:
            DeviceStoppedError: The gateway will not take this device any more.
        """
        await self._enqueue(Place(self._clock_ms(), latitude, longitude))

    async def drained(self) -> None:
        """Wait until the gateway has acknowledged everything that was given to `send`.

        Raises:
            DeviceStoppedError: The gateway will not take this device any more.
        """
        async with self._progress:
            await self._progress.wait_for(lambda: not self._running or not self._protocol.messages)
        if self._protocol.messages:
            self._raise_if_over()

    async def _enqueue(self, packed: Packed) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: not self._running or self._protocol.has_room(packed))
        self._raise_if_over()
        self._protocol.enqueue(packed)
        self._work.set()

    def _raise_if_over(self) -> None:
        if not self._running:
            raise DeviceStoppedError(self._stopped or "The device client is not running: use it with `async with`.")

    async def _run(self) -> None:
        try:
            while True:
                outcome = await self._connection()
                if isinstance(outcome, Stop):
                    _log.info("device_stopped", reason=outcome.reason)
                    self._stopped = outcome.reason
                    return
                _log.info("device_reconnects", reason=outcome.reason, delay_s=round(outcome.delay_s, 2))
                await asyncio.sleep(outcome.delay_s)
        finally:
            self._running = False
            await self._tell_waiting()

    async def _connection(self) -> Reconnect | Stop:
        try:
            async with connect(
                self._url,
                subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK if self._packed else SUBPROTOCOL_JSON)],
                additional_headers={"Authorization": f"Bearer {self._token}"},
                compression=None,
                open_timeout=_OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=_PING_EVERY_S,
                ping_timeout=_PONG_WITHIN_S,
            ) as socket:
                return await self._conversation(socket)
        except InvalidStatus as error:
            return self._protocol.not_accepted(error.response.status_code)
        except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
            return self._protocol.disconnected(None, str(error))

    async def _conversation(self, socket: ClientConnection) -> Reconnect | Stop:
        feeder: asyncio.Task[None] | None = None
        try:
            await self._say(socket, self._protocol.hello(self._clock_ms()))
            feeder = asyncio.create_task(self._feed(socket), name="device-client-feeder")
            async with asyncio.timeout(_WELCOME_TIMEOUT_S):
                await self._take(await socket.recv())
            while True:
                await self._take(await socket.recv())
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                return self._protocol.disconnected(None)
            return self._protocol.disconnected(int(closed.rcvd.code), closed.rcvd.reason)
        except asyncio.CancelledError:
            await socket.close()  # the context manager of the socket would close it as an internal error
            raise
        except ContractError as error:
            await socket.close(_PROTOCOL_ERROR)
            return self._protocol.disconnected(None, str(error))
        finally:
            if feeder is not None:
                feeder.cancel()
                await asyncio.wait({feeder})

    async def _say(self, socket: ClientConnection, message: bytes) -> None:
        """Send a message of the protocol, which is kept as JSON, in the encoding of this connection."""
        if message.startswith(_PICTURES):
            await socket.send(message)
        elif self._packed:
            await socket.send(msgspec.msgpack.encode(msgspec.json.decode(message)))
        else:
            await socket.send(message, text=True)

    async def _take(self, data: str | bytes) -> None:
        if self._packed and isinstance(data, bytes):
            try:
                data = msgspec.json.encode(msgspec.msgpack.decode(data))
            except msgspec.MsgspecError as error:
                raise ContractError("The gateway's answer is not msgpack.") from error
        for event in self._protocol.receive(data, asyncio.get_running_loop().time()):
            if isinstance(event, Welcome):
                _log.debug("device_connected", session=str(event.session))
            self._on_event(event)
        self._work.set()
        await self._tell_waiting()

    async def _feed(self, socket: ClientConnection) -> None:
        """Send what is due whenever something has changed; ends with the connection, which `recv` reports."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._work.clear()
                for message in self._protocol.due(loop.time()):
                    await self._say(socket, message)
                held_s = self._protocol.held_s(loop.time())
                if held_s:
                    await asyncio.sleep(held_s)
                else:
                    await self._work.wait()
        except ConnectionClosed:
            return

    async def _tell_waiting(self) -> None:
        async with self._progress:
            self._progress.notify_all()
