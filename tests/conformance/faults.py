"""Ports that fail on purpose, and a runner that dies on purpose."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import BrokerAwayError, ContractError, DatabaseAwayError
from schemas.topics import DEAD
from stream_processors.hosts.runner import Place, Runner
from stream_processors.ports import Emission, Publisher, Record, SavedState, StateStore


class DiedError(Exception):
    """Stands for the sudden end of a process."""


@dataclass
class FaultyPublisher:
    """Fails the next `away` calls as a broker that is away, after appending `half` of the records all the same."""

    inner: Publisher
    away: int = 0
    half: bool = False
    refuse_dead_letters: bool = False

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Publish, or fail."""
        if self.refuse_dead_letters and any(emission.topic == DEAD.name for emission in emissions):
            raise ContractError("refused on purpose")
        if self.away:
            self.away -= 1
            if self.half:
                await self.inner.publish(emissions[: (len(emissions) + 1) // 2])
            raise BrokerAwayError("away on purpose")
        await self.inner.publish(emissions)


@dataclass
class FaultyStore:
    """Fails the next `away` calls as a database that is away."""

    inner: StateStore
    away: int = 0
    saves: list[SavedState] = field(default_factory=list)

    async def load(self, family: str, topic: str, partition: int) -> SavedState | None:
        """Load, or fail."""
        self._fail()
        return await self.inner.load(family, topic, partition)

    async def save(self, state: SavedState, *, expected: int | None) -> None:
        """Save, or fail."""
        self._fail()
        await self.inner.save(state, expected=expected)
        self.saves.append(state)

    def _fail(self) -> None:
        if self.away:
            self.away -= 1
            raise DatabaseAwayError("away on purpose")


@dataclass
class MortalRunner:
    """A runner whose process dies when told to: nothing is saved, nothing of the batch in hand is committed."""

    inner: Runner
    die_before_work: bool = False
    die_before_commit: bool = False
    dead: bool = False
    batches: list[list[Record]] = field(default_factory=list)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to follow."""
        return self.inner.topics

    async def handle(self, records: Sequence[Record]) -> None:
        """Handle, and die where it was asked for."""
        if self.die_before_work:
            self._die()
        await self.inner.handle(records)
        self.batches.append(list(records))
        if self.die_before_commit:
            self._die()

    async def assigned(self, places: Collection[Place]) -> None:
        """Pass on."""
        await self.inner.assigned(places)

    async def revoked(self, places: Collection[Place]) -> None:
        """Pass on, unless dead."""
        if not self.dead:
            await self.inner.revoked(places)

    async def run(self) -> None:
        """Pass on."""
        await self.inner.run()

    async def stop(self) -> None:
        """Pass on, unless dead."""
        if not self.dead:
            await self.inner.stop()

    def position(self, place: Place) -> int | None:
        """Pass on."""
        return self.inner.position(place)

    def status(self) -> Mapping[str, Any]:
        """Pass on."""
        return self.inner.status()

    def _die(self) -> None:
        self.dead = True
        raise DiedError("died on purpose")
