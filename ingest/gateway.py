"""The device port: a websockets server around sessions, one connection a device."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from uuid import UUID

import structlog
import uuid6
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ingest.admission import Limits, Rate
from ingest.handshake import HEALTH_PATH, STREAM_PATH, error_response, identify, json_response
from ingest.link import DeviceSocket, Link
from ingest.ports import Clock, Device, DeviceDirectory, FrameAppender, Meter
from ingest.pump import Pump
from ingest.session import DeviceSession
from schemas.device_protocol import CLOSE_DRAINING, CLOSE_REPLACED, CLOSE_REVOKED, SUBPROTOCOL_JSON
from schemas.errors import SetupError

_LOG: Final = structlog.get_logger(__name__)
_MARGIN_BYTES: Final = 1_024
_PING_S: Final = 20.0
_PONG_S: Final = 180.0
"""Pongs are not read while a socket is not read: the patience is longer than an append may take."""
_HOUSEKEEPING_S: Final = 1.0
_FAREWELL_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How a gateway serves.

    Attributes:
        linger_s: How long a frame collects readings.
        held_most: Bytes that may wait to become durable before sockets are no longer read.
        give_up_s: An append that takes longer closes its sockets.
        drain_s: How long a stopping gateway waits for appends.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    linger_s: float = 0.04
    held_most: int = 64 * 1024 * 1024
    give_up_s: float = 120.0
    drain_s: float = 20.0
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class _Known:
    """What outlives a device's connection: its allowance, and how far it was acknowledged."""

    rate: Rate
    resume: tuple[UUID, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """One open connection."""

    link: Link
    digest: bytes
    device: Device


class Gateway:
    """Serves the device port until it is told to stop, then drains."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        directory: DeviceDirectory,
        appender: FrameAppender,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._clock = clock
        self._meter = meter
        self._pump = Pump(
            appender,
            clock=clock,
            meter=meter,
            linger_s=settings.linger_s,
            held_most=settings.held_most,
            give_up_s=settings.give_up_s,
        )
        self._open: dict[int, _Open] = {}
        self._known: dict[int, _Known] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, *, ready: Callable[[int], None]) -> None:
        """Serve until `stop` is set; `ready` is told the port. Returns when everything admitted was seen off.

        Raises:
            SetupError: The port is in use.
        """
        server = await self._serve()
        async with asyncio.TaskGroup() as group:
            chores = [group.create_task(self._pump.run()), group.create_task(self._housekeeping())]
            try:
                ready(server.sockets[0].getsockname()[1])
                await stop.wait()
            finally:
                await self._drain(server)
                for chore in chores:
                    chore.cancel()

    async def _serve(self) -> Server:
        settings = self._settings
        try:
            return await serve(
                self._handle,
                settings.host,
                settings.port,
                create_connection=DeviceSocket,
                process_request=self._process_request,
                select_subprotocol=_select_subprotocol,
                compression=None,
                server_header=None,
                max_size=settings.limits.message_bytes + _MARGIN_BYTES,
                ping_interval=_PING_S,
                ping_timeout=_PONG_S,
                close_timeout=_FAREWELL_S,
                logger=_quiet_logger(),
            )
        except OSError as error:
            raise SetupError(
                f"The device port {settings.port} on {settings.host} cannot be opened: {error.strerror}.",
                next_step="Stop what uses it, or set PULSERA_GATEWAY_PORT to a free one.",
            ) from error

    async def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == HEALTH_PATH:
            return json_response(HTTPStatus.OK, {"status": "ok", "sessions": len(self._open)})
        if path != STREAM_PATH:
            return error_response(HTTPStatus.NOT_FOUND, "not_found", f"Devices connect to {STREAM_PATH}.")
        who = await identify(request, self._directory)
        if isinstance(who, Response):
            return who
        if isinstance(connection, DeviceSocket):
            connection.identity = who
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        """Serve one accepted device socket."""
        if not isinstance(connection, DeviceSocket) or connection.identity is None:
            return
        digest, device = connection.identity
        known = self._known.get(device.number)
        if known is None:
            known = self._known[device.number] = _Known(Rate(self._settings.limits, now_s=self._clock.monotonic_s()))
        session = DeviceSession(
            device,
            session_id=uuid6.uuid7(),
            limits=self._settings.limits,
            rate=known.rate,
            clock=self._clock,
            resume=known.resume,
        )
        link = Link(connection, session, pump=self._pump, meter=self._meter, closing=self._closing)
        mine = _Open(link=link, digest=digest, device=device)
        older = self._open.get(device.number)
        if older is not None:
            older.link.shut(CLOSE_REPLACED, "replaced by a newer connection of this device")
        self._open[device.number] = mine
        try:
            await link.run(hello_s=self._settings.limits.hello_s)
        finally:
            if self._open.get(device.number) is mine:
                del self._open[device.number]
            if session.boot is not None:
                known.resume = (session.boot, session.acked)

    async def _housekeeping(self) -> None:
        """Close the sockets of tokens that were revoked, and report."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            for entry in list(self._open.values()):
                if not self._directory.holds(entry.digest, entry.device):
                    entry.link.shut(CLOSE_REVOKED, "token revoked")
            self._meter.gauge("sessions", len(self._open))

    async def _drain(self, server: Server) -> None:
        """Stop accepting and reading, append and acknowledge what was admitted, say 4503, and go."""
        server.close(close_connections=False)
        entries = list(self._open.values())
        for entry in entries:
            entry.link.halt()
        _LOG.info("gateway_draining", sessions=len(entries))
        complete = await self._pump.drain(deadline_s=self._settings.drain_s)
        for entry in entries:
            entry.link.shut(CLOSE_DRAINING, "draining: reconnect with jitter")
        if self._closing:
            await asyncio.wait(list(self._closing), timeout=_FAREWELL_S + 1)
        _LOG.info("gateway_drained", complete=complete)


def _select_subprotocol(_: ServerConnection, offered: object) -> Subprotocol | None:
    """Return the subprotocol to speak: ours if it was offered, else none, which means the same."""
    return Subprotocol(SUBPROTOCOL_JSON) if SUBPROTOCOL_JSON in list(offered) else None  # type: ignore[call-overload]


def _quiet_logger() -> logging.Logger:
    """Return a logger without the library's lines on every open, close and port scan."""
    logger = logging.getLogger("pulsera.gateway.socket")
    logger.setLevel(logging.ERROR)
    logger.addFilter(lambda record: not record.getMessage().startswith("opening handshake failed"))
    return logger
