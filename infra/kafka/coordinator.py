"""Whether Kafka's coordinator of a consumer group answers, asked beside the group's members, whichever host they run.

A broker can serve topics while the coordinator of a group has failed inside it and stays so until that broker is
restarted: members are then answered NOT_COORDINATOR for ever, and nothing is handed to the family.
"""

import asyncio
import enum
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)

_LOG = structlog.get_logger(__name__)

ABSENT_AFTER_S: Final = 20.0
"""A coordinator that was killed answers within some seconds of its broker, on a busy computer too; after 30 s without
heartbeats a member of ours has lost its partitions."""
_EVERY_S: Final = 2.0
_PATIENCE_S: Final = 4.0
_REFUSALS: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_AWAY: Final = (KafkaError, OSError, TimeoutError)


class Answer(enum.Enum):
    """What came of asking for a group."""

    ANSWERS = "the coordinator answers"
    REFUSES = "the brokers answer, the coordinator does not"
    AWAY = "no broker answers"


class Absence:
    """For how long one coordinator has not answered while the brokers did."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def saw(self, answer: Answer, now_s: float) -> float:
        """Return the seconds since the first refusal in a row; a broker that is away begins anew when it is back."""
        if answer is not Answer.REFUSES:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        return 0.0 if self._since_s is None else now_s - self._since_s


def is_absent(seconds: float) -> bool:
    """Whether this is longer than a healthy broker takes."""
    return seconds >= ABSENT_AFTER_S


def absence_sentence(group: str) -> str:
    """Return what a person is told."""
    return f"Kafka's coordinator of the group {group} does not answer."


class CoordinatorProbe:
    """Asks the brokers for groups over a connection of its own, which is made anew after a failure."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin: AIOKafkaAdminClient | None = None

    async def ask(self, group: str) -> Answer:
        """Return whether the coordinator of a group answers; takes twice four seconds at most."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                admin = await self._connected()
                node = await admin.find_coordinator(group)
        except _REFUSALS:
            return Answer.REFUSES
        except _AWAY:
            await self.close()
            return Answer.AWAY
        try:
            async with asyncio.timeout(_PATIENCE_S):
                answers = await admin.describe_consumer_groups([group], group_coordinator_id=node)
        except _AWAY:
            await self.close()
            return Answer.REFUSES
        codes = [described[0] for answer in answers for described in answer.groups]
        return Answer.REFUSES if any(for_code(code) in _REFUSALS for code in codes) else Answer.ANSWERS

    async def close(self) -> None:
        """Close the connection."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        return self._admin


async def absences(bootstrap: str, groups: Sequence[str]) -> AsyncGenerator[Mapping[str, float], None]:
    """Yield every two seconds, for ever, how many seconds each group's coordinator has not answered."""
    probe = CoordinatorProbe(bootstrap)
    watched = {group: Absence() for group in groups}
    try:
        while True:
            seconds = {}
            for group, absence in watched.items():
                seconds[group] = absence.saw(await probe.ask(group), time.monotonic())
            yield seconds
            await asyncio.sleep(_EVERY_S)
    finally:
        await probe.close()


class GroupWatch:
    """What one worker says about the coordinator of its group: in its health answer, as a figure, and in its log."""

    def __init__(self, group: str, gauge: Callable[[str, float], None]) -> None:
        self._group = group
        self._gauge = gauge
        self._absent = False

    async def follow(self, bootstrap: str) -> None:
        """Watch until cancelled."""
        async with aclosing(absences(bootstrap, [self._group])) as seen:
            async for seconds in seen:
                self.take(seconds[self._group])

    def take(self, missing_s: float) -> None:
        """Take how long the group has been without; speaks once when it begins and once when it ends."""
        self._gauge("coordinator_missing_seconds", missing_s)
        absent = is_absent(missing_s)
        if absent and not self._absent:
            _LOG.error("nothing is handed to this worker", reason=absence_sentence(self._group))
        elif self._absent and not absent:
            _LOG.info("Kafka's coordinator answers again", group=self._group)
        self._absent = absent

    def waiting(self) -> Mapping[str, str]:
        """Return what the worker waits for: nothing, or the coordinator."""
        return {"coordinator": absence_sentence(self._group)} if self._absent else {}
