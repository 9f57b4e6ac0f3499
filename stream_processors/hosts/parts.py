"""Finds which rows of a record cannot be used, so that their neighbours are not set aside with them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.errors import LogMismatchError, RegistryVersionError, StaleOwnerError
from stream_processors.ports import Record

_Rows = npt.NDArray[np.int64]

STOPS = (StaleOwnerError, LogMismatchError, RegistryVersionError)
"""Errors of which no record is guilty."""


class Cuttable(Protocol):
    """What a family offers for its records to be cut."""

    def rows(self, record: Record) -> int:
        """Return how many rows a record has, 0 where it is none that can be cut."""
        ...

    def pick(self, record: Record, rows: _Rows) -> Record:
        """Return the record with these rows alone."""
        ...


async def cut(
    family: Cuttable, record: Record, works: Callable[[Record], Awaitable[None]]
) -> tuple[Record, Record] | None:
    """Return the record with the rows that work, and with those that fail on their own; None where that is no help.

    `works` raises where what it is given cannot be used. Rows are found by halving: k of n cost about k log n tries.
    """
    count = family.rows(record)
    bad: list[int] = []
    nothing = np.empty(0, dtype=np.int64)
    if count > 1 and not await _is_usable(family.pick(record, nothing), works):
        return None  # no row is to blame: trying each of them would hold the partition up for nothing
    waiting = [np.arange(count, dtype=np.int64)] if count > 1 else []
    while waiting:
        rows = waiting.pop()
        await asyncio.sleep(0)
        if await _is_usable(family.pick(record, rows), works):
            continue
        if len(rows) == 1:
            bad.append(int(rows[0]))
        else:
            waiting += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
    good = np.setdiff1d(np.arange(count, dtype=np.int64), bad)
    if not bad or not len(good) or not await _is_usable(family.pick(record, good), works):
        return None
    return family.pick(record, good), family.pick(record, np.array(bad, dtype=np.int64))


async def _is_usable(part: Record, works: Callable[[Record], Awaitable[None]]) -> bool:
    try:
        await works(part)
    except STOPS:
        raise
    except Exception:  # noqa: BLE001 - the same kinds of failure for which the whole record was refused
        return False
    return True
