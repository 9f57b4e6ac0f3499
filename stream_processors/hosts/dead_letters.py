"""Sets a record aside that a family cannot use, so that it neither stops its partition nor is lost."""

import structlog

from schemas.dead_letters import DeadLetter, encode
from schemas.errors import ContractError
from schemas.topics import BY_NAME, DEAD
from stream_processors.hosts.retry import Patience
from stream_processors.hosts.runner import DeadLetterRefusedError
from stream_processors.ports import Emission, Meter, Publisher, Record

_LOG = structlog.get_logger(__name__)

_DETAIL_MOST = 500


class Undertaker:
    """Appends dead letters of one family and waits until they are durable."""

    def __init__(self, *, family: str, version: str, publisher: Publisher, meter: Meter, patience: Patience) -> None:
        self._family = family
        self._version = version
        self._publisher = publisher
        self._meter = meter
        self._patience = patience

    async def bury(self, record: Record, error: Exception) -> None:
        """Append the record, whole unless it is intimate, with where it lay and why it could not be used.

        Raises:
            DeadLetterRefusedError: The log does not take it: the worker must stop before the offset moves.
        """
        topic = BY_NAME.get(record.topic)
        letter = DeadLetter(
            family=self._family,
            version=self._version,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            append_ms=record.append_ms,
            error=type(error).__name__,
            detail=str(error)[:_DETAIL_MOST],
            key=record.key,
            value=b"" if topic is not None and topic.intimate else record.value,
        )
        emission = Emission(topic=DEAD.name, partition=record.partition, key=letter.record_key, value=encode(letter))
        try:
            await self._patience.insist("dead letter", lambda: self._publisher.publish([emission]))
        except ContractError as refused:
            raise DeadLetterRefusedError(
                f"{record.topic}/{record.partition}@{record.offset} can neither be used nor set aside: {refused}"
            ) from refused
        self._meter.count("dead_letters_total", topic=record.topic)
        _LOG.error(
            "set a record aside",
            family=self._family,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=letter.error,
            exc_info=None if isinstance(error, ContractError) else error,
        )
