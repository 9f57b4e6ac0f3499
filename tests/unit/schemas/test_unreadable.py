"""Whatever bytes somebody puts onto a topic of events, reading them ends with one of our own errors."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas import alerts, dead_letters, episodes
from schemas.errors import ContractError

READERS: tuple[Callable[[bytes], Any], ...] = (
    episodes.decode,
    alerts.decode_change,
    alerts.decode_command,
    dead_letters.decode,
)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"specversion":"\xff"}', id="text that is no UTF-8"),
        pytest.param(b'{"a":' * 50_000, id="nested without end"),
        pytest.param(b"\x81\xa6family\xa1\xff", id="msgpack with text that is no UTF-8"),
        pytest.param(b"\x91" * 50_000, id="msgpack nested without end"),
    ],
)
@pytest.mark.parametrize("read", READERS)
def test_unreadable_bytes_are_refused_by_name(read: Callable[[bytes], Any], data: bytes) -> None:
    """Text that is no UTF-8 and nesting without end are refused like everything else that cannot be read."""
    with pytest.raises(ContractError):
        read(data)
