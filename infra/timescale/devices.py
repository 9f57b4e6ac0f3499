"""Every device's token in memory, so that devices connect while the database is away."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import asyncpg
import structlog

from infra.timescale.pool import database_errors
from ingest.ports import Clock, Device
from schemas.errors import ContractError, DatabaseAwayError

_LOG: Final = structlog.get_logger(__name__)
_POLL_S: Final = 1.0
_LOOKUP_TIMEOUT_S: Final = 3.0
_FIRST_LOAD_S: Final = 5.0
_ROWS_AT_A_TIME: Final = 1_000
"""Rows are taken over in portions, so that a large table does not hold the loop."""

LOOKUPS_PER_S: Final = 50.0
LOOKUPS_BURST: Final = 200.0
"""Tokens that are not in memory are looked up no faster: guesses must not become load on the database."""

_COLUMNS: Final = "token_sha256, device_id, device_number, wearer_id"


class DeviceTokens:
    """Holds the SHA-256 of every valid token; follows `access_version`, and looks a stranger up at once."""

    def __init__(self, open_pool: Callable[[], Awaitable[asyncpg.Pool]], *, clock: Clock) -> None:
        """Make an empty directory; `open_pool` may wait for the database for as long as it is away."""
        self._open_pool = open_pool
        self._pool: asyncpg.Pool | None = None
        self._clock = clock
        self._devices: dict[bytes, Device] = {}
        self._version: int | None = None
        self._looked_up: dict[bytes, Device] = {}
        self._lookups = LOOKUPS_BURST
        self._lookups_at_s = clock.monotonic_s()
        self._loaded = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Follow the tokens; waits a moment for them, no longer, so that a gateway starts without the database."""
        self._follower = asyncio.create_task(self._follow())
        try:
            async with asyncio.timeout(_FIRST_LOAD_S):
                await self._loaded.wait()
        except TimeoutError:
            _LOG.warning("serving_without_device_tokens", reason="the database is away")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following, and close the pool."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        if self._pool is not None:
            self._pool.terminate()

    async def find(self, token_sha256: bytes) -> Device | None:
        """Return the device of a token, None if there is none.

        Raises:
            DatabaseAwayError: Not in memory, and the database is away or asked too often.
        """
        device = self._devices.get(token_sha256)
        if device is not None:
            return device
        if self._pool is None:
            raise DatabaseAwayError("The device tokens are not loaded yet.")
        if not self._may_look_up():
            raise DatabaseAwayError("Too many unknown tokens at once.")
        query = f"SELECT {_COLUMNS} FROM devices WHERE token_sha256 = $1 AND revoked_at IS NULL"  # noqa: S608 - constants
        with database_errors():
            row = await self._pool.fetchrow(query, token_sha256, timeout=_LOOKUP_TIMEOUT_S)
        if row is None:
            return None
        device = self._devices[token_sha256] = self._looked_up[token_sha256] = _device(row)
        return device

    def holds(self, token_sha256: bytes, device: Device) -> bool:
        """Return whether this token still stands for this device and wearer."""
        return self._devices.get(token_sha256) == device

    async def _follow(self) -> None:
        pool = self._pool = await self._open_pool()
        while True:
            try:
                if await self._refresh(pool):
                    _LOG.info("device_tokens_loaded", devices=len(self._devices))
                self._loaded.set()
            except (DatabaseAwayError, ContractError) as error:
                _LOG.warning("device_tokens_not_refreshed", in_memory=len(self._devices), error=str(error))
            await asyncio.sleep(_POLL_S)

    async def _refresh(self, pool: asyncpg.Pool) -> bool:
        """Take over all tokens if the access version has moved; return whether they were.

        What was looked up alone may be older or newer than the rows read here: it is kept, and all is read again.
        """
        looked_up, self._looked_up = self._looked_up, {}
        with database_errors():
            async with (
                pool.acquire(timeout=_LOOKUP_TIMEOUT_S) as connection,
                # One snapshot: the version belongs to exactly these rows.
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                version = await connection.fetchval("SELECT version FROM access_version", timeout=_LOOKUP_TIMEOUT_S)
                if version == self._version and not looked_up:
                    return False
                devices: dict[bytes, Device] = {}
                query = f"SELECT {_COLUMNS} FROM devices WHERE revoked_at IS NULL"  # noqa: S608 - constants
                async for row in connection.cursor(query, prefetch=_ROWS_AT_A_TIME):
                    devices[bytes(row["token_sha256"])] = _device(row)
        self._devices, self._version = devices | self._looked_up, version
        return True

    def _may_look_up(self) -> bool:
        now_s = self._clock.monotonic_s()
        self._lookups = min(LOOKUPS_BURST, self._lookups + (now_s - self._lookups_at_s) * LOOKUPS_PER_S)
        self._lookups_at_s = now_s
        if self._lookups < 1:
            return False
        self._lookups -= 1
        return True


def _device(row: asyncpg.Record) -> Device:
    return Device(device_id=row["device_id"], number=row["device_number"], wearer=row["wearer_id"])
