"""The vitals family: bins, beats, gates, rest, floor, detector, episodes, in this order over `readings.v1`."""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from inference.slots import FOREVER, Bools, Column, Ints, Table
from schemas.errors import ContractError
from schemas.topics import READINGS
from stream_processors.operators import score_frames
from stream_processors.operators.beats import Beats
from stream_processors.operators.bins import Bins, in_waves, stream_bins, wearer_bins
from stream_processors.operators.clock import LogClock
from stream_processors.operators.clock_offset import Corrections
from stream_processors.operators.detector import Detector, Verdict
from stream_processors.operators.effort import Begun, Effort, left
from stream_processors.operators.episodes import Episodes
from stream_processors.operators.eviction import LOOK_AT, Parts, Remaining, staying
from stream_processors.operators.floor import Floor
from stream_processors.operators.gates import FrozenGate
from stream_processors.operators.lateness import Lateness, bin_end_ms, lateness_ms
from stream_processors.operators.packing import pack_parts, unpack_parts
from stream_processors.operators.pending import Pending
from stream_processors.operators.placed import beats_of, facts_of
from stream_processors.operators.readings import Readings, read
from stream_processors.operators.rest import Rest
from stream_processors.operators.resting import RestingDetector
from stream_processors.operators.rows import FrameRows
from stream_processors.operators.shadow import Shadow
from stream_processors.operators.silence import ClockOffsets, Silence
from stream_processors.operators.takeover import DETECTOR, INHERITED, Aside, Only, followed, opened, taught, written
from stream_processors.operators.telling import Telling
from stream_processors.operators.watch import Watch
from stream_processors.operators.wearers import Roster
from stream_processors.ports import Emission, Models, Record, Roles, Step

FORMAT: Final = "vitals-state 4"
GATHERS_MS: Final = 90_000
"""Observed time without a reading after which what was gathered of a wearer is judged though it may not be whole."""
GATHERING_LOOK_MS: Final = 1_000


class VitalsFamily(FrameRows):
    """Opens the state of partitions of `readings.v1`."""

    name = "vitals"
    topic = READINGS.name
    version = FORMAT

    def __init__(
        self, make_detector: Callable[[], Detector] = RestingDetector, *, models: Models | None = None
    ) -> None:
        """Each partition gets detectors of its own: of `models` those that are wanted, else `make_detector`'s alone."""
        self._models = Only(make_detector) if models is None else models

    def open(self, partition: int, blob: bytes | None) -> "VitalsState":
        """Return the state of a partition: fresh with the detectors that are wanted, or a snapshot with its own.

        Raises:
            ContractError: The snapshot cannot be read, or is of another version.
        """
        if blob is None:
            return VitalsState(partition, self._models, self._models.roles())
        scalars, blobs, parts = unpack_parts(FORMAT, blob)
        roles, blobs, parts = opened(blobs, parts, self._models, observed_ms=scalars["observed_ms"])
        state = VitalsState(partition, self._models, roles)
        state.restore(scalars, blobs, parts)
        return state


class VitalsState:
    """All operators' state of one partition; `begin` and `finish` are the readable list of what happens to a record."""

    def __init__(self, partition: int, models: Models, roles: Roles) -> None:
        self._partition, self._models, self._look_at = partition, models, LOOK_AT
        detector = models.detector(roles.alerting)
        if detector is None:
            raise ContractError(f"The state is one of the detector {roles.alerting}, which cannot be read here.")
        self._begin(detector, shadow=roles.shadow)
        self.sight = self.shadow.sight(self._detector.name)

    def _begin(self, detector: Detector, *, shadow: str) -> None:
        self._clock = LogClock()
        self._roster = Roster()
        self._corrections = Corrections()
        self._pending, self._beats = Pending(), Beats()
        self._lateness = Lateness(lateness_ms(self._partition))
        self._frozen = {"stream": FrozenGate(), "wearer": FrozenGate()}
        self._rest = {"stream": Rest(), "wearer": Rest()}
        self._floor = Floor()
        self._detector = detector
        self.shadow = Shadow(self._models.detector(shadow) if shadow else None)
        self._episodes = Episodes()
        self._watch = Watch(self._episodes, self._roster.ids, self._detector)
        self._silence = Silence(self._episodes, self._roster.ids)
        self._offsets = ClockOffsets(self._episodes, self._roster.ids)
        self._counts = Table({"late": Column("i8", 0), "backfill": Column("i8", 0)})
        self._arrivals = self._gathered_ms = 0
        self._telling = Telling(self._partition)
        self._aside = Aside()

    def step(self, record: Record) -> Step:
        """Handle one record: `begin`, then `finish`."""
        self.begin(record)
        return self.finish()

    def begin(self, record: Record) -> float:
        """Place the rows of a record, move clock and watermarks; return about how many ms `finish` takes.

        Raises:
            ContractError: The record is unreadable; raised before any change of state.
        """
        readings = read(record.value, append_ms=record.append_ms)
        touched = received = np.empty(0, dtype=np.int64)
        self._clock.move(record.append_ms)
        self._aside = self._aside.at(self._clock.observed_ms)
        if readings is not None:
            received = readings.received_ms
            touched = self._take(readings, record.append_ms)
        before_ms = self._lateness.wearers["frontier_ms"].copy()
        moved = self._lateness.move(touched, self._clock, self._roster, self._pending)
        closing = self._lateness.closing(moved, self._roster, self._pending) if len(moved) else (moved, moved)
        self._begun = Begun(moved, *closing, received)
        return self._left((before_ms[moved], self._lateness.wearers["frontier_ms"][moved])).ms

    def _left(self, moves_ms: tuple[Ints, Ints]) -> Effort:
        silent = 0
        if self._looks_at_gathered():
            silent = sum(len(self._fallen_silent(*one.gathering())[0]) for one in (self._detector, self.shadow))
        told = len(self._silence.missed(self._clock)) + self._watch.due(self._clock)
        many = len(self._roster.ids) if len(self._roster.ids) > self._look_at else 0
        tiers = self._episodes.table["tier"]
        return left(self._begun, self._pending, tiers, moves_ms=moves_ms, silent=silent, told=told, looked_at=many)

    def finish(self) -> Step:
        """Close the bins whose time has come with the record that was begun, judge them, tell."""
        begun = self._begun
        scored = self._close(begun)
        self._complete(begun.moved)
        self._silence.expire(self._clock)
        self._watch.expire(self._clock)
        stay = self._staying()
        if stay is not None:
            self._silence.give_up(np.flatnonzero(~stay), self._clock)
        emissions = self._emissions(scored)
        if stay is not None:
            self._forget(stay)
        return Step(emissions=emissions, received_ms=begun.received_ms)

    def _take(self, readings: Readings, append_ms: int) -> Ints:
        """Place rows against the bins that earlier records closed, then move watermarks; return the wearers."""
        wearer, stream, firmware = self._roster.place(readings)
        self._extend()
        time_ms = self._corrections.correct(readings, append_ms=append_ms)
        self._place(readings, wearer, stream, firmware, time_ms)
        self._lateness.hear(stream, time_ms, self._clock)
        np.maximum.at(self._episodes.table["received_ms"], wearer, readings.received_ms)
        self._offsets.check(wearer, readings, self._clock)
        return self._silence.hear(wearer, readings, time_ms, self._clock)

    def _place(self, readings: Readings, wearer: Ints, stream: Ints, firmware: Ints, time_ms: Ints) -> None:
        end_ms = bin_end_ms(time_ms)
        again = np.flatnonzero(self._corrections.doubtful)
        if len(again):
            end_ms[again] = self._pending.ends_of(stream[again], readings.sent_ms[again], end_ms[again])
        late = end_ms <= self._lateness.wearers["frontier_ms"][wearer]
        wearer_end = np.where(late, FOREVER, end_ms)
        stream_end = np.where(end_ms <= self._lateness.streams["frontier_ms"][stream], FOREVER, end_ms)
        if late.any():
            np.add.at(self._counts["late"], wearer[late], 1)
        if readings.backfill.any():
            np.add.at(self._counts["backfill"], wearer[readings.backfill], 1)
        facts = facts_of(
            readings, wearer=wearer, stream=stream, end_ms=end_ms, time_ms=time_ms, firmware=firmware,
            put_ms=self._clock.observed_ms, arrival=np.arange(self._arrivals, self._arrivals + readings.rows),
        )  # fmt: skip
        self._arrivals += readings.rows
        if len(readings.beats_ms):
            self._beats.take(beats_of(readings, wearer, time_ms, wearer_end))
        self._lateness.expect(wearer, stream, wearer_end_ms=wearer_end, stream_end_ms=stream_end)
        waits = (wearer_end < FOREVER) | (stream_end < FOREVER)
        if waits.all():
            self._pending.add(facts, readings.numbers, wearer_end_ms=wearer_end, stream_end_ms=stream_end)
        elif waits.any():
            self._pending.add(
                facts[waits], readings.numbers[waits], wearer_end_ms=wearer_end[waits], stream_end_ms=stream_end[waits]
            )

    def _close(self, begun: Begun) -> list[score_frames.Wave]:
        """Close what has come, wave by wave: the streams' own bins for the floor, then the wearers'."""
        if len(begun.moved) == 0:
            return []
        by_wearer, by_stream = begun.by_wearer, begun.by_stream
        own = stream_bins(self._pending, by_stream) if len(by_stream) else None
        same = own if by_wearer is by_stream else stream_bins(self._pending, by_wearer) if len(by_wearer) else None
        whole = wearer_bins(same) if same is not None else None
        if whole is not None:
            self._beats.gather(whole.wearer, whole.end_ms)
        self._pending.close(by_wearer, by_stream)
        scored: list[score_frames.Wave] = []
        floor_waves, score_waves = in_waves(own, "stream"), in_waves(whole, "wearer")
        for number in range(max(len(floor_waves), len(score_waves))):
            if number < len(floor_waves):
                self._judge_floor(floor_waves[number])
            if number < len(score_waves):
                scored.append(self._judge(score_waves[number]))
        self._watch.calm()  # of whom only a stream's own bin told: nothing may wait for a later record
        return scored

    def _complete(self, moved: Ints) -> None:
        """Let the detector judge what it gathered of wearers of whom no earlier bin can come, or nothing comes."""
        if len(moved):
            frontier = self._lateness.wearers["frontier_ms"][moved]
            self._complete_of(moved, frontier, of_shadow=moved, shadow_until_ms=frontier)
        if not self._looks_at_gathered():
            return
        self._gathered_ms = self._clock.observed_ms
        wearers, end_ms = self._fallen_silent(*self._detector.gathering())
        of_shadow, shadow_until_ms = self._fallen_silent(*self.shadow.gathering())
        self._complete_of(wearers, end_ms, of_shadow=of_shadow, shadow_until_ms=shadow_until_ms)
        self.sight = self.shadow.sight(self._detector.name)

    def _looks_at_gathered(self) -> bool:
        return self._clock.observed_ms >= self._gathered_ms + GATHERING_LOOK_MS

    def _fallen_silent(self, wearers: Ints, end_ms: Ints) -> tuple[Ints, Ints]:
        silent = self._silence.table["heard_ms"][wearers] + GATHERS_MS <= self._clock.observed_ms
        over = end_ms + self._lateness.wait_ms <= self._clock.now_ms
        silent &= (self._lateness.wearers["waiting"][wearers] == 0) & over
        return wearers[silent], end_ms[silent]

    def _complete_of(self, wearers: Ints, until_ms: Ints, *, of_shadow: Ints, shadow_until_ms: Ints) -> None:
        verdicts = self._detector.complete(wearers, until_ms, learning=self._episodes) if len(wearers) else []
        self.shadow.complete(of_shadow, shadow_until_ms, learning=self._episodes, said=verdicts)
        self._hear(verdicts)

    def _judge_floor(self, bins: Bins) -> None:
        lane, end, start = bins.stream, bins.end_ms, bins.start_ms
        activity = self._rest["stream"].follow(lane, end, start, bins.values)
        silent = self._rest["stream"].silent(lane, end)
        if silent.any():
            activity = activity.instead(silent, self._rest["wearer"].recall(bins.wearer, end))
        frozen = self._frozen["stream"].judge(lane, end, start, bins.values, alive=activity.moving | (bins.varied > 0))
        if frozen.any():
            self._watch.repeated(bins, frozen)
        verdict = self._floor.judge(bins, activity, frozen=frozen)
        self._watch.floor(bins, verdict, activity, floor=self._floor, clock=self._clock)

    def _judge(self, bins: Bins) -> score_frames.Wave:
        bins = self._beats.fill(bins)
        lane, end, start = bins.wearer, bins.end_ms, bins.start_ms
        activity = self._rest["wearer"].follow(lane, end, start, bins.values)
        frozen = self._frozen["wearer"].judge(lane, end, start, bins.values, alive=activity.moving | (bins.varied > 0))
        scores, verdicts = self._detector.judge(bins, activity, frozen=frozen, learning=self._episodes)
        self.shadow.judge(bins, activity, frozen=frozen, learning=self._episodes, said=(scores, verdicts))
        self._hear(verdicts)
        return score_frames.Wave(bins, activity, scores, self._episodes.physiological_tier(lane))

    def _hear(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            self._watch.judged(verdict, self._clock)
        self._watch.calm()

    def _emissions(self, scored: list[score_frames.Wave]) -> list[Emission]:
        now_ms = self._clock.now_ms
        changes, self._episodes.changes = self._episodes.changes, []
        batch = self._batch(scored) if scored else None
        return [*self._telling.episodes(changes, now_ms=now_ms), *self._telling.scores(batch, now_ms=now_ms)]

    def _batch(self, scored: list[score_frames.Wave]) -> pa.RecordBatch:
        late, backfill = self._counts["late"], self._counts["backfill"]
        names, model = self._roster.firmwares, self._detector.name
        batch = score_frames.batch(scored, self._roster.ids, names, model=model, late=late, backfill=backfill)
        for wave in scored:
            late[wave.bins.wearer] = backfill[wave.bins.wearer] = 0
        return batch

    def _extend(self) -> None:
        wearers, streams = len(self._roster.ids), self._roster.streams.rows
        if wearers == self._counts.rows and streams == self._lateness.streams.rows:
            return
        self._lateness.extend(wearers, streams)
        self._detector.extend(wearers)
        self.shadow.extend(wearers)
        for table in (self._counts, self._episodes.table, self._silence.table, self._beats.table):
            table.extend(wearers)
        for lane, rows in (("wearer", wearers), ("stream", streams)):
            self._frozen[lane].table.extend(rows)
            self._rest[lane].table.extend(rows)
        self._floor.runs.table.extend(streams)

    def _staying(self) -> Bools | None:
        """Return who is not forgotten (see `eviction`), None where nobody is, or it is not looked for."""
        count = len(self._roster.ids)
        if count <= self._look_at:
            return None
        heard_ms, tiers = self._silence.table["heard_ms"][:count], self._episodes.table["tier"][:count]
        stay = staying(heard_ms, tiers, observed_ms=self._clock.observed_ms)
        self._look_at = max(LOOK_AT, 2 * int(stay.sum()))
        return None if stay.all() else stay

    def _forget(self, stay: Bools) -> None:
        detector = self._models.detector(self._detector.name)
        if detector is None:  # its files are gone: nobody is forgotten before a restart, nor looked for all the time
            self._look_at = 2 * len(stay)
            return
        scalars, blobs, parts = self._dump()
        remaining = Remaining(stay, self._roster.streams["wearer"][: self._roster.streams.rows])
        ids = [wearer for wearer, stays in zip(self._roster.ids, stay.tolist(), strict=True) if stays]
        blobs["wearers"] = b"".join(ids)
        blobs["episodes"] = msgspec.msgpack.encode(remaining.episodes(self._episodes.open))
        off = self.shadow.off
        self._begin(detector, shadow=self.shadow.name)
        self.shadow.off = off
        self.restore(scalars, blobs, remaining.parts(parts))

    def snapshot(self) -> bytes:
        """Return the state as bytes; equal states give equal bytes."""
        return pack_parts(FORMAT, *self._dump())

    @property
    def roles(self) -> Roles:
        """Who alerts here, and who runs in shadow or did until it failed."""
        return Roles(self._detector.name, self.shadow.name)

    def successor(self) -> bytes | None:
        """Return this state with the detectors that are wanted now, None where it has them, or they cannot be read."""
        next_one = followed(self.roles, self.shadow, self._aside, self._models, self._dump)
        return None if next_one is None else pack_parts(FORMAT, *next_one)

    def _dump(self) -> tuple[dict[str, int], dict[str, bytes], Parts]:
        opened, episodes = self._episodes.dump()
        sessions, corrections = self._corrections.dump()
        parts: Parts = {
            "episodes": episodes,
            "corrections": corrections,
            "roster": self._roster.dump(),
            "pending": self._pending.dump(),
            "lateness": self._lateness.dump(),
            **{f"frozen.{lane}": gate.dump() for lane, gate in self._frozen.items()},
            **{f"rest.{lane}": rest.dump() for lane, rest in self._rest.items()},
            "floor": self._floor.runs.dump(),
            DETECTOR: self._detector.dump(),
            **self._aside.parts(),
            **self.shadow.dump(),
            "beats": self._beats.dump(),
            "beats.waiting": self._beats.waiting(),
            "watch": self._watch.dump(),
            "silence": self._silence.dump(),
            "counts": self._counts.dump(),
        }
        scalars = {
            "now_ms": self._clock.now_ms,
            "observed_ms": self._clock.observed_ms,
            "arrivals": self._arrivals,
            "told_ms": self._telling.told_ms,
            "gathered_ms": self._gathered_ms,
            "look_at": self._look_at,
        }
        blobs = {
            "wearers": b"".join(self._roster.ids),
            "firmwares": msgspec.msgpack.encode(self._roster.firmwares),
            "sessions": msgspec.msgpack.encode(sessions),
            "episodes": opened,
            **self._aside.blobs(),
            **written(Roles(self._detector.name, "" if self.shadow.off else self.shadow.name)),
        }
        return scalars, blobs, parts

    def restore(self, scalars: dict[str, int], blobs: dict[str, bytes], parts: Parts) -> None:
        """Take over a snapshot's parts into a fresh state."""
        self._look_at = scalars.get("look_at", LOOK_AT)
        self._clock = LogClock(now_ms=scalars["now_ms"], observed_ms=scalars["observed_ms"])
        self._arrivals, self._telling.told_ms = scalars["arrivals"], scalars["told_ms"]
        self._gathered_ms = scalars["gathered_ms"]
        wearers = blobs["wearers"]
        ids = [wearers[at : at + 16] for at in range(0, len(wearers), 16)]
        firmwares = msgspec.msgpack.decode(blobs["firmwares"], type=list[str])
        self._roster.load(parts["roster"], ids=ids, firmwares=firmwares)
        self._extend()
        sessions = msgspec.msgpack.decode(blobs["sessions"], type=list[tuple[int, bytes]])
        self._corrections.load(sessions, parts["corrections"])
        self._pending.load(parts["pending"])
        self._lateness.load(parts["lateness"])
        for lane in ("stream", "wearer"):
            self._frozen[lane].table.load(parts[f"frozen.{lane}"])
            self._rest[lane].table.load(parts[f"rest.{lane}"])
        self._floor.runs.table.load(parts["floor"])
        self._aside = Aside.read(blobs, parts, observed_ms=self._clock.observed_ms)
        taught(self._detector, parts)
        self.shadow.load(parts, beside=parts.get(DETECTOR) or parts.get(INHERITED, {}))
        self._beats.load(parts["beats"], parts["beats.waiting"])
        self._watch.load(parts["watch"])
        self._silence.load(parts["silence"], self._roster.streams, self._lateness.streams)
        self._episodes.load(blobs["episodes"], parts["episodes"])
        self._counts.load(parts["counts"])
        self.sight = self.shadow.sight(self._detector.name)
