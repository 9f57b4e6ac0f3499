"""The device port: sockets around sessions, one connection a device."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from uuid import UUID

import structlog
import uuid6
from websockets.http11 import Request, Response

from ingest.admission import Limits, Rate
from ingest.encoding import JSON, Encoding
from ingest.handshake import (
    HEALTH_PATH,
    STREAM_PATH,
    agreed,
    error_response,
    identify,
    json_response,
    read_request,
    upgrade,
)
from ingest.link import Link
from ingest.ports import Clock, Device, DeviceDirectory, FrameAppender, Meter
from ingest.pump import Pump
from ingest.session import DeviceSession
from ingest.socket import FAREWELL_S, HANDSHAKE_S, DeviceSocket
from schemas.device_protocol import CLOSE_DRAINING, CLOSE_REPLACED, CLOSE_REVOKED
from schemas.errors import SetupError
from schemas.instructions import InstructionRecord

_LOG: Final = structlog.get_logger(__name__)
_MARGIN_BYTES: Final = 1_024
_BACKLOG: Final = 4_096
_TICK_S: Final = 0.25
_PING_TICKS: Final = 80
"""Ticks from one ping of a socket to the next: 20 s."""
_CHECK_TICKS: Final = 8
"""Ticks from one look at a token to the next: 2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How a gateway serves.

    Attributes:
        linger_s: How long a frame collects readings.
        held_most: Bytes that may wait to become durable before sockets are no longer read.
        give_up_s: An append that takes longer closes its sockets.
        drain_s: How long a stopping gateway waits for appends.
        tls: What the port speaks TLS with, None where it does not.
        connections_most: Further connections are turned away, so that files are left for the log and the database.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    linger_s: float = 0.04
    held_most: int = 64 * 1024 * 1024
    give_up_s: float = 120.0
    drain_s: float = 20.0
    connections_most: int = 65_536
    tls: ssl.SSLContext | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class _Known:
    """What outlives a device's connection: its allowance, and how far it was acknowledged."""

    rate: Rate
    resume: tuple[UUID, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """One open connection."""

    socket: DeviceSocket
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
        video: FrameAppender,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._clock = clock
        self._meter = meter
        self._pump = Pump(
            appender,
            video,
            clock=clock,
            meter=meter,
            linger_s=settings.linger_s,
            held_most=settings.held_most,
            give_up_s=settings.give_up_s,
        )
        self._rings: list[dict[DeviceSocket, _Open | None]] = [{} for _ in range(_PING_TICKS)]
        self._arrivals = 0
        self._connections = 0
        self._nobody = asyncio.Event()
        self._open: dict[int, _Open] = {}
        self._known: dict[int, _Known] = {}
        self._deciding: set[asyncio.Task[None]] = set()

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

    def instruct(self, record: InstructionRecord) -> None:
        """Hand an instruction to the device that it is for, if it is connected here, and to nobody else."""
        one = self._open.get(record.device_number)
        told = one is not None and one.device.wearer == record.wearer and one.link.instruct(record.instruction)
        self._meter.count("instructions_total" if told else "instructions_dropped_total")

    async def _serve(self) -> asyncio.Server:
        settings = self._settings
        most = settings.limits.message_bytes + _MARGIN_BYTES
        binary_most = settings.limits.video_bytes + _MARGIN_BYTES
        try:
            return await asyncio.get_running_loop().create_server(
                lambda: DeviceSocket(self, message_most=most, binary_most=binary_most),
                settings.host,
                settings.port,
                backlog=_BACKLOG,
                ssl=settings.tls,
                ssl_handshake_timeout=None if settings.tls is None else HANDSHAKE_S,
            )
        except OSError as error:
            raise SetupError(
                f"The device port {settings.port} on {settings.host} cannot be opened: {error.strerror}.",
                next_step="Stop what uses it, or set PULSERA_GATEWAY_PORT to a free one.",
            ) from error

    def arrived(self, socket: DeviceSocket) -> bytes | None:
        """Take a new connection in, or say that there are too many."""
        self._connections += 1
        self._arrivals += 1
        socket.ring = self._arrivals % _PING_TICKS
        self._rings[socket.ring][socket] = None
        if self._connections <= self._settings.connections_most:
            return None
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return error_response(status, "full", "This gateway holds all the connections that it can.").serialize()

    def asked(self, socket: DeviceSocket, head: bytes) -> None:
        """Answer an HTTP request: the health of this gateway, or a device socket."""
        request = read_request(head)
        if isinstance(request, Response):
            socket.answer(request.serialize())
            return
        path = request.path.partition("?")[0]
        if path == HEALTH_PATH:
            socket.answer(json_response(HTTPStatus.OK, {"status": "ok", "sessions": len(self._open)}).serialize())
        elif path != STREAM_PATH:
            message = f"Devices connect to {STREAM_PATH}."
            socket.answer(error_response(HTTPStatus.NOT_FOUND, "not_found", message).serialize())
        else:
            task = asyncio.create_task(self._decide(socket, request))
            self._deciding.add(task)
            task.add_done_callback(self._deciding.discard)

    def gone(self, socket: DeviceSocket) -> None:
        """Forget a connection, and remember how far its device was acknowledged."""
        self._connections -= 1
        mine = self._rings[socket.ring].pop(socket)
        if mine is not None and self._open.get(mine.device.number) is mine:
            del self._open[mine.device.number]
            self._remember(mine)
        if self._connections == 0:
            self._nobody.set()

    async def _decide(self, socket: DeviceSocket, request: Request) -> None:
        """Open a device socket for whoever may have one."""
        who = await identify(request, self._directory)
        response = who if isinstance(who, Response) else upgrade(request)
        if isinstance(who, Response) or response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            socket.answer(response.serialize())
        else:
            self._admit(socket, response.serialize(), *who, encoding=agreed(request) or JSON)

    def _admit(
        self, socket: DeviceSocket, response: bytes, digest: bytes, device: Device, *, encoding: Encoding
    ) -> None:
        """Open a session on a socket, in the place of an older one of this device."""
        older = self._open.get(device.number)
        if older is not None:
            self._remember(older)
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
            encoding=encoding,
        )
        link = Link(socket, session, encoding=encoding, pump=self._pump, meter=self._meter)
        mine = _Open(socket=socket, link=link, digest=digest, device=device)
        if socket not in self._rings[socket.ring]:
            return
        self._rings[socket.ring][socket] = self._open[device.number] = mine
        if older is not None:
            older.link.shut(CLOSE_REPLACED, "replaced by a newer connection of this device")
        if socket.answer(response, link):
            link.expect_hello(self._settings.limits.hello_s)

    def _remember(self, one: _Open) -> None:
        session = one.link.session
        if session.boot is not None:
            self._known[one.device.number].resume = (session.boot, session.acked)

    async def _housekeeping(self) -> None:
        """Ping, close the sockets of tokens that were revoked, and report: a few sockets a tick."""
        tick = 0
        while True:
            await asyncio.sleep(_TICK_S)
            tick = (tick + 1) % _PING_TICKS
            self._look_after(tick)
            self._meter.gauge("sessions", len(self._open))

    def _look_after(self, tick: int) -> None:
        for socket in list(self._rings[tick]):
            socket.ping()
        for ring in self._rings[tick % _CHECK_TICKS :: _CHECK_TICKS]:
            for one in list(ring.values()):
                if one is not None and not self._directory.holds(one.digest, one.device):
                    one.link.shut(CLOSE_REVOKED, "token revoked")

    async def _drain(self, server: asyncio.Server) -> None:
        """Stop accepting and reading, append and acknowledge what was admitted, say 4503, and go."""
        server.close()
        for task in list(self._deciding):
            task.cancel()
        entries = list(self._open.values())
        for entry in entries:
            entry.link.halt()
        _LOG.info("gateway_draining", sessions=len(entries))
        complete = await self._pump.drain(deadline_s=self._settings.drain_s)
        for ring in self._rings:
            for socket, one in list(ring.items()):
                (socket if one is None else one.link).shut(CLOSE_DRAINING, "draining: reconnect with jitter")
        if self._connections:
            self._nobody.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S + 1):
                    await self._nobody.wait()
        _LOG.info("gateway_drained", complete=complete)
