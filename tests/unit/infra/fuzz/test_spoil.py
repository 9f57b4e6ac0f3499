"""The spoiler spoils, and the same seed spoils in the same way."""

import json

from infra.fuzz.spoil import Spoiler
from infra.fuzz.valid import NOW_MS, device_message


def test_the_same_seed_spoils_in_the_same_way() -> None:
    """Two spoilers of one seed make the same messages, one of another seed makes others."""
    one, same, other = (Spoiler(seed) for seed in (1, 1, 2))
    made = [
        [spoiler.json(device_message(spoiler.random, 1, NOW_MS)) for _ in range(50)] for spoiler in (one, same, other)
    ]
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_most_messages_are_spoiled_and_some_are_still_json() -> None:
    """Of 300 messages few are as they were, and both what is JSON and what is none comes out."""
    spoiler = Spoiler(1)
    message = device_message(spoiler.random, 1, NOW_MS)
    made = [spoiler.json(message) for _ in range(300)]
    whole = json.dumps(message, separators=(",", ":")).encode()
    assert made.count(whole) < 20
    readable = 0
    for data in made:
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            continue
        readable += 1
    assert 60 < readable < 290
