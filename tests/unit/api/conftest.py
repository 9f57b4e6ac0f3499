"""A hub without I/O whose grants and counters a test holds."""

import pytest

from api.live.entries import Decoding
from api.live.hub import Hub
from schemas.topics import ALERTS, EPISODES, READINGS, ZONES
from tests.live_clients import ADA, Counts, Grants


@pytest.fixture
def grants() -> Grants:
    """Grants with every scope for Ada."""
    made = Grants()
    made.held[ADA] = {"readings", "scores", "alerts"}
    return made


@pytest.fixture
def counts() -> Counts:
    """The meter."""
    return Counts()


@pytest.fixture
def hub(grants: Grants, counts: Counts) -> Hub:
    """A hub whose log begins at 0 everywhere."""
    made = Hub(grants=grants, decoding=Decoding(lambda _: None), meter=counts)
    for topic in (READINGS.name, ALERTS.name, EPISODES.name, ZONES.name):
        for partition in range(12):
            made.begin(topic, partition, 0)
    return made
