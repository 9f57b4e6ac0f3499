"""The clocks of this computer, for whoever has one injected."""

import time


class SystemClock:
    """What time it is, and how long something took."""

    def wall_us(self) -> int:
        """Return microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    monotonic_s = staticmethod(time.monotonic)
    """Returns seconds on a clock that never goes back."""
