"""Valid messages of both protocols: what is spoiled, and what is sent between what is spoiled."""

from random import Random
from typing import Any, Final
from uuid import UUID

from schemas.vitals import VITALS

NOW_MS: Final = 1_795_248_000_000
"""2026-11-21T08:00:00Z, the present where the fuzzing brings its own clock."""

_SOURCES: Final = ("watch", "phone", "rppg", "manual")
_LIVE_TOPICS: Final = ("readings", "scores", "alerts", "episodes", "zones")


def hello(random: Random, now_ms: int) -> dict[str, Any]:
    """Return a hello whose clock is right."""
    made: dict[str, Any] = {"type": "hello", "boot": str(UUID(int=random.getrandbits(128))), "clock": now_ms}
    if random.random() < 0.5:
        made |= {"model": "fuzzed", "firmware": "1.0.2", "origin": random.choice(("live", "replay", "simulated"))}
    return made


def reading(random: Random, now_ms: int) -> dict[str, Any]:
    """Return a reading with some vitals, each within its range."""
    made: dict[str, Any] = {"time": now_ms - random.randrange(600_000), "source": random.choice(_SOURCES)}
    for vital in random.sample(VITALS, random.randint(1, len(VITALS))):
        low, high = vital.plausible
        made[vital.name] = round(random.uniform(low, high), 2)
    if random.random() < 0.3:
        made |= {"ibi": [random.randint(300, 2_000) for _ in range(random.randint(0, 8))], "hrv_window_s": 60}
    if random.random() < 0.5:
        made |= {"worn": random.random() < 0.9, "quality": round(random.random(), 3)}
    return made


def device_message(random: Random, seq: int, now_ms: int) -> dict[str, Any]:
    """Return a message of a device that has said hello."""
    if random.random() < 0.9:
        many = random.choice((0, 1, 1, 1, 2, 5, 20))
        return {"type": "readings", "seq": seq, "readings": [reading(random, now_ms) for _ in range(many)]}
    kind = random.choice(("event", "location", "location", "trace", "hello"))
    if kind == "location":
        return location(random, seq, now_ms)
    return hello(random, now_ms) if kind == "hello" else {"type": kind, "seq": seq, "time": now_ms}


def location(random: Random, seq: int, now_ms: int) -> dict[str, Any]:
    """Return where a device is, or that it does not tell."""
    made: dict[str, Any] = {"type": "location", "seq": seq, "time": now_ms - random.randrange(3_000_000)}
    told = random.random() < 0.9
    latitude, longitude = random.uniform(-90, 90), random.uniform(-180, 180)
    return made | {"latitude": latitude if told else None, "longitude": longitude if told else None}


def live_message(random: Random, wearers: list[UUID], cursors: list[str]) -> dict[str, Any]:
    """Return a request of a live client; `cursors` are some that it was told."""
    number = random.randint(1, 80)
    if random.random() < 0.3:
        return {"type": "unsubscribe", "id": number}
    made: dict[str, Any] = {"type": "subscribe", "id": number, "topic": random.choice(_LIVE_TOPICS)}
    if random.random() < 0.5:
        made["wearer"] = str(random.choice(wearers))
    if cursors and random.random() < 0.4:
        made["since"] = random.choice(cursors)
    return made
