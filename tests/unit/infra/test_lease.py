"""How long a lease is believed to be held, by a clock that a suspended computer does not stop."""

import sys
import time
from unittest.mock import Mock

import asyncpg
import pytest

from infra.timescale.lease import HELD_MOST_S, TimescaleLease, since_boot_s


async def test_seconds_that_the_computer_slept_count() -> None:
    """The loop's clock has stood still meanwhile: what counts is the clock that went on."""
    told_s = [100.0]
    open_one = Mock(spec=asyncpg.Connection)
    open_one.is_closed.return_value = False
    lease = TimescaleLease(open_one, asked_s=100.0, now_s=lambda: told_s[0])
    assert lease.held
    told_s[0] += HELD_MOST_S - 0.1
    assert lease.held
    told_s[0] += 0.1
    assert not lease.held


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names such a clock")
def test_the_clock_is_that_of_the_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for by name: the monotonic one leaves out what was slept."""
    monkeypatch.setattr(time, "clock_gettime", {time.CLOCK_BOOTTIME: 42.0}.__getitem__)
    assert since_boot_s() == 42.0
