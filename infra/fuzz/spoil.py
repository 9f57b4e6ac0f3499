"""Spoils what is valid, from a seed: bits, tokens, structure and length."""

import json
import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import msgspec

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null')
_PAIR: Final = re.compile(r'"[a-z_0-9]+":(?:"[^"]*"|-?\d+(?:\.\d+)?|true|false|null)')
_DEEP: Final = 8_000

TOKENS: Final = (
    "1e400", "-1e400", "1e308", "-0.0", "5e-324", "0", "-1", "0.5", "9" * 5_000, "1795248000000",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
    "true", "false", "null", "{}", "[]", '""', '"x"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\uffff"',
    '"' + "x" * 4_000 + '"', "[" * _DEEP + "]" * _DEEP, '{"a":' * _DEEP + "1" + "}" * _DEEP,
    '"2026-11-21T08:00:00"', '"2026-11-21T08:00:00+99:99"', '"2026-11-21T08:00:60Z"', '"2026-11-21T08:00:00.1234567Z"',
    '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59.999999-14:00"', '"00000000-0000-0000-0000-000000000000"',
    '"readings"', '"hello"', '"event"', '"video"', '"subscribe"', '"unsubscribe"', '"watch"', '"heart_rate"',
    '"alerts"', '"zones"', '"type"', '"id"', '"seq"', '"hrv"',
)  # fmt: skip
"""What takes the place of a token of JSON: wrong types, and what lies at the bounds of a type."""

_NO_JSON: Final = (
    "NaN", "Infinity", "-Infinity", "[[[[", "}", ",", "\x00", "01", "+1", "1_000", "0x10", "//", "'x'", '"', "\ufeff",
)  # fmt: skip

_VALUES: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 2**63, 2**64 - 1, -(2**63), float("nan"), float("inf"), 1e308, "", "\0", "x" * 4_000, b"\xff\0",
    [], {}, [[[]]], {"a": {"a": {}}}, msgspec.msgpack.Ext(1, b"x"), msgspec.msgpack.Ext(-1, b"\xff" * 12), "readings",
)  # fmt: skip


class Spoiler:
    """Makes spoiled messages; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._text: tuple[Callable[[str], str], ...] = (
            *(self._token,) * 6, self._doubled, self._doubled, self._cut, self._mixed,
        )  # fmt: skip
        self._bytes: tuple[Callable[[bytes], bytes], ...] = (
            self._bits, self._bits, self._truncated, self._spliced, self._run, self._grown,
        )  # fmt: skip

    def json(self, message: Mapping[str, Any]) -> bytes:
        """Return a message as JSON, spoiled up to three times; sometimes it is not valid UTF-8 any more."""
        text = json.dumps(message, separators=(",", ":"))
        for _ in range(self.random.randint(1, 2)):
            text = self.random.choice(self._text)(text)
        data = text.encode("utf-8", "surrogatepass")
        return self.octets(data) if self.random.random() < 0.15 else data

    def msgpack(self, message: Mapping[str, Any]) -> bytes:
        """Return a message as MessagePack, spoiled in its values, its bytes, or both."""
        made: Any = dict(message)
        if self.random.random() < 0.6:
            made[self.random.choice([*made, "x"])] = self.random.choice(_VALUES)
        data = msgspec.msgpack.encode(made)
        return self.octets(data) if self.random.random() < 0.6 else data

    def octets(self, data: bytes) -> bytes:
        """Return bytes with flipped bits, a piece cut out, doubled, overwritten or added."""
        return self.random.choice(self._bytes)(data)

    def _token(self, text: str) -> str:
        found = list(_TOKEN.finditer(text))
        if not found:
            return self.random.choice(TOKENS)
        at = self.random.choice(found)
        other = self.random.choice(TOKENS if self.random.random() < 0.9 else _NO_JSON)
        return text[: at.start()] + other + text[at.end() :]

    def _doubled(self, text: str) -> str:
        """Repeat a key, with its own value or another's."""
        found = [one.group() for one in _PAIR.finditer(text)]
        if not found:
            return text + text
        name = self.random.choice(found).partition(":")[0]
        value = self.random.choice(found).partition(":")[2]
        return text.replace("{", f"{{{name}:{value},", 1)

    def _cut(self, text: str) -> str:
        return text[: self.random.randrange(len(text) + 1)]

    def _mixed(self, text: str) -> str:
        """Put a piece of the message somewhere else in it."""
        if not text:
            return text
        start = self.random.randrange(len(text))
        piece = text[start : start + self.random.randint(1, 60)]
        at = self.random.randrange(len(text) + 1)
        return text[:at] + piece + text[at:]

    def _bits(self, data: bytes) -> bytes:
        spoiled = bytearray(data)
        for _ in range(self.random.randint(1, 8) if spoiled else 0):
            spoiled[self.random.randrange(len(spoiled))] ^= 1 << self.random.randrange(8)
        return bytes(spoiled)

    def _truncated(self, data: bytes) -> bytes:
        return data[: self.random.randrange(len(data) + 1)]

    def _spliced(self, data: bytes) -> bytes:
        if not data:
            return data
        start, at = self.random.randrange(len(data)), self.random.randrange(len(data))
        piece = data[start : start + self.random.randint(1, 64)]
        return data[:at] + piece + data[at + self.random.choice((0, len(piece))) :]

    def _run(self, data: bytes) -> bytes:
        """Overwrite a run with zeros, ones or noise."""
        if not data:
            return data
        at = self.random.randrange(len(data))
        length = min(self.random.choice((1, 2, 4, 8, 16)), len(data) - at)
        filling = self.random.choice((b"\0" * length, b"\xff" * length, self.random.randbytes(length)))
        return data[:at] + filling + data[at + length :]

    def _grown(self, data: bytes) -> bytes:
        return data + self.random.randbytes(self.random.randint(1, 64))
