"""One system for the faults after which it is as before; faults that change it for good have systems of their own."""

from collections.abc import Iterator

import pytest

from tests.world import World, world

HOLD_MIB = 2
"""A gateway that holds little is filled by a short outage, as a minute fills one with the usual bound."""


@pytest.fixture(scope="session")
def mended() -> Iterator[World]:
    """A system that every test leaves well."""
    with world(extra={"PULSERA_HOLD_MIB": str(HOLD_MIB)}) as made:
        yield made
