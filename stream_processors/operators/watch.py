"""From verdicts to physiological episodes: what opens one, raises it, lets it go on, and ends it."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import FOREVER, NEVER, Bools
from stream_processors.operators import evidence, reasons
from stream_processors.operators.bins import Bins
from stream_processors.operators.clock import LogClock
from stream_processors.operators.conditions import CONDITIONS, FLOOR_RULES, FREEZING, PHYSIOLOGICAL, VITAL
from stream_processors.operators.detector import RULES, Decision, Detector, Verdict
from stream_processors.operators.episodes import PAGES_WITHIN_MS, Change, Episodes, OpenEpisode
from stream_processors.operators.evidence import Sight
from stream_processors.operators.floor import GAP_MS, Floor, FloorVerdict
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Run

BACK_MS: Final = 60_000
"""Hysteresis: measured and back within for this long is recovered."""
DATA_ENDED_MS: Final = 300_000
"""Observed time without a usable bin after which nobody knows any more."""
REFRESH_MS: Final = 60_000
"""Evidence of an open episode is told anew at most this often (log time)."""
FLOOR_TIER: Final = 3


class Watch:
    """Opens, updates and ends the physiological episodes of a partition."""

    def __init__(self, episodes: Episodes, ids: list[bytes], detector: Detector) -> None:
        self._episodes = episodes
        self._ids = ids
        self._detector = detector
        self._look_at_ms = FOREVER
        self._recovered: list[tuple[int, int, int]] = []

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

    def judged(self, verdict: Verdict, clock: LogClock) -> None:
        """Take what the detector says of one wave."""
        bins = verdict.bins
        table = self._episodes.table
        followed = (table["tier"][bins.wearer, :RULES] >= 0) | (table["hushed"][bins.wearer, :RULES] > 0)
        concerned = (verdict.tier > 0) | (followed & verdict.measured)
        if not concerned.any():
            return
        for row, rule in np.argwhere(concerned).tolist():
            seen = self._see(bins, verdict.activity, row, rule)
            episode = self._episodes.open.get((seen.wearer, rule))
            run = self._detector.run(seen.wearer, rule)
            tier = self._to_tell(seen, rule, verdict, row, run=run)
            if tier:
                self._fire(seen, rule, tier, run, clock, decision=verdict.decision(row, rule, tier))
            elif episode is not None and (episode.tiers_hold or verdict.holds[row, rule]):
                # What the floor opened goes on while the rate is far from usual, though no tier would open it.
                episode.tiers_hold = True
                self._hear(episode, seen, clock)
                if verdict.holds[row, rule]:
                    self._hold(episode, seen, clock, floor=False)
                elif verdict.back[row, rule]:
                    self._back(episode, seen, clock, floor=False, enough_ms=verdict.back_ms)

    def repeated(self, bins: Bins, frozen: Bools) -> None:
        """Note in open episodes that a sensor repeats itself."""
        for wearer in bins.wearer[frozen].tolist():
            for rule in FREEZING:
                episode = self._episodes.open.get((wearer, rule))
                if episode is not None:
                    episode.evidence = evidence.frozen(episode.evidence)

    def calm(self) -> None:
        """Let the detector begin anew where something recovered since the last call."""
        for wearer, rule, at_ms in self._recovered:
            self._detector.calm(wearer, rule, at_ms)
        self._recovered = []

    def due(self, clock: LogClock) -> int:
        """Return among how many open episodes `expire` looks now for those that end."""
        return len(self._episodes.open) if clock.observed_ms >= self._look_at_ms else 0

    def expire(self, clock: LogClock) -> None:
        """End the episodes that had no usable bin for 5 min of observed time."""
        if clock.observed_ms < self._look_at_ms:
            return
        self._look_at_ms = FOREVER
        for (wearer, rule), episode in sorted(self._episodes.open.items()):
            if rule >= RULES:
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
        vital = int(VITAL[rule])
        expectation = self._detector.expectation(int(bins.wearer[row]), vital)
        return evidence.sight(bins, activity, row, vital, expectation=expectation)

    def _to_tell(self, seen: Sight, rule: int, verdict: Verdict, row: int, *, run: Run) -> int:
        """Return the tier at which an episode opens, rises or goes on now, 0 where none fires or it is hushed.

        Hushed is what the last episode told as much of, and it recovered: by the promise that is one alert. What goes
        on since then is told when the refractory time since the recovery is over, though the score may have grown used
        to it: a carer was told that it is over. What was lost sight of, was a demonstration or history, or reached a
        lower tier, opens at once, and so does what follows an alert of the floor, which is not among the promised.
        """
        table, key = self._episodes.table, (seen.wearer, rule)
        tier = int(verdict.tier[row, rule])
        lately = bool(tier) and seen.end_ms - self._episodes.fires(*key, seen.end_ms) < verdict.refractory_ms
        if key in self._episodes.open:
            return tier
        within = seen.end_ms - table["ended_ms"][key] < verdict.refractory_ms
        if tier:
            if lately and within and tier <= table["recovered_tier"][key] < FLOOR_TIER:
                table["hushed"][key], table["hushed_ms"][key] = max(tier, table["hushed"][key]), seen.end_ms
                return 0
            return tier
        if run.bins == 0 or run.start_ms >= table["hushed_ms"][key]:
            table["hushed"][key] = 0
        return int(table["hushed"][key]) if verdict.holds[row, rule] and not within else 0

    def _fire(
        self, seen: Sight, rule: int, tier: int, run: Run, clock: LogClock, *, decision: Decision | None = None
    ) -> None:
        episode = self._episodes.open.get((seen.wearer, rule))
        opened = episode is None
        if episode is None:
            first = evidence.first(seen, rule, run)
            episode = self._episodes.begin(
                wearer=seen.wearer,
                condition=rule,
                first_bin_ms=run.start_ms,
                decided_ms=seen.end_ms,
                tier=tier,
                evidence=first,
            )
        elif tier == FLOOR_TIER or episode.floor_stream < 0:
            episode.evidence = evidence.further(episode.evidence, seen, onset_ms=episode.onset_ms)
        risen = opened or tier > episode.tier
        if risen:
            episode.tier = tier
            episode.evidence = (
                evidence.by_floor(episode.evidence, PHYSIOLOGICAL[rule].floor)
                if decision is None
                else evidence.by_detector(episode.evidence, decision)
            )
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

    def _back(
        self, episode: OpenEpisode, seen: Sight, clock: LogClock, *, floor: bool, enough_ms: int = BACK_MS
    ) -> None:
        """Take one bin that speaks for recovery of that part."""
        before_ms = episode.floor_back_ms if floor else episode.tier_back_ms
        since_ms = seen.start_ms if before_ms == NEVER else before_ms
        if floor:
            episode.floor_back_ms = since_ms
        else:
            episode.tier_back_ms = since_ms
        if seen.end_ms - since_ms >= enough_ms:
            self._let_go(episode, seen, clock, floor=floor, within_ms=enough_ms)

    def _let_go(self, episode: OpenEpisode, seen: Sight, clock: LogClock, *, floor: bool, within_ms: int) -> None:
        if floor:
            episode.floor_stream = -1
        else:
            episode.tiers_hold = False
        if episode.floor_stream >= 0 or episode.tiers_hold:
            return
        episode.evidence = evidence.recovered(episode.evidence, seen, onset_ms=episode.onset_ms)
        self._recovered.append((episode.wearer, episode.condition, seen.end_ms))
        sentence = reasons.recovered(episode.evidence, within_ms=within_ms)
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
        sentence = reasons.physiological(CONDITIONS[episode.condition].name, episode.evidence)
        change = Change(phase="opened" if opened else "updated", at_ms=seen.end_ms, reason=sentence)
        self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[episode.wearer])

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays."""
        return {"look_at_ms": np.array([self._look_at_ms])}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        self._look_at_ms = int(arrays["look_at_ms"][0])


def _speaks(episode: OpenEpisode, seen: Sight) -> bool:
    """Return whether this stream's bin may speak: the one that holds the floor, or another once that is silent."""
    if episode.floor_stream < 0:
        return False
    return episode.floor_stream == seen.stream or seen.end_ms - episode.floor_bin_ms > GAP_MS
