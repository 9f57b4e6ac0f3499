"""From verdicts to physiological episodes: what opens one, raises it, lets it go on, and ends it."""

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from inference.slots import FOREVER, NEVER, Bools, Column, Ints, Table
from schemas.episodes import Evidence
from stream_processors.operators import evidence, reasons
from stream_processors.operators.bins import Bins
from stream_processors.operators.clock import LogClock
from stream_processors.operators.conditions import FLOOR_RULES, HEART_RATE_HIGH
from stream_processors.operators.episodes import PAGES_WITHIN_MS, Change, Episodes, OpenEpisode
from stream_processors.operators.evidence import Expectation, Sight
from stream_processors.operators.floor import GAP_MS, Floor, FloorVerdict
from stream_processors.operators.gates import HEART_RATE
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Run
from stream_processors.operators.score import Scores
from stream_processors.operators.tiers import THRESHOLDS_Z, Tiers, TierVerdict

BACK_MS: Final = 60_000
"""Hysteresis: measured and back within for this long is recovered."""
DATA_ENDED_MS: Final = 300_000
"""Observed time without a usable bin after which nobody knows any more."""
REFRESH_MS: Final = 60_000
"""Evidence of an open episode is told anew at most this often (log time)."""
FLOOR_TIER: Final = 3


class Watch:
    """Opens, updates and ends the physiological episodes of a partition.

    Attributes:
        usual: By wearer slot what the model last said of the heart rate: `centre_bpm`, `scale_bpm`, `known_s`, `z`.
    """

    def __init__(self, episodes: Episodes, ids: list[bytes], model: str) -> None:
        self._episodes = episodes
        self._ids = ids
        self._model = model
        self._look_at_ms = FOREVER
        self._recovered: list[int] = []
        self.usual = Table({
            "centre_bpm": Column("f8", np.nan),
            "scale_bpm": Column("f8", np.nan),
            "known_s": Column("f8", 0.0),
            "z": Column("f8", np.nan),
        })  # fmt: skip

    def floor(self, bins: Bins, verdict: FloorVerdict, activity: Activity, *, floor: Floor, clock: LogClock) -> None:
        """Take one wave of streams' own bins."""
        is_open = self._episodes.table["tier"][bins.wearer, : len(FLOOR_RULES)] >= 0
        concerned = verdict.fires | (is_open & verdict.measured)
        if not concerned.any():
            return
        for row, rule in np.argwhere(concerned).tolist():
            seen = self._see(bins, activity, row, rule)
            fires = bool(verdict.fires[row, rule])
            episode = self._episodes.open.get((seen.wearer, rule))
            if fires:
                self._fire(seen, rule, FLOOR_TIER, floor.runs.run(seen.stream, rule), clock)
            elif episode is not None and _speaks(episode, seen):
                episode.floor_bin_ms = seen.end_ms
                self._hear(episode, seen, clock)
                if verdict.beyond[row, rule]:
                    self._hold(episode, seen, clock, floor=True)
                elif verdict.within[row, rule]:
                    self._back(episode, seen, clock, floor=True)

    def tiers(self, bins: Bins, verdict: TierVerdict, activity: Activity, *, tiers: Tiers, clock: LogClock) -> None:
        """Take one wave of wearers' bins."""
        is_open = self._episodes.table["tier"][bins.wearer, :2] >= 0
        concerned = (verdict.tier > 0) | (is_open & verdict.measured)
        if not concerned.any():
            return
        for row, rule in np.argwhere(concerned).tolist():
            seen = self._see(bins, activity, row, rule)
            tier = int(verdict.tier[row, rule])
            episode = self._episodes.open.get((seen.wearer, rule))
            if tier:
                self._fire(seen, rule, tier, tiers.runs.run(seen.wearer, rule), clock)
            elif episode is not None and (episode.tiers_hold or verdict.holds[row, rule]):
                # What the floor opened goes on while the rate is far from usual, though no tier would open it.
                episode.tiers_hold = True
                self._hear(episode, seen, clock)
                if verdict.holds[row, rule]:
                    self._hold(episode, seen, clock, floor=False)
                elif verdict.back[row, rule]:
                    self._back(episode, seen, clock, floor=False)

    def expect(self, wearer: Ints, scores: Scores) -> None:
        """Remember what the model says of the heart rate, for evidence."""
        usual = self.usual
        usual["centre_bpm"][wearer] = scores.expected[:, HEART_RATE]
        usual["scale_bpm"][wearer] = scores.scale[:, HEART_RATE]
        usual["known_s"][wearer] = scores.known_s
        usual["z"][wearer] = scores.z[:, HEART_RATE]

    def repeated(self, bins: Bins, frozen: Bools) -> None:
        """Note in open episodes that a sensor repeats itself."""
        for wearer in bins.wearer[frozen].tolist():
            for rule in (HEART_RATE_HIGH, HEART_RATE_HIGH + 1):
                episode = self._episodes.open.get((wearer, rule))
                if episode is not None:
                    episode.evidence = evidence.frozen(episode.evidence)

    def recovered(self) -> Ints:
        """Return the wearers whose heart rate recovered since the last call."""
        wearers = np.array(self._recovered, dtype=np.int64)
        self._recovered = []
        return wearers

    def learnable(self, wearer: Ints) -> Bools:
        """Return which baselines of the heart rate may learn: those without an open episode of it."""
        may: Bools = np.asarray((self._episodes.table["tier"][wearer, :2] < 0).all(axis=1))
        return may

    def expire(self, clock: LogClock) -> None:
        """End the episodes that had no usable bin for 5 min of observed time."""
        if clock.observed_ms < self._look_at_ms:
            return
        self._look_at_ms = FOREVER
        for (wearer, rule), episode in sorted(self._episodes.open.items()):
            if rule >= len(FLOOR_RULES):
                continue
            until = episode.bin_observed_ms + DATA_ENDED_MS
            if clock.observed_ms < until:
                self._look_at_ms = min(self._look_at_ms, until)
                continue
            silent = clock.observed_ms - episode.bin_observed_ms
            sentence = reasons.data_ended(episode.evidence, silent_ms=silent)
            change = Change(phase="ended", at_ms=episode.bin_end_ms, reason=sentence, end_reason="data_ended")
            self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[wearer])

    def _see(self, bins: Bins, activity: Activity, row: int, rule: int) -> Sight:
        wearer = int(bins.wearer[row])
        centre, scale, z = (float(self.usual[name][wearer]) for name in ("centre_bpm", "scale_bpm", "z"))
        expectation = Expectation(model=self._model)
        if not np.isnan(centre):
            known_s = float(self.usual["known_s"][wearer])
            expectation = Expectation(centre=centre, scale=scale, z=z, known_s=known_s, model=self._model)
        return evidence.sight(bins, activity, row, FLOOR_RULES[rule].vital or 0, expectation=expectation)

    def _fire(self, seen: Sight, rule: int, tier: int, run: Run, clock: LogClock) -> None:
        episode = self._episodes.open.get((seen.wearer, rule))
        opened = episode is None
        if episode is None:
            first = evidence.first(seen, rule, run)
            episode = self._episodes.begin(
                wearer=seen.wearer, condition=rule, first_bin_ms=run.start_ms, tier=tier, evidence=first
            )
        elif tier == FLOOR_TIER or episode.floor_stream < 0:
            episode.evidence = evidence.further(episode.evidence, seen, onset_ms=episode.onset_ms)
        risen = opened or tier > episode.tier
        if risen:
            episode.tier = tier
            episode.evidence = _decide(episode.evidence, rule, tier)
        if tier == FLOOR_TIER:
            episode.floor_stream, episode.floor_bin_ms, episode.floor_back_ms = seen.stream, seen.end_ms, NEVER
        else:
            episode.tiers_hold, episode.tier_back_ms = True, NEVER
        self._hear(episode, seen, clock)
        self._say(episode, seen, clock, opened=opened, risen=risen)

    def _hold(self, episode: OpenEpisode, seen: Sight, clock: LogClock, *, floor: bool) -> None:
        """Take one more bin that agrees with the part (floor or tiers) that holds the episode."""
        if floor:
            episode.floor_back_ms = NEVER
        else:
            episode.tier_back_ms = NEVER
        if floor or episode.floor_stream < 0:
            episode.evidence = evidence.further(episode.evidence, seen, onset_ms=episode.onset_ms)
        self._say(episode, seen, clock, opened=False, risen=False)

    def _back(self, episode: OpenEpisode, seen: Sight, clock: LogClock, *, floor: bool) -> None:
        """Take one bin that speaks for recovery of that part."""
        before_ms = episode.floor_back_ms if floor else episode.tier_back_ms
        since_ms = seen.start_ms if before_ms == NEVER else before_ms
        if floor:
            episode.floor_back_ms = since_ms
        else:
            episode.tier_back_ms = since_ms
        if seen.end_ms - since_ms >= BACK_MS:
            self._let_go(episode, seen, clock, floor=floor)

    def _let_go(self, episode: OpenEpisode, seen: Sight, clock: LogClock, *, floor: bool) -> None:
        if floor:
            episode.floor_stream = -1
        else:
            episode.tiers_hold = False
        if episode.floor_stream >= 0 or episode.tiers_hold:
            return
        episode.evidence = msgspec.structs.replace(
            episode.evidence,
            observed=round(seen.value, 2),
            duration_s=max(seen.end_ms - episode.onset_ms, 0) / 1000,
            context=seen.context,
            injected=episode.evidence.injected or seen.injected,
        )
        if FLOOR_RULES[episode.condition].vital == HEART_RATE:
            self._recovered.append(episode.wearer)
        sentence = reasons.recovered(episode.evidence, within_ms=BACK_MS)
        change = Change(phase="ended", at_ms=seen.end_ms, reason=sentence, end_reason="recovered")
        self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[episode.wearer])

    def _hear(self, episode: OpenEpisode, seen: Sight, clock: LogClock) -> None:
        episode.bin_end_ms = max(episode.bin_end_ms, seen.end_ms)
        episode.bin_observed_ms = clock.observed_ms
        self._look_at_ms = min(self._look_at_ms, clock.observed_ms + DATA_ENDED_MS)

    def _say(self, episode: OpenEpisode, seen: Sight, clock: LogClock, *, opened: bool, risen: bool) -> None:
        starts_to_page = not episode.pages and clock.now_ms - seen.start_ms < PAGES_WITHIN_MS
        if not (risen or starts_to_page or clock.now_ms - episode.told_at_ms >= REFRESH_MS):
            return
        change = Change(
            phase="opened" if opened else "updated", at_ms=seen.end_ms, reason=reasons.physiological(episode.evidence)
        )
        self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[episode.wearer])

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays."""
        return {**self.usual.dump(), "look_at_ms": np.array([self._look_at_ms])}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        arrays = dict(arrays)
        self._look_at_ms = int(arrays.pop("look_at_ms")[0])
        self.usual.load(arrays)


def _speaks(episode: OpenEpisode, seen: Sight) -> bool:
    """Return whether this stream's bin may speak: the one that holds the floor, or another once that is silent."""
    if episode.floor_stream < 0:
        return False
    return episode.floor_stream == seen.stream or seen.end_ms - episode.floor_bin_ms > GAP_MS


def _decide(of: Evidence, rule: int, tier: int) -> Evidence:
    if tier == FLOOR_TIER:
        return evidence.decided_by(of, "floor", threshold=FLOOR_RULES[rule].floor, unit=of.unit)
    return evidence.decided_by(of, "baseline", threshold=THRESHOLDS_Z[tier - 1], unit="z")
