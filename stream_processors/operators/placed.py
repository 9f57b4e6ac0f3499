"""The rows of a record in the form in which they wait for their bins."""

import numpy as np
import numpy.typing as npt

from inference.slots import FOREVER, Ints
from stream_processors.operators.beats import BeatLists
from stream_processors.operators.gates import HEART_RATE, counts
from stream_processors.operators.pending import FACTS
from stream_processors.operators.readings import QUALITY, Readings


def facts_of(readings: Readings, **found: npt.ArrayLike) -> Ints:
    """Return the columns of `Pending.facts`; `found` are those that a frame does not hold."""
    facts = np.empty((readings.rows, len(FACTS)), dtype=np.int64)
    for number, name in enumerate(FACTS):
        facts[:, number] = found[name] if name in found else getattr(readings, name)
    return facts


def beats_of(readings: Readings, wearer: Ints, time_ms: Ints, end_ms: Ints) -> BeatLists:
    """Return the inter-beat intervals; those of a reading that is not believed wait for no bin."""
    believed = counts(readings.worn, readings.numbers[:, QUALITY])[:, HEART_RATE]
    return BeatLists(
        wearer=wearer,
        stream_id=readings.stream_id,
        sent_ms=readings.sent_ms,
        time_ms=time_ms,
        end_ms=np.where(believed, end_ms, FOREVER),
        beats_ms=readings.beats_ms,
        starts=readings.beat_starts,
    )
