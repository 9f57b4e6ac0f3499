"""How a test ends a raw connection of its own."""

import asyncio
import contextlib


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection and wait until it is: a transport that is left behind fails whichever test runs next."""
    writer.close()
    with contextlib.suppress(OSError):  # reset by the other side, which closes it too
        await writer.wait_closed()
