"""Logging of every process: one JSON object a line on standard error, ours and the libraries' alike."""

import logging
import math
import sys
import time
from collections.abc import Callable

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
    handler.addFilter(_Calm())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("aiokafka", "kafka", "httpx", "httpcore", "websockets", "uvicorn.access", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
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


class _Calm(logging.Filter):
    """Lets what the Kafka libraries say again and again through once in half a minute, with how often they said it.

    A client whose coordinator has failed says so five times a second, for as long as it lasts.
    """

    _EVERY_S = 30.0
    _MOST = 1_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the first of each text; the first after half a minute tells how many were left out."""
        if not record.name.startswith(("aiokafka", "mode")):
            return True
        now_s, words = self._clock(), record.getMessage()
        text = (record.name, words)
        last_s, left_out = self._said.get(text, (-math.inf, 0))
        if now_s - last_s < self._EVERY_S:
            self._said[text] = (last_s, left_out + 1)
            return False
        if len(self._said) >= self._MOST:  # texts with ever new numbers in them
            self._said.clear()
        self._said[text] = (now_s, 0)
        if left_out:
            record.msg, record.args = f"{words} ({left_out + 1} times)", ()
        return True


class _Component:
    """Adds the process's name to a record."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"component": self._name, **event}
