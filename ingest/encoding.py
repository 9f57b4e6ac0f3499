"""The two encodings of the device protocol: the same messages as JSON text or as msgpack in binary frames."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ingest import salvage
from schemas.device_protocol import (
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Answer,
    Hello,
    Location,
    PulseInstruction,
    Readings,
    Trace,
)

UNREADABLE: Final = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""What `decode` raises for a message that does not fit its contract."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoding:
    """How messages are written.

    Attributes:
        subprotocol: The name that a handshake agrees on.
        what: What a message is, in words.
        text: Whether messages travel as text, else as binary.
        decode: Reads a message that fits its contract exactly; raises one of `UNREADABLE`.
        parse: Reads any other into plain objects, None where it is not an object at all.
        encode: Writes an answer or an instruction.
    """

    subprotocol: str
    what: str
    text: bool
    decode: Callable[[bytes], Hello | Readings | Trace | Location]
    parse: Callable[[bytes], dict[str, Any] | None]
    encode: Callable[[Answer | PulseInstruction], bytes]


JSON: Final = Encoding(
    subprotocol=SUBPROTOCOL_JSON,
    what="JSON object",
    text=True,
    decode=msgspec.json.Decoder(Hello | Readings | Trace | Location).decode,
    parse=salvage.parse,
    encode=msgspec.json.Encoder().encode,
)
MSGPACK: Final = Encoding(
    subprotocol=SUBPROTOCOL_MSGPACK,
    what="msgpack map",
    text=False,
    decode=msgspec.msgpack.Decoder(Hello | Readings | Trace | Location).decode,
    parse=salvage.unpack,
    encode=msgspec.msgpack.Encoder().encode,
)
BY_SUBPROTOCOL: Final = {encoding.subprotocol: encoding for encoding in (JSON, MSGPACK)}
