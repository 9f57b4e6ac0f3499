"""What kind of file it is, from its first bytes: only containers of video are handed to a decoder at all."""

import mmap
from pathlib import Path
from typing import Final

from schemas.errors import UnreadableVideoError

_HEAD: Final = 4096
_TS_PACKET: Final = 188
_EBML: Final = b"\x1a\x45\xdf\xa3"
_ASF: Final = bytes.fromhex("3026b2758e66cf11")
_MPEG: Final = (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
_SOUND: Final = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"fLaC", b"#!AMR")
_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def check(path: Path) -> None:
    """Make sure that a file is there and is a container of video by its bytes, whatever it is called.

    Raises:
        UnreadableVideoError: It is missing, empty, sound alone, incomplete, or something else.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if not head:
                raise UnreadableVideoError("empty", f"{path.name} is empty.")
            _check_head(path.name, head)
            if head[4:8] in _BOXES:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                    _check_boxes(path.name, whole)
    except OSError as error:
        raise UnreadableVideoError("missing", f"{path.name} cannot be read: {error.strerror or error}.") from error


def _check_head(name: str, head: bytes) -> None:
    if head.startswith(_SOUND) or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        raise UnreadableVideoError("audio_only", f"{name} holds sound and no picture.")
    riff = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    stream = head[:1] == b"G" and head[_TS_PACKET : _TS_PACKET + 1] == b"G"
    known = (_EBML, _ASF, *_MPEG, b"FLV\x01", b"OggS")
    if not (riff or stream or head[4:8] in _BOXES or head.startswith(known)):
        raise UnreadableVideoError("not_a_video", f"{name} is no video file: MP4, MOV, AVI, WebM or MKV are read.")


def _check_boxes(name: str, whole: mmap.mmap) -> None:
    if whole.find(b"moov") < 0 and whole.find(b"moof") < 0:
        raise UnreadableVideoError("incomplete", f"{name} is cut off: the index that an MP4 needs is missing.")
    if whole.find(b"vide") < 0 and whole.find(b"soun") >= 0:
        raise UnreadableVideoError("audio_only", f"{name} holds sound and no picture.")
