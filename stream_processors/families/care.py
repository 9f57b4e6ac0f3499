"""The care family: the single writer of alerts.

Episodes raise, renew and clear alerts; commands answer them. One batch is one transaction of the store, offsets
included. What it says to the world waits in the outbox of that transaction and is published in `settle`; a crash in
between publishes it again, and readers drop an (alert id, revision) that they have seen.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from schemas import alerts, episodes, topics
from schemas.alerts import Alert, Command
from schemas.episodes import Episode, Subject
from schemas.errors import ContractError
from stream_processors.operators.care import Answer, Change, Moment, Tracked, answer_command, follow_episode
from stream_processors.operators.rows import FrameRows
from stream_processors.ports import (
    CareBook,
    CareEntries,
    CareQuestion,
    CareStore,
    Emission,
    HistoryLine,
    OffsetMove,
    Publisher,
    Record,
)

PUBLISH_AT_ONCE: Final = 1000
_PAGING_TIERS: Final = (1, 2, 3)


class CareFamily(FrameRows):
    """Turns episodes and commands into alerts through a store, and publishes what changed."""

    name = "care"
    topics: tuple[str, ...] = (topics.EPISODES.name, topics.COMMANDS.name)
    version = "1"

    def __init__(self, store: CareStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    def read(self, record: Record) -> Episode | Command:
        """Return the episode or command in a record.

        Raises:
            ContractError: It is neither, or contradicts itself.
        """
        if record.topic == topics.COMMANDS.name:
            command = alerts.decode_command(record.value)
            _check_subject(command.subject)
            return command
        episode = episodes.decode(record.value)
        _check_subject(episode.subject)
        if episode.type == "physiological" and episode.tier not in _PAGING_TIERS:
            raise ContractError(f"A physiological episode has no tier {episode.tier}.")
        if (episode.phase == "ended") != (episode.end_reason is not None):
            raise ContractError("An episode has an end reason when it has ended, and only then.")
        return episode

    async def write(self, items: Sequence[tuple[Record, Episode | Command]], moves: Sequence[OffsetMove]) -> None:
        """Decide on a batch in the log's order and write it with its offsets in one transaction.

        Raises:
            PassingError: Try again with the same arguments.
            StaleOwnerError: An offset was not the expected one; nothing was written.
            ContractError: The database will never take these rows; nothing was written.
        """
        events = [event for _, event in items]

        await self._store.transact(_question(events), moves, lambda book: decide(events, book))

    async def settle(self, partitions: Collection[int]) -> None:
        """Publish what waits in the outbox of these partitions, in order, and mark it as published.

        Raises:
            PassingError: The broker or the database is away; what waits keeps waiting.
        """
        while waiting := await self._store.waiting(partitions, PUBLISH_AT_ONCE):
            await self._publisher.publish([emission for _, emission in waiting])
            await self._store.mark_published([number for number, _ in waiting])


def partition_of(subject: Subject) -> int:
    """Return the partition of a subject: the wearer's own, or that of the zone's name."""
    if subject.wearer is not None:
        return topics.partition_of(subject.wearer)
    return topics.partition_of((subject.zone or "").encode())


def decide(events: Sequence[Episode | Command], book: CareBook) -> CareEntries:
    """Return what a batch of episodes and commands writes, given what is known."""
    draft = _Draft(book)
    for event in events:
        if isinstance(event, Episode):
            draft.follow(event)
        else:
            draft.answer(event)
    return draft.entries()


class _Draft:
    """The book of a batch while decisions change it, and what is to be written of it."""

    def __init__(self, book: CareBook) -> None:
        self._moment = book.moment
        self._alerts = dict(book.alerts)
        self._answered = set(book.answered)
        self._early = list(book.early)
        self._changed: dict[UUID, Tracked] = {}
        self._history: list[HistoryLine] = []
        self._answers: dict[UUID, tuple[Command, Answer]] = {}
        self._outbox: list[Emission] = []

    def follow(self, episode: Episode) -> None:
        changes = follow_episode(self._alerts, episode, self._moment)
        self._keep(changes)
        for change in changes:
            if change.kind == "raised":
                self._answer_early(change.after.alert.alert_id)

    def answer(self, command: Command) -> None:
        if command.command_id in self._answered:
            return
        answer = answer_command(self._alerts, command, self._moment)
        self._answered.add(command.command_id)
        self._answers[command.command_id] = (command, answer)
        self._keep(answer.changes)
        if answer.early:
            self._early.append(command)

    def _answer_early(self, alert_id: UUID) -> None:
        for command in [each for each in self._early if each.alert_id == alert_id]:
            self._early.remove(command)
            self._answered.discard(command.command_id)
            self.answer(command)

    def entries(self) -> CareEntries:
        return CareEntries(
            alerts=list(self._changed.values()),
            history=self._history,
            answers=list(self._answers.values()),
            outbox=self._outbox,
        )

    def _keep(self, changes: Sequence[Change]) -> None:
        for change in changes:
            alert = change.after.alert
            self._alerts[alert.alert_id] = change.after
            self._changed[alert.alert_id] = change.after
            if change.recorded:
                self._history.append(
                    HistoryLine(
                        alert_id=alert.alert_id,
                        number=len(alert.events),
                        event=alert.events[-1],
                        command_id=change.command_id,
                    )
                )
            self._outbox.append(_announce(alert, change, self._moment))


def _question(events: Sequence[Episode | Command]) -> CareQuestion:
    commands = [event for event in events if isinstance(event, Command)]
    of_episodes = {alerts.alert_id(event.episode_id) for event in events if isinstance(event, Episode)}
    return CareQuestion(
        subjects={event.subject.key for event in events},
        alert_ids=of_episodes | {command.alert_id for command in commands},
        command_ids={command.command_id for command in commands},
    )


def _announce(alert: Alert, change: Change, moment: Moment) -> Emission:
    time = datetime.fromtimestamp(moment.now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Emission(
        topic=topics.ALERTS.name,
        partition=partition_of(alert.subject),
        key=alert.subject.key.encode(),
        value=alerts.encode_change(alert, time=time, change=change.kind),
    )


def _check_subject(subject: Subject) -> None:
    if (subject.wearer is None) == (not subject.zone):
        raise ContractError("A subject is one wearer or one zone.")
