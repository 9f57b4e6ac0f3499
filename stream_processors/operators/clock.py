"""The only clock of the operators: append times of the log, and the time that we observed."""

from typing import Final

STEP_CAP_MS: Final = 2_000
"""More than this between two records is an outage of ours, not silence of theirs."""


class LogClock:
    """The largest append time so far, and observed time: the sum of its steps, each at most 2 s.

    Attributes:
        now_ms: Largest append time (ms since 1970), 0 before the first record.
        observed_ms: Observed time since the first record.
    """

    def __init__(self, *, now_ms: int = 0, observed_ms: int = 0) -> None:
        self.now_ms = now_ms
        self.observed_ms = observed_ms

    def move(self, append_ms: int) -> None:
        """Take over a record's append time; an earlier one changes nothing."""
        if append_ms <= self.now_ms:
            return
        if self.now_ms:
            self.observed_ms += min(append_ms - self.now_ms, STEP_CAP_MS)
        self.now_ms = append_ms
