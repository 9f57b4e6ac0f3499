"""What aiokafka's consumers read, in our own form."""

from typing import Any

from stream_processors.ports import Record


def record_of(raw: Any) -> Record:
    """Return a consumer's record; one without a value has an empty one."""
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        append_ms=raw.timestamp,
        key=raw.key,
        value=raw.value or b"",
    )
