"""Video files that are not as they should be, made from good ones."""

import struct
import wave
from pathlib import Path
from typing import Final

_PARENTS: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_TYPE: Final = 4
_MATRIX_AT: Final = 36
_ONE: Final = 0x10000


def turned(source: Path, target: Path) -> Path:
    """Write an MP4 again, with a note that a player must turn it by 90 degrees."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + _TYPE + 4 + _MATRIX_AT
    data[at : at + 36] = struct.pack(">9i", 0, _ONE, 0, -_ONE, 0, 0, 0, 0, 0x40000000)
    target.write_bytes(data)
    return target


def uneven(source: Path, target: Path) -> Path:
    """Write an MP4 again, its second half at half the frame rate."""
    data = bytearray(source.read_bytes())
    at = data.index(b"stts")
    count, delta = struct.unpack(">II", data[at + 12 : at + 20])
    entries = struct.pack(">IIIII", 2, count // 2, delta, count - count // 2, 2 * delta)
    data[at + 8 : at + 20] = entries
    for name in (*_PARENTS, b"stts"):
        place = data.index(name) - 4
        (size,) = struct.unpack(">I", data[place : place + 4])
        data[place : place + 4] = struct.pack(">I", size + 8)
    # The edit list tells the old length, beyond which frames would be dropped.
    edits = data.index(b"edts")
    data[edits : edits + 4] = b"free"
    target.write_bytes(data)
    return target


def cut(source: Path, target: Path, share: float) -> Path:
    """Write the first part of a file."""
    data = source.read_bytes()
    target.write_bytes(data[: round(len(data) * share)])
    return target


def sound(target: Path) -> Path:
    """Write a second of silence as WAV."""
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))
    return target


def sound_in_mp4(target: Path) -> Path:
    """Write the boxes of an MP4 whose one track is sound."""
    handler = _box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    movie = _box(b"moov", _box(b"trak", _box(b"mdia", handler)))
    target.write_bytes(_box(b"ftyp", b"M4A \x00\x00\x00\x00") + _box(b"mdat", bytes(64)) + movie)
    return target


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content
