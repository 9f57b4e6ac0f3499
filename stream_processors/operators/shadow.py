"""A second detector beside the one that alerts: it judges the same bins, is compared with it, and nobody hears it.

Whatever goes wrong in it turns it off, and nothing else: what is published is the same, bit for bit, with and without.
It may learn of the same minutes as the alerting one. No recovery is told to it, since it opens no episode.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Ints
from stream_processors.operators.bins import Bins
from stream_processors.operators.detector import Detector, Learning, Scores, Verdict
from stream_processors.operators.eviction import Parts
from stream_processors.operators.rest import Activity
from stream_processors.operators.tally import ALERTING, SHADOW, Counts, Lack, Tally
from stream_processors.ports import Roles

PART: Final = "shadow"
TALLY: Final = "tally"
TALLY_WEARERS: Final = "tally.wearers"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Sight:
    """What there was to be seen of both detectors after a step: whoever looks may do so while the next one is run.

    It is at most a second of observed time older than that step: all wearers are looked over for it.

    Attributes:
        off: Why the one in shadow is off, empty while it runs or where there is none.
    """

    roles: Roles
    off: str
    counts: Counts
    lack: Lack


class Shadow:
    """The second detector of a partition, where there is one, and the tally of both."""

    def __init__(self, detector: Detector | None) -> None:
        self._detector = detector
        self.off = ""
        """Why it is off, empty while it runs or where there is none."""
        self.tally = Tally()

    @property
    def name(self) -> str:
        """Name of the detector, also where it is off; empty where there is none."""
        return "" if self._detector is None else self._detector.name

    def sight(self, alerting: str) -> Sight:
        """Return what is to be seen now, beside the detector that alerts."""
        return Sight(Roles(alerting, self.name), self.off, Counts.none() + self.tally.counts, self.tally.lack)

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        self.tally.table.extend(wearers)
        self._try(lambda detector: detector.extend(wearers), None)

    def judge(
        self,
        bins: Bins,
        activity: Activity,
        *,
        frozen: Bools,
        learning: Learning,
        said: tuple[Scores, list[Verdict]],
    ) -> None:
        """Take the bins of which the alerting detector `said` this."""
        scores, verdicts = said
        told = self._try(lambda one: one.judge(bins, activity, frozen=frozen, learning=learning), None)
        self.tally.hear(ALERTING, verdicts)
        if told is not None:
            self._count(told[1])
        self.tally.see(bins, scores.combined, None if told is None else told[0].combined)

    def complete(self, wearers: Ints, until_ms: Ints, *, learning: Learning, said: list[Verdict]) -> None:
        """Judge what still gathers of these wearers, of whom the alerting detector `said` this."""
        self.tally.hear(ALERTING, said)
        self._count(self._try(lambda one: one.complete(wearers, until_ms, learning=learning), []))

    def gathering(self) -> tuple[Ints, Ints]:
        """Return the wearers of whom something gathers, and when it ends (event time)."""
        nobody = np.empty(0, dtype=np.int64)
        return self._try(lambda detector: detector.gathering(), (nobody, nobody))

    def _count(self, verdicts: list[Verdict]) -> None:
        self.tally.compare(verdicts)
        self.tally.hear(SHADOW, verdicts)

    def _try(self, work: Callable[[Detector], _T], otherwise: _T) -> _T:
        if self._detector is None or self.off:
            return otherwise
        try:
            return work(self._detector)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the one that alerts goes on
            self.off = f"{type(error).__name__}: {error}"[:200]
            return otherwise

    def dump(self) -> Parts:
        """Return the state as parts: by wearer, and the sums."""
        nothing: dict[str, npt.NDArray[Any]] = {}
        return {
            PART: self._try(lambda detector: detector.dump(), nothing),
            TALLY: self.tally.dump(),
            TALLY_WEARERS: self.tally.table.dump(),
        }

    def load(self, parts: Parts, *, beside: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump, after `extend`; a part that lacks begins anew, with what holds for it of who alerts.

        `beside` is the dump of the one that alerts.
        """
        if TALLY in parts:
            self.tally.load(parts[TALLY])
        if TALLY_WEARERS in parts:
            self.tally.table.load(parts[TALLY_WEARERS])
        if parts.get(PART):
            self._try(lambda detector: detector.load(parts[PART]), None)
        elif self.name:
            self._try(lambda detector: detector.inherit(beside), None)
            self.tally.begin_learning()
