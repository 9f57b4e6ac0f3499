"""What the two protocols say that a client may be answered; `docs/protocol.md` holds the same, and a test compares."""

from typing import Any, Final

DEVICE_ERRORS: Final = frozenset({"bad_hello", "already_greeted", "gap", "not_supported", "unknown_type"})
NACKS: Final = frozenset(
    {
        "out_of_range", "wrong_type", "not_finite", "unknown_field", "ambiguous_hrv", "bad_time", "naive_time",
        "future_time", "older_than_retention", "no_vital", "bad_source", "too_many_readings",
        "no_frames", "too_many_frames", "not_rising", "too_fast", "wrong_length", "wrong_sum", "not_jpeg",
        "bad_encoding", "missing", "stale_time",
    }
)  # fmt: skip
DEVICE_CLOSES: Final = frozenset({4400, 4401, 4408, 4409, 4413, 4429, 4503})
LIVE_ERRORS: Final = frozenset(
    {
        "not_found", "forbidden", "grant_withdrawn", "not_supported", "bad_message", "id_taken", "unknown_id",
        "too_many", "away",
    }
)  # fmt: skip
LIVE_CLOSES: Final = frozenset({1009, 4400, 4401, 4413, 4503})
WIRE_CLOSES: Final = frozenset({1000, 1002, 1003, 1005, 1007, 1009})
"""RFC 6455, 7.4.1: how a server closes on what is no WebSocket, or answers a close without a code (1005).

1011 would be a fault of ours.
"""
HTTP_REFUSALS: Final = frozenset({400, 401, 403, 404, 405, 413, 414, 426, 429, 431, 505})


def device_fault(message: Any) -> str | None:
    """Return what of an answer to a device is not as documented, None if nothing is."""
    kind = message.get("type") if isinstance(message, dict) else None
    if kind in {"welcome", "ack", "throttle", "instruction"}:
        return None
    if kind == "error":
        return None if message["code"] in DEVICE_ERRORS else f"an error {message['code']!r}"
    if kind == "nack":
        strange = {entry["code"] for entry in message["rejected"]} - NACKS
        return f"a nack {sorted(strange)}" if strange else None
    return f"a message {kind!r}"


def live_fault(message: Any) -> str | None:
    """Return what of an answer to a live client is not as documented, None if nothing is."""
    kind = message.get("type") if isinstance(message, dict) else None
    if kind in {"snapshot", "update", "unsubscribed"}:
        return None
    if kind == "error":
        return None if message["code"] in LIVE_ERRORS else f"an error {message['code']!r}"
    return f"a message {kind!r}"
