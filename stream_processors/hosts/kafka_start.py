"""Starts a client of Kafka so that one that is cancelled meanwhile leaves no connection open."""

import asyncio
from typing import Any, Final

_ANSWER_MOST_S: Final = 1.0


async def started(client: Any) -> None:
    """Return when a consumer or producer of aiokafka has started; raises what its start raises, and then it is stopped.

    Whoever is cancelled waits up to a second more for the start: aiokafka forgets a connection, without closing it,
    whose first request for metadata is cancelled (0.14), and no stop finds it again.
    """
    starting = asyncio.create_task(client.start(), name="start a client of Kafka")
    try:
        await asyncio.shield(starting)
    except BaseException:
        try:
            await asyncio.wait({starting}, timeout=_ANSWER_MOST_S)
        finally:  # also where who is cancelled is cancelled once more
            starting.cancel()
            try:
                await asyncio.gather(starting, return_exceptions=True)
            finally:
                await client.stop()
        raise
