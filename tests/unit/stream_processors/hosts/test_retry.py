"""Tests of patience."""

import asyncio

import pytest

from schemas.errors import ContractError, DatabaseAwayError
from stream_processors.hosts.retry import Backoff, Patience
from tests.conformance.worlds import CountingMeter


def test_a_passing_error_is_tried_again_until_it_passes() -> None:
    """The third try's result is returned, two retries are counted, and nothing is waited for any more."""
    meter, tries = CountingMeter(), []
    patience = Patience(meter, Backoff(first_s=0.0, most_s=0.0))

    async def call() -> str:
        tries.append(dict(patience.waiting))
        if len(tries) < 3:
            raise DatabaseAwayError("away")
        return "done"

    assert asyncio.run(patience.insist("write", call)) == "done"
    assert tries == [{}, {"write": "away"}, {"write": "away"}]
    assert patience.waiting == {}
    assert meter.counts == {"retries_total": 2}


def test_a_permanent_error_is_not_tried_again() -> None:
    """A broken contract goes through at once, and nothing is waited for."""
    patience = Patience(CountingMeter(), Backoff(first_s=0.0, most_s=0.0))

    async def call() -> None:
        raise ContractError("never")

    with pytest.raises(ContractError):
        asyncio.run(patience.insist("write", call))
    assert patience.waiting == {}
