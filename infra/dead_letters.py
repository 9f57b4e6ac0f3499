"""Finds dead letters, and puts their records back onto their topics."""

from collections.abc import AsyncIterator

import structlog

from infra.embedded.data_dir import read_run_file
from infra.kafka.publisher import KafkaPublisher
from infra.kafka.reader import KafkaReader
from infra.settings import Settings
from schemas.dead_letters import DeadLetter, decode
from schemas.errors import ContractError, SetupError
from schemas.topics import DEAD, PARTITIONS
from stream_processors.ports import Emission

_LOG = structlog.get_logger(__name__)


def pick(letters: list[DeadLetter], name: str) -> DeadLetter:
    """Return the newest letter of this name; raises SetupError where there is none."""
    for letter in reversed(letters):
        if letter.record_key.decode() == name:
            return letter
    raise SetupError(f"There is no dead letter {name}.", next_step="`pulsera dead-letters list` names them.")


async def all_letters(settings: Settings) -> list[DeadLetter]:
    """Return every dead letter that the log holds, partition by partition.

    Raises:
        SetupError: Nothing says where Kafka is.
        BrokerAwayError: Kafka does not answer.
    """
    return [letter async for letter in _read(_bootstrap(settings))]


async def append_again(settings: Settings, letter: DeadLetter) -> None:
    """Append a letter's record to its topic and partition; returns when it is durable.

    Raises:
        SetupError: Its bytes were not kept.
    """
    if not letter.value:
        raise SetupError(
            f"The bytes of this record of {letter.topic} were not kept: the letter only tells where it lay.",
            next_step="The device has to send anew what it still has.",
        )
    publisher = KafkaPublisher(_bootstrap(settings))
    try:
        record = Emission(topic=letter.topic, partition=letter.partition, key=letter.key, value=letter.value)
        await publisher.publish([record])
    finally:
        await publisher.close()


def _bootstrap(settings: Settings) -> str:
    known = settings.kafka_bootstrap or read_run_file(settings.data_dir.expanduser()).get("kafka")
    if not known:
        raise SetupError(
            f"No running Pulsera is known in {settings.data_dir}.",
            next_step="Start `pulsera up`; PULSERA_DATA_DIR names its folder, or PULSERA_KAFKA_BOOTSTRAP a broker.",
        )
    return str(known)


async def _read(bootstrap: str) -> AsyncIterator[DeadLetter]:
    reader = KafkaReader(bootstrap)
    try:
        for partition in range(PARTITIONS):
            start, end = await reader.bounds(DEAD.name, partition)
            async for records in reader.read(DEAD.name, partition, start, end):
                for record in records:
                    try:
                        yield decode(record.value)
                    except ContractError as error:
                        _LOG.warning("no_dead_letter", partition=partition, offset=record.offset, reason=str(error))
    finally:
        await reader.close()
