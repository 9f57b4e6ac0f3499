"""The micro-benchmark of the gateway measures what it says."""

from infra.bench.micro_gateway import measure


def test_every_step_of_a_message_is_timed() -> None:
    """Each of the three steps takes some time of every message."""
    figures = measure(devices=20, batch=2, rounds=2)
    assert set(figures) == {"session_us", "framing_us", "settling_us"}
    assert all(amount > 0 for amount in figures.values())
