"""Logging of every process: one JSON object a line on standard error, ours and the libraries' alike."""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure_logging(component: str, *, level: str = "info") -> None:
    """Sends structlog's and the standard library's records through one chain: time, level, component, event, fields."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _Component(component),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(_normal)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("aiokafka", "kafka", "httpx", "httpcore", "websockets", "uvicorn.access", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


_NORMAL = (
    "GroupCoordinatorNotAvailableError",
    "Marking the coordinator dead",
    "Timer commit is overlapping",
    "NotLeaderForPartition",  # the broker was slow for a moment; the client asks again
)


def _normal(record: logging.LogRecord) -> bool:
    """Keeps at information what the Kafka libraries say at a healthy start or on a busy computer.

    Nobody has to do anything about it; a broker that stays away is told of by other lines.
    """
    if record.name.startswith(("aiokafka", "mode")) and any(words in record.getMessage() for words in _NORMAL):
        record.levelno, record.levelname = logging.INFO, "INFO"
        return logging.getLogger().isEnabledFor(logging.INFO)
    return True


class _Component:
    """Adds the process's name to a record."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"component": self._name, **event}
