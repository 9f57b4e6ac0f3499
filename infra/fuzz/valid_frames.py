"""Valid records of the topics with frames and episodes, made as gateway and vitals make them."""

from random import Random
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
import pyarrow as pa

from infra.fuzz.valid import reading
from ingest.admission import Limits, admit
from ingest.columns import batch_of
from ingest.effects import Admit, Provenance
from schemas import episodes, scores
from schemas.device_protocol import Reading
from schemas.episodes import Episode, Evidence, Subject
from schemas.topics import partition_of
from schemas.vitals import VITALS

_SPACE: Final = UUID("5d2c3f57-0a52-4a55-9a0a-3f6a2a5d6c01")
_LIMITS: Final = Limits()


def readings_batch(random: Random, now_ms: int, *, wearers: int, wearer: UUID | None = None) -> pa.RecordBatch:
    """Return a frame's record batch of some wearers, or of one."""
    admitted = []
    for _ in range(wearers):
        who = wearer or uuid5(_SPACE, f"wearer {random.randrange(200)}")
        made = [reading(random, now_ms) for _ in range(random.choice((1, 1, 3, 8)))]
        rows, _ = admit(
            enumerate(msgspec.convert(made, list[Reading])),  # type: ignore[valid-type]  # made from the registry
            seq=(seq := random.randint(1, 9_999)),
            received_us=now_ms * 1000,
            limits=_LIMITS,
            correction_ms=0,
        )
        provenance = Provenance(
            wearer=who.bytes,
            partition=partition_of(who),
            device_number=int(who) % 997 + 1,
            boot=uuid5(who, "boot").bytes,
            clock_offset_ms=random.randrange(-900, 900),
            correction_ms=0,
            origin=random.randrange(3),
            firmware=random.choice((None, "1.0.2", "2.1")),
        )
        admitted.append(Admit(provenance, seq, now_ms * 1000, rows, 128 * len(made)))
    return batch_of(admitted)


def scores_batch(random: Random, now_ms: int) -> pa.RecordBatch:
    """Return a batch of scored bins."""
    rows = []
    for number in range(random.randint(1, 6)):
        vital = random.choice(VITALS)
        row: dict[str, Any] = {
            "wearer": uuid5(_SPACE, f"wearer {random.randrange(200)}").bytes,
            "bin": (now_ms // scores.BIN_MS - number) * scores.BIN_MS * 1000,
            "bin_ms": scores.BIN_MS,
            "score": round(random.random() * 5, 3),
            "tier": random.randrange(3),
            "tier0": False,
            "model": "resting rate/1",
            "readings": random.randint(1, 9),
            "late": 0,
            "backfill": 0,
            "received": now_ms * 1000,
            f"value_{vital.name}": vital.plausible[0],
        }
        rows.append(row)
    return pa.RecordBatch.from_pylist(rows, schema=scores.SCORE_SCHEMA)


def episode_event(random: Random, now_ms: int) -> dict[str, Any]:
    """Return an episode's record as plain data."""
    subject = Subject(wearer=uuid5(_SPACE, f"wearer {random.randrange(200)}"))
    onset_ms = now_ms - random.randrange(600_000)
    episode = Episode(
        episode_id=episodes.episode_id(subject, "heart_rate.high", onset_ms),
        subject=subject,
        condition="heart_rate.high",
        type="physiological",
        phase=random.choice(("opened", "updated", "ended")),
        tier=random.randint(1, 3),
        writer="vitals",
        revision=random.randint(1, 9),
        pages=True,
        onset_ms=onset_ms,
        changed_ms=now_ms,
        reason="Heart rate was 131, expected about 72.",
        evidence=Evidence(vital="heart_rate", side="high", observed=131.0),
        decided_received_ms=now_ms,
        decided_append_ms=now_ms,
    )
    made: dict[str, Any] = msgspec.json.decode(episodes.encode(episode, time="2026-11-21T08:00:00Z"))
    return made
