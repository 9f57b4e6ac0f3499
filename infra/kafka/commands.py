"""Appends commands for care to the partition of the alert's subject."""

import asyncio
import zlib
from typing import Final

from infra.kafka.publisher import KafkaPublisher
from schemas.alerts import Command, encode_command
from schemas.episodes import Subject
from schemas.errors import BrokerAwayError
from schemas.topics import COMMANDS, PARTITIONS, partition_of
from stream_processors.ports import Emission

_PATIENCE_S: Final = 5.0


class CommandLog:
    """Appends with `acks=all`, and gives up after five seconds so that a person learns that Kafka is away."""

    def __init__(self, publisher: KafkaPublisher) -> None:
        self._publisher = publisher

    async def append(self, command: Command) -> None:
        """Append a command and return when it is durable.

        Raises:
            BrokerAwayError: It is not known to be durable; the same command may be appended again.
        """
        emission = Emission(
            topic=COMMANDS.name,
            partition=_partition(command.subject),
            key=command.subject.key.encode(),
            value=encode_command(command),
        )
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._publisher.publish([emission])
        except TimeoutError as error:
            raise BrokerAwayError("Kafka did not take the command in time; try again.") from error


def _partition(subject: Subject) -> int:
    if subject.wearer is not None:
        return partition_of(subject.wearer)
    return zlib.crc32((subject.zone or "").encode()) % PARTITIONS
