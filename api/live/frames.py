"""WebSocket frames of a whole batch of messages, so that many updates cost one write."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

FRAMES: Final = "pulsera.frames"
"""Key of a `websocket.send` event that carries finished frames; the server's protocol class writes them as they are."""

_FINAL_TEXT: Final = 0x81
_SHORT: Final = 125
_MEDIUM: Final = 65_535


@lru_cache(maxsize=4_096)
def _head(length: int) -> bytes:
    """Return the head of a final, unmasked text frame (RFC 6455, 5.2)."""
    if length <= _SHORT:
        return bytes((_FINAL_TEXT, length))
    if length <= _MEDIUM:
        return bytes((_FINAL_TEXT, 126)) + length.to_bytes(2, "big")
    return bytes((_FINAL_TEXT, 127)) + length.to_bytes(8, "big")


def text_frames(messages: Sequence[bytes]) -> bytes:
    """Return one text frame a message, one after another; each message is UTF-8."""
    parts: list[bytes] = []
    for message in messages:
        parts.append(_head(len(message)))
        parts.append(message)
    return b"".join(parts)
