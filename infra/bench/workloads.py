"""The work that `pulsera bench operators` times: each family's, the gateway's and the hub's, on made input.

A workload yields rounds: what is called is one frame, or one batch of them, through everything that handles it.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid5

import numpy as np

from api.live.entries import Decoding
from api.live.hub import Client, Hub
from api.live.outbox import Outbox
from api.records import Caller
from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.earlier.shapes import TENSORS
from inference.slots import Bools, Ints
from infra.bench.load import Device as Sender
from infra.bench.made_frames import SPACE, records
from infra.bench.made_traces import Unseen, traces
from infra.bench.zones import NoZones, zone_bins
from infra.clocks import SystemClock
from infra.detectors import PULSENET, shipped_detectors
from infra.metrics.meter import PrometheusMeter
from ingest.admission import Limits, Rate
from ingest.effects import Admit
from ingest.framing import Framer
from ingest.ports import Device
from ingest.session import DeviceSession
from schemas import alerts, episodes, frame
from schemas.alerts import Command, CommandKind
from schemas.live_protocol import Subscribe
from schemas.topics import EPISODES, PARTITIONS, READINGS, SCORES
from stream_processors.families.storage import SeriesBatch, StorageFamily
from stream_processors.families.video import VideoFamily
from stream_processors.families.vitals import VitalsFamily
from stream_processors.families.zones import ZonesFamily
from stream_processors.operators.care import Change, Moment, Tracked, answer_command, follow_episode
from stream_processors.operators.detector import Detector
from stream_processors.operators.earlier import EarlierDetector
from stream_processors.operators.eviction import Parts, Remaining
from stream_processors.operators.pending import FACT
from stream_processors.operators.resting import RestingDetector
from stream_processors.ports import Emission, OffsetMove, Record, Roles

Round = Callable[[], object]
FRAMES_IN_A_BATCH: Final = 2
"""So few that their rows are merged on the spot, in the thread that is timed."""
_SNAPSHOT_EVERY: Final = 50
_MESSAGES: Final = 50
_SPACING_MS: Final = 100
_FOLLOWERS: Final = 10
_CAMERAS: Final = 2
_ROUNDS_S: Final = 5
"""Of the zones: a bin for every so many seconds of the other workloads."""
_FILMED_S: Final = 100
"""Beats are looked for from half a minute on, and their variability is told from a whole one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A partition of so many wearers, read once a second for so long, in frames of so many readings."""

    wearers: int
    readings: int
    seconds: int


def frames_of(size: Size) -> Iterator[Record]:
    """Yield the records of a partition of `readings.v1`."""
    made = records(wearers=size.wearers, readings=size.readings, seconds=size.seconds)
    for offset, (append_ms, batch) in enumerate(made):
        yield Record(
            topic=READINGS.name, partition=0, offset=offset, append_ms=append_ms, key=None, value=frame.encode(batch)
        )


def vitals(size: Size) -> Iterator[Round]:
    """Yield one step a frame; now and then the state is saved and read again, and a row is picked from a frame."""
    return _judged(VitalsFamily(), size)


def pulsenet(size: Size) -> Iterator[Round]:
    """Yield the same with the anomaly model and the shipped weights."""
    return _judged(VitalsFamily(models=shipped_detectors(PULSENET, PrometheusMeter())), size)


def _judged(family: VitalsFamily, size: Size) -> Iterator[Round]:
    state = family.open(0, None)
    for record in frames_of(size):
        saves = record.offset % _SNAPSHOT_EVERY == _SNAPSHOT_EVERY - 1

        def step(record: Record = record, *, saves: bool = saves) -> None:
            state.step(record)
            if saves:
                family.open(0, state.snapshot())
                family.pick(record, np.arange(family.rows(record), dtype=np.int64)[:1])

        yield step


def earlier(size: Size) -> Iterator[Round]:
    """Yield the same with the simple detector, and the earlier system's network with drawn weights in its shadow."""
    return _judged(VitalsFamily(models=_Shadowed(size.wearers)), size)


def zones(size: Size) -> Iterator[Round]:
    """Yield a bin of five minutes a round, as the one worker of the zones takes it; once all wearers are flagged."""
    state = ZonesFamily(NoZones(), PrometheusMeter()).open(None)
    for found in zone_bins(wearers=size.wearers, bins=size.seconds // _ROUNDS_S):

        def take(found: Sequence[Record] = found) -> None:
            for record in found:
                state.step(record)

        yield take


def storage(size: Size) -> Iterator[Round]:
    """Yield one batch of frames, with the scores and episodes that came of them, merged as for one transaction."""
    family = StorageFamily(_Unwritten(), PrometheusMeter(), clock=lambda: append_s, retention_days=36_500)
    state = VitalsFamily().open(0, None)
    waiting: list[Record] = []
    append_s = 0.0
    with asyncio.Runner() as runner:
        for record in frames_of(size):
            append_s = record.append_ms / 1000
            waiting.append(record)
            waiting += [_record(one, record) for one in state.step(record).emissions]
            if record.offset % FRAMES_IN_A_BATCH == FRAMES_IN_A_BATCH - 1:
                batch, waiting = waiting, []

                def write(batch: Sequence[Record] = batch) -> None:
                    runner.run(family.write([(one, family.read(one)) for one in batch], []))

                yield write


def care(size: Size) -> Iterator[Round]:
    """Yield one change of an episode a round, and what a person answers to it."""
    state = VitalsFamily().open(0, None)
    known: dict[UUID, Tracked] = {}
    for record in frames_of(size):
        moment = Moment(now_ms=record.append_ms, generation=1)
        for told in state.step(record).emissions:
            if told.topic == EPISODES.name:
                yield partial(_follow, known, told, moment)


def forgetting(size: Size) -> Iterator[Round]:
    """Yield one look a round at a partition of which every other wearer goes, a few readings of theirs waiting."""
    stay = np.arange(size.wearers) % 2 == 0
    streams = np.concatenate(([0], np.arange(size.wearers)))
    facts = np.zeros((size.readings, len(FACT)), dtype=np.int64)
    facts[:, FACT["wearer"]] = np.arange(size.readings) % size.wearers
    for _ in range(size.seconds):
        parts: Parts = {
            "roster": {"wearer": streams.copy()},
            "pending": {"facts": facts.copy()},
            "beats.waiting": {"rows": facts.copy()},
        }
        yield partial(_forget, stay, streams, parts)


def gateway(size: Size) -> Iterator[Round]:
    """Yield 50 messages a round, one of each device, from text to a frame that is acknowledged."""
    clock = SystemClock()
    rounds = size.seconds
    batch = max(1, size.readings // _MESSAGES)
    sessions = [_session(number, clock) for number in range(_MESSAGES)]
    senders = [Sender(number, rounds) for number in range(_MESSAGES)]
    framer: Framer[DeviceSession] = Framer(now_s=0)
    for _ in range(rounds):
        texts = [sender.message(batch, _SPACING_MS).decode() for sender in senders]

        def messages(texts: Sequence[str] = texts) -> None:
            for session, text in zip(sessions, texts, strict=True):
                for effect in session.receive(text):
                    assert isinstance(effect, Admit)  # noqa: S101 - nothing in it could be refused
                    framer.add(session, effect, now_s=0)
            for made in framer.due(now_s=1, flush=True):
                for session, seqs in made.settles.items():
                    session.settled(seqs)
                framer.landed(made)

        yield messages


def live(size: Size) -> Iterator[Round]:
    """Yield one frame a round for ten sockets, half of which follow every tenth wearer; then what waits is taken."""
    ids = [uuid5(SPACE, str(number)) for number in range(0, size.wearers, 10)]
    hub = Hub(grants=_Everybody(ids), decoding=Decoding(lambda _: None), meter=PrometheusMeter())
    clients = []
    for number in range(_FOLLOWERS):
        caller = Caller(user_id=UUID(int=number), name="viewer", role="carer", token_sha256=b"")
        client = Client(caller=caller, outbox=Outbox(lambda _: None), again=lambda _: None)
        hub.join(client)
        clients.append(client)
        for place, wearer in enumerate(ids if number % 2 else [None]):
            subscription = hub.open(client, Subscribe(id=place, topic="readings", wearer=wearer))
            hub.start(subscription, {})
    for record in frames_of(size):

        def take(record: Record = record) -> None:
            for partition in range(PARTITIONS):
                hub.take(_at(record, partition))
            for client in clients:
                client.outbox.take(1 << 20)

        yield take


def video(size: Size) -> Iterator[Round]:
    """Yield one step a trace of half a second; now and then the state is saved and read again."""
    family = VideoFamily(Unseen(), PrometheusMeter())
    state = family.open(0, None)
    for record in traces(streams=_CAMERAS, seconds=min(size.seconds, _FILMED_S)):
        saves = record.offset % _SNAPSHOT_EVERY == _SNAPSHOT_EVERY - 1

        def step(record: Record = record, *, saves: bool = saves) -> None:
            state.expect([record])
            state.step(record)
            if saves:
                family.open(0, state.snapshot())

        yield step


WORKLOADS: Final[Mapping[str, Callable[[Size], Iterator[Round]]]] = {
    "gateway": gateway,
    "vitals": vitals,
    "pulsenet": pulsenet,
    "earlier": earlier,
    "zones": zones,
    "storage": storage,
    "care": care,
    "live": live,
    "forgetting": forgetting,
    "video": video,
}
"""What a round is: 50 messages; a frame, thrice; a frame of scores; a batch of two frames; a change of an episode; a
frame in each partition; a partition whose silent wearers go; half a second of a camera's colours."""


def _forget(stay: Bools, streams: Ints, parts: Parts) -> Parts:
    return Remaining(stay, streams).parts(parts)


class _Shadowed:
    """The simple detector alerts; the earlier network may only stand in its shadow."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        weights = {name: np.abs(draw.normal(size=shape)).astype(np.float32) for name, shape in TENSORS.items()}
        self._network = EarlierNetwork(weights)

    def roles(self) -> Roles:
        """Return both names."""
        return Roles(RestingDetector().name, "drawn")

    def detector(self, name: str) -> Detector:
        """Return a new one."""
        return EarlierDetector(self._network, name=name) if name == "drawn" else RestingDetector()


class _Unwritten:
    """A store that keeps nothing."""

    async def write(self, batch: SeriesBatch, moves: Sequence[OffsetMove]) -> None:
        """Take rows."""

    async def upkeep(self, *, oldest_us: int, newest_us: int) -> None:
        """Make no room."""


class _Everybody:
    """Grants of everything for the wearers named."""

    def __init__(self, wearers: Sequence[UUID]) -> None:
        self._wearers = frozenset(wearers)

    def holds(self, token_sha256: bytes) -> bool:
        """Return that every token is good."""
        return not token_sha256

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return what everybody may see."""
        del user_id
        return frozenset({"readings"}) if wearer in self._wearers else frozenset()

    def wearers(self, user_id: UUID, scope: str) -> frozenset[UUID]:
        """Return all wearers."""
        del user_id, scope
        return self._wearers

    def zone_scopes(self, user_id: UUID, zone: str) -> frozenset[str]:
        """Return nothing: no zone is followed."""
        del user_id, zone
        return frozenset()

    def zones(self, user_id: UUID, scope: str) -> frozenset[str]:
        """Return no zone."""
        del user_id, scope
        return frozenset()


def _record(emission: Emission, cause: Record) -> Record:
    assert emission.topic in {SCORES.name, EPISODES.name}  # noqa: S101 - all that vitals tells
    return Record(
        topic=emission.topic,
        partition=0,
        offset=cause.offset,
        append_ms=cause.append_ms,
        key=emission.key,
        value=emission.value,
    )


def _at(record: Record, partition: int) -> Record:
    return Record(
        topic=record.topic,
        partition=partition,
        offset=record.offset,
        append_ms=record.append_ms,
        key=None,
        value=record.value,
    )


def _follow(known: dict[UUID, Tracked], told: Emission, moment: Moment) -> None:
    episode = episodes.decode(told.value)
    alert = alerts.alert_id(episode.episode_id)
    _keep(known, follow_episode(known, episode, moment))
    kinds: tuple[CommandKind, ...] = ("seen", "acknowledge")
    for number, kind in enumerate(kinds):
        command = Command(
            command_id=UUID(int=number), kind=kind, alert_id=alert, subject=episode.subject, by=alert, by_name="Anna"
        )
        _keep(known, answer_command(known, command, moment).changes)


def _keep(known: dict[UUID, Tracked], changes: Sequence[Change]) -> None:
    known.update((change.after.alert.alert_id, change.after) for change in changes)


def _session(number: int, clock: SystemClock) -> DeviceSession:
    identity = uuid5(SPACE, str(number))
    limits = Limits()
    session = DeviceSession(
        Device(device_id=identity, number=number + 1, wearer=identity),
        session_id=identity,
        limits=limits,
        rate=Rate(limits, now_s=clock.monotonic_s()),
        clock=clock,
        resume=None,
    )
    hello = {"type": "hello", "boot": str(identity), "model": "bench", "firmware": "1", "origin": "simulated"}
    session.receive(json.dumps({**hello, "clock": clock.wall_us() // 1000}))
    return session
