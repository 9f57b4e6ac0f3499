"""Work of a command that SIGTERM ends like Ctrl-C: connections closed, processes ended, folders removed."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

_TERMINATED: Final = 128 + signal.SIGTERM


def run_until_terminated(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the work and return its result; SIGTERM cancels it, and the process then ends with the code for that."""
    terminated = False

    async def main() -> Result:
        task = asyncio.ensure_future(work)

        def terminate() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await task

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        if not terminated:
            raise
        sys.exit(_TERMINATED)
