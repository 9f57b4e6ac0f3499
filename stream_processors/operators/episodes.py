"""Episodes: one for each condition of a wearer, opened by floor or tiers, whose tier only rises."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Bools, Column, Ints, Table
from schemas.episodes import EndReason, Episode, Evidence, Phase, Subject, episode_id
from schemas.scores import BIN_MS
from stream_processors.operators.clock import LogClock
from stream_processors.operators.conditions import ABOUT, CONDITIONS, PHYSIOLOGICAL
from stream_processors.operators.readings import VITAL_COUNT

WRITER: Final = "vitals"
PAGES_WITHIN_MS: Final = 900_000
"""A deciding bin older than this (append time - bin time) is history: nobody is called."""


_BODY: Final = len(PHYSIOLOGICAL)


class OpenEpisode(msgspec.Struct, kw_only=True):
    """What is kept of an open episode. `floor_stream` is the stream whose floor holds it, -1 for none.

    `floor_back_ms` and `tier_back_ms` are the starts of the recovery under way, `NEVER` while it holds.
    """

    wearer: int
    condition: int
    onset_ms: int
    tier: int
    revision: int = 0
    pages: bool = False
    told_at_ms: int = NEVER
    bin_end_ms: int = NEVER
    bin_observed_ms: int = NEVER
    floor_stream: int = -1
    floor_bin_ms: int = NEVER
    floor_back_ms: int = NEVER
    tiers_hold: bool = False
    tier_back_ms: int = NEVER
    device: int = -1
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of an episode: which phase, when in event time, and the sentence."""

    phase: Phase
    at_ms: int
    reason: str
    end_reason: EndReason | None = None


class Episodes:
    """The open episodes of a partition, and the changes that a step made.

    Attributes:
        table: By wearer slot: `tier` of the open episode of each condition (-1 none), of the last one `decided_ms`
            (end of the bin that opened it), `fired_ms` (end of the last bin in which the detector's tiers fired),
            `hushed` (tier that fired too soon after a recovery to be told, 0 none) and `hushed_ms`, when it did last,
            `ended_ms` and its tier (`recovered_tier`) where it recovered and was told
            as more than history or a demonstration, for what comes again soon is the same alert only then, and
            `received_ms`, the newest receipt.
        open: By (wearer slot, code of the condition).
        changes: Changes of the present step, in order.
    """

    def __init__(self) -> None:
        self.table = Table({
            "tier": Column("i1", -1, len(CONDITIONS)),
            "ended_ms": Column("i8", NEVER, len(CONDITIONS)),
            "decided_ms": Column("i8", NEVER, len(CONDITIONS)),
            "fired_ms": Column("i8", NEVER, len(CONDITIONS)),
            "hushed": Column("i1", 0, len(CONDITIONS)),
            "hushed_ms": Column("i8", NEVER, len(CONDITIONS)),
            "recovered_tier": Column("i1", 0, len(CONDITIONS)),
            "received_ms": Column("i8", NEVER),
        })  # fmt: skip
        self.open: dict[tuple[int, int], OpenEpisode] = {}
        self.changes: list[Episode] = []

    def begin(
        self, *, wearer: int, condition: int, first_bin_ms: int, decided_ms: int, tier: int, evidence: Evidence
    ) -> OpenEpisode:
        """Open an episode; one that would reach into the one before begins where that ended, so that ids differ."""
        ended = int(self.table["ended_ms"][wearer, condition])
        onset = max(first_bin_ms, -(-ended // BIN_MS) * BIN_MS)
        episode = OpenEpisode(wearer=wearer, condition=condition, onset_ms=onset, tier=tier, evidence=evidence)
        self.open[wearer, condition] = episode
        self.table["tier"][wearer, condition] = tier
        self.table["decided_ms"][wearer, condition] = decided_ms
        self.table["hushed"][wearer, condition] = 0
        return episode

    def fires(self, wearer: int, condition: int, end_ms: int) -> int:
        """Note that one of the detector's tiers fires in the bin that ends then; return when one did last."""
        before = int(self.table["fired_ms"][wearer, condition])
        self.table["fired_ms"][wearer, condition] = end_ms
        return before

    def tell(self, episode: OpenEpisode, change: Change, *, clock: LogClock, wearer_id: bytes) -> None:
        """Note a change for publication; `ended` closes the episode."""
        key = (episode.wearer, episode.condition)
        condition = CONDITIONS[episode.condition]
        # By the log's clock, so that a state computed anew, which may have told fewer changes, is not taken for older.
        episode.revision = max(episode.revision + 1, clock.now_ms)
        episode.told_at_ms = clock.now_ms
        self.table["tier"][key] = episode.tier
        if change.phase == "ended":
            del self.open[key]
            self.table["tier"][key] = -1
            told = change.end_reason == "recovered" and episode.pages and not episode.evidence.injected
            self.table["recovered_tier"][key] = episode.tier if told else 0
            self.table["ended_ms"][key] = max(change.at_ms, episode.onset_ms + BIN_MS)
        else:
            episode.pages = episode.pages or clock.now_ms - (change.at_ms - BIN_MS) < PAGES_WITHIN_MS
        subject = Subject(wearer=UUID(bytes=wearer_id))
        self.changes.append(
            Episode(
                episode_id=episode_id(subject, condition.name, episode.onset_ms),
                subject=subject,
                condition=condition.name,
                type=condition.type,
                phase=change.phase,
                tier=episode.tier,
                writer=WRITER,
                revision=episode.revision,
                pages=episode.pages,
                onset_ms=episode.onset_ms,
                changed_ms=change.at_ms,
                reason=change.reason,
                evidence=episode.evidence,
                decided_received_ms=max(int(self.table["received_ms"][episode.wearer]), 0),
                decided_append_ms=clock.now_ms,
                ended_ms=change.at_ms if change.phase == "ended" else None,
                end_reason=change.end_reason,
            )
        )

    def physiological_tier(self, wearers: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
        """Return the highest tier of each wearer's open physiological episodes, 0 for none."""
        tiers = self.table["tier"][wearers, :_BODY]
        highest: npt.NDArray[np.int8] = np.maximum(tiers.max(axis=1), 0)
        return highest

    def may_learn(self, wearer: Ints, at_ms: Ints) -> Bools:
        """Return which vitals of these wearers no episode was about at these times, shape (n, VITAL_COUNT).

        By event time, so that it does not depend on which of a wearer's streams came first.
        """
        at = at_ms[:, None]
        tier, ended = (self.table[name].take(wearer, axis=0)[:, :_BODY] for name in ("tier", "ended_ms"))
        during = (tier >= 0) | (ended > at)
        if not during.any():
            return np.ones((len(wearer), VITAL_COUNT), dtype=np.bool_)
        during &= self.table["decided_ms"].take(wearer, axis=0)[:, :_BODY] <= at
        free: Bools = ~(during @ ABOUT)
        return free

    def dump(self) -> tuple[bytes, dict[str, npt.NDArray[Any]]]:
        """Return the open episodes and the arrays."""
        opened = [self.open[key] for key in sorted(self.open)]
        return msgspec.msgpack.encode(opened), self.table.dump()

    def load(self, opened: bytes, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        for episode in msgspec.msgpack.decode(opened, type=list[OpenEpisode]):
            self.open[episode.wearer, episode.condition] = episode
        self.table.load(arrays)
