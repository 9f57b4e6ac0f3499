"""Restarts the embedded Kafka when the coordinator of one of our groups has failed inside it: nothing else mends that.

Only for the broker that `pulsera up` owns; whose cluster it is decides about its brokers (docs/operations.md).
"""

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from infra.kafka.coordinator import absence_sentence, absences, is_absent

_AGAIN_AFTER_S: Final = 300.0
"""A restart that did not help is not repeated at once: each costs some seconds of every family, not of one."""


class Mending:
    """Decides when a restart is due: a coordinator is absent, and the last restart is five minutes old."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    def due(self, seconds: Mapping[str, float], now_s: float) -> str | None:
        """Return the group that is the reason, None where nothing is to be done; a reason given counts as acted on."""
        absent = [group for group, missing_s in seconds.items() if is_absent(missing_s)]
        if not absent or now_s - self._last_s < _AGAIN_AFTER_S:
            return None
        self._last_s = now_s
        return absent[0]


async def keep_coordinators(
    bootstrap: str, groups: Sequence[str], *, restart: Callable[[], Awaitable[None]], say: Callable[[str], None]
) -> None:
    """Watch the coordinators of the groups until cancelled, and `restart` their broker when one is absent."""
    mending = Mending()
    async with aclosing(absences(bootstrap, groups)) as seen:
        async for seconds in seen:
            group = mending.due(seconds, time.monotonic())
            if group is not None:
                say(
                    f"kafka: error: {absence_sentence(group)} It has not for {seconds[group]:.0f} s, while the broker "
                    "answers. Kafka is restarted; nothing is lost."
                )
                await restart()
