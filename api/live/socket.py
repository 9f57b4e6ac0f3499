"""The WebSocket at /live: lets a caller in, reads requests, and sends what the hub queues."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.attempts import Bucket
from api.callers import COOKIE, Ports, bearer, note, own_origin, ports_of
from api.errors import RefusedError, describe
from api.live.attach import Sources, attach
from api.live.frames import FRAMES, text_frames
from api.live.hub import MOST_SUBSCRIPTIONS, Client, Subscription
from api.live.outbox import Outbox, Outgoing
from api.records import Caller
from schemas.errors import ForbiddenError, PulseraError, UnauthenticatedError
from schemas.live_protocol import (
    CLOSE_BAD_MESSAGE,
    SUBPROTOCOL,
    TOKEN_SUBPROTOCOL_PREFIX,
    Request,
    Subscribe,
)

MOST_MESSAGE_BYTES: Final = 65_536
"""What a client may send in one message; the server closes with 1009 (RFC 6455, 7.4.1) before it is read whole. Not
4413: that one asks the client to come back with `since`."""

REQUESTS_AT_ONCE: Final = 2 * MOST_SUBSCRIPTIONS
EACH_REQUEST_S: Final = 0.1
"""After these, one request each so many seconds: each costs a query and a line of the audit. The socket is not read
meanwhile, so that the client waits and nothing is refused."""

_WRITE_BYTES: Final = 65_536
_CROWDED_STEP_S: Final = 0.05
_SEND_PATIENCE_S: Final = 30.0
_WRITES_A_SECOND: Final = 2_000
"""So often is written to all sockets together: 100 clients get what came in 50 ms at once, one gets it as it comes."""
_PAUSE_MOST_S: Final = 0.25
_DECODER: Final = msgspec.json.Decoder(Request)


class Bell:
    """Wakes a socket's writer: at once for what must arrive, for readings so seldom that many sockets stay cheap."""

    def __init__(self, clients: Collection[Client]) -> None:
        self._clients = clients
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._rested_s = 0.0

    def ring(self, urgent: bool) -> None:  # noqa: FBT001 - the outbox's callback
        """Wake the writer, or have it woken when its pause is over."""
        if self._awake.is_set():
            return
        if urgent or self._loop.time() >= self._rested_s:
            self._awake.set()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._rested_s, self._over)

    async def wait(self) -> None:
        """Return when there is something to write."""
        await self._awake.wait()
        self._awake.clear()

    def rest(self) -> None:
        """Begin a pause: what comes until it is over goes in one write."""
        self._rested_s = self._loop.time() + min(_PAUSE_MOST_S, len(self._clients) / _WRITES_A_SECOND)

    def stop(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _over(self) -> None:
        self._timer = None
        self._awake.set()


class _Named(msgspec.Struct, frozen=True):
    """What can be told of a request that is not understood."""

    type: str = ""
    id: int | None = None


class _EndedError(PulseraError):
    """The socket is closed; its tasks end with it."""


@dataclass(slots=True, kw_only=True)
class _Session:
    """One socket and what its tasks share."""

    socket: WebSocket
    ports: Ports
    client: Client
    tasks: asyncio.TaskGroup
    bell: Bell
    requests: Bucket


async def serve_live(socket: WebSocket) -> None:
    """Serve one live socket from its handshake to its end; who may not come in gets an HTTP answer."""
    ports = ports_of(socket)
    try:
        caller = await _caller(socket, ports)
        bell = Bell(ports.hub.clients)
        client = Client(caller=caller, outbox=Outbox(bell.ring), again=lambda _: None)
        ports.hub.join(client)
    except PulseraError as error:
        await socket.send_denial_response(describe(error))
        return
    try:
        await socket.accept(subprotocol=SUBPROTOCOL)
        note(ports, caller, "live socket", None)
        async with asyncio.TaskGroup() as tasks:
            requests = Bucket(REQUESTS_AT_ONCE, EACH_REQUEST_S, now_s=_loop_s())
            session = _Session(socket=socket, ports=ports, client=client, tasks=tasks, bell=bell, requests=requests)
            client.again = lambda subscription: _attach(session, subscription, reset=True)
            tasks.create_task(_read(session))
            tasks.create_task(_write(session))
    except* (WebSocketDisconnect, _EndedError):
        pass  # how every live socket ends: theirs, or ours after the close frame
    finally:
        bell.stop()
        ports.hub.leave(client)


async def _caller(socket: WebSocket, ports: Ports) -> Caller:
    """Return who opens the socket.

    Raises:
        ForbiddenError: A page of another origin opens it.
        RefusedError: The subprotocol is not offered.
        UnauthenticatedError: There is no valid token.
        DatabaseAwayError: The token is not known and cannot be looked up.
    """
    if "origin" in socket.headers and not own_origin(socket, ports.allowed_origins):
        raise ForbiddenError("A page of another origin may not open this socket.")
    offered = socket.scope.get("subprotocols", [])
    if SUBPROTOCOL not in offered:
        raise RefusedError(400, "bad_subprotocol", f"Offer the subprotocol {SUBPROTOCOL}.")
    prefix = TOKEN_SUBPROTOCOL_PREFIX
    named = next((one.removeprefix(prefix) for one in offered if one.startswith(prefix)), None)
    token = bearer(socket) or named
    if token is not None:
        return await ports.access.identify(token)
    cookie = socket.cookies.get(COOKIE)
    if cookie is None:
        raise UnauthenticatedError("Send a token: a Bearer header, the subprotocol pulsera.token.TOKEN, or sign in.")
    return replace(await ports.access.identify(cookie), by_cookie=True)


async def _read(session: _Session) -> None:
    while True:
        # A client that does not read what it asked for may not ask for more.
        while session.client.outbox.crowded and session.client.outbox.closing is None:
            await session.ports.sleep(_CROWDED_STEP_S)
        message = await session.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            session.client.outbox.close(CLOSE_BAD_MESSAGE, "messages are JSON text")
            continue
        if wait_s := session.requests.wait_s(now_s=_loop_s()):
            await session.ports.sleep(wait_s)
        session.requests.take()
        _handle(session, text)


def _loop_s() -> float:
    return asyncio.get_running_loop().time()


def _handle(session: _Session, text: str) -> None:
    try:
        request = _DECODER.decode(text)
    except msgspec.ValidationError as error:
        session.client.refuse(*_misunderstood(text, error))
        return
    except (msgspec.DecodeError, RecursionError):
        session.client.outbox.close(CLOSE_BAD_MESSAGE, "not JSON")
        return
    if not isinstance(request, Subscribe):
        session.ports.hub.close(session.client, request.id)
        return
    try:
        subscription = session.ports.hub.open(session.client, request)
    except RefusedError as refusal:
        session.client.refuse(request.id, refusal)
        return
    subject = subscription.asked.key if subscription.asked is not None else None
    note(session.ports, session.client.caller, f"live {request.topic}", subject)
    _attach(session, subscription, reset=False)


def _misunderstood(text: str, error: msgspec.ValidationError) -> tuple[int | None, RefusedError]:
    try:
        named = msgspec.json.decode(text, type=_Named)
    except (msgspec.MsgspecError, RecursionError):
        return None, RefusedError(422, "bad_message", f"The message is not as it must be: {error}")
    if named.type not in {"subscribe", "unsubscribe"}:
        return named.id, RefusedError(422, "not_supported", f"There is no message of the type {named.type!r}.")
    return named.id, RefusedError(422, "bad_message", f"The message is not as it must be: {error}")


def _attach(session: _Session, subscription: Subscription, *, reset: bool) -> None:
    ports = session.ports
    sources = Sources(
        hub=ports.hub,
        reads=ports.reads,
        zones=ports.zones,
        log=ports.log,
        decoding=ports.decoding,
        sleep=ports.sleep,
    )
    session.tasks.create_task(attach(sources, subscription, reset=reset))


async def _write(session: _Session) -> None:
    outbox = session.client.outbox
    while outbox.closing is None:
        await session.bell.wait()
        while taken := outbox.take(_WRITE_BYTES):
            await _send(session, taken)
        session.bell.rest()
    async with _patience():
        await session.socket.close(*outbox.closing)
    raise _EndedError("closed by the server")


async def _send(session: _Session, messages: Sequence[Outgoing]) -> None:
    """Hand messages to the socket in one write, and count them.

    Raises:
        _EndedError: The client has read nothing for long.
    """
    handed = False
    try:
        async with _patience():
            await session.socket.send(
                {"type": "websocket.send", FRAMES: text_frames([one.message for one in messages])}
            )
            handed = True
    finally:
        if not handed:
            session.client.outbox.dropped += sum(one.update for one in messages)
    session.ports.hub.delivery.sent(messages, now_ms=session.ports.clock().timestamp() * 1000)


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Wait so long for a client to read, and no longer.

    Raises:
        _EndedError: It has read nothing.
    """
    try:
        async with asyncio.timeout(_SEND_PATIENCE_S):
            yield
    except TimeoutError as error:
        raise _EndedError("The client reads nothing.") from error
