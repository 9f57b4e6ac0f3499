"""Takes a video from a request's body into a file, piece by piece: multipart/form-data, or JSON with an address."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Annotated, Final

import msgspec
import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.errors import RefusedError
from schemas.errors import UNREADABLE

MOST_VIDEO_BYTES: Final = 256 * 1024 * 1024
MOST_BODY_BYTES: Final = MOST_VIDEO_BYTES + 65_536
WHOLE_WITHIN_S: Final = 180.0
"""A body must be whole after so long."""
FIELD: Final = "file"

_WRITE_BYTES: Final = 1_048_576
_MOST_PARTS: Final = 16
_JSON_MOST_BYTES: Final = 65_536
_TYPES: Final = ("video/", "application/octet-stream", "application/mp4", "application/x-matroska")


class VideoAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The earlier service's body; anything else in it is ignored."""

    recording_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    video_url: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]


@dataclass(slots=True, kw_only=True)
class _Part:
    name: bytes = b""
    media_type: bytes = b""


class _Form:
    """What the parser tells, kept: the bytes of the one file, and nothing of other fields."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.waiting_bytes = 0
        self.file_bytes = 0
        self.files = 0
        self.media_type = b""
        self.whole = False
        self._parts = 0
        self._part = _Part()
        self._header = b""
        self._value = b""

    def parser(self, boundary: bytes) -> MultipartParser:
        """Return the parser that tells this form."""
        callbacks: python_multipart.multipart.MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        return MultipartParser(boundary, callbacks, max_size=MOST_BODY_BYTES)

    def taken(self) -> bytes:
        """Return what waits to be written."""
        data = b"".join(self.waiting)
        self.waiting, self.waiting_bytes = [], 0
        return data

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise RefusedError(422, "invalid", f"A form of more than {_MOST_PARTS} fields is not read.", field="body")
        self._part = _Part()
        self._header, self._value = b"", b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        name = self._header.lower()
        if name == b"content-disposition":
            self._part.name = parse_options_header(self._value)[1].get(b"name", b"")
        elif name == b"content-type":
            self._part.media_type = parse_options_header(self._value)[0].lower()
        self._header, self._value = b"", b""

    def _headers_end(self) -> None:
        if self._part.name != FIELD.encode():
            return
        self.files += 1
        if self.files > 1:
            raise RefusedError(422, "invalid", "Send one video at a time.", field=FIELD)
        check_media_type(self._part.media_type.decode("latin-1"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name != FIELD.encode():
            return
        self.waiting.append(bytes(data[start:end]))
        self.waiting_bytes += end - start
        self.file_bytes += end - start
        if self.file_bytes > MOST_VIDEO_BYTES:
            raise too_large()

    def _end(self) -> None:
        self.whole = True


def too_large() -> RefusedError:
    """Return the refusal of a video that is too large."""
    return RefusedError(413, "too_large", f"A video may have {MOST_VIDEO_BYTES // 1_048_576} MiB.", field=FIELD)


def check_media_type(media_type: str) -> None:
    """Return only if a declared type may be a video's; none declared says nothing.

    Raises:
        RefusedError: It is the type of something else.
    """
    if media_type and not media_type.startswith(_TYPES):
        raise RefusedError(
            415, "unsupported_media_type", "The file is declared as something else than a video.", field=FIELD
        )


def media_type_of(content_type: str) -> tuple[str, bytes]:
    """Return a body's type and, of a form, its boundary.

    Raises:
        RefusedError: It is neither a form nor JSON, or a form without a boundary.
    """
    kind, options = parse_options_header(content_type)
    media_type = kind.decode("latin-1").lower()
    boundary = options.get(b"boundary", b"")
    if media_type not in {"multipart/form-data", "application/json"}:
        raise RefusedError(
            415,
            "unsupported_media_type",
            "Send multipart/form-data with the video as `file`, or JSON with recording_id and video_url.",
        )
    if media_type == "multipart/form-data" and not boundary:
        raise RefusedError(422, "invalid", "body: The form names no boundary.", field="body")
    return media_type, boundary


async def receive_form(pieces: AsyncIterator[bytes], boundary: bytes, file: IO[bytes]) -> None:
    """Write the field `file` of a form into a file; disk work is done in a thread.

    Raises:
        RefusedError: It is no form, has no video in it, or one that is too large or of another type.
    """
    form = _Form()
    try:
        parser = form.parser(boundary)
        async for piece in pieces:
            parser.write(piece)
            if form.waiting_bytes >= _WRITE_BYTES:
                await _write(file, form.taken())
        parser.finalize()
    except FormParserError as error:
        raise RefusedError(422, "invalid", "body: It is no multipart form.", field="body") from error
    if not form.whole:
        raise RefusedError(422, "invalid", "body: The form ends before its end.", field="body")
    if not form.files:
        raise RefusedError(422, "invalid", f"{FIELD}: Field required: the video.", field=FIELD)
    if not form.file_bytes:
        raise RefusedError(422, "undecodable", "The file is empty.", reason="undecodable", field=FIELD)
    await _write(file, form.taken())


async def receive_address(pieces: AsyncIterator[bytes]) -> VideoAddress:
    """Return the address that a JSON body names.

    Raises:
        RefusedError: It is no JSON, is too large, or lacks a field.
    """
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > _JSON_MOST_BYTES:
            raise RefusedError(413, "too_large", "The body is too large.")
    try:
        return msgspec.json.decode(bytes(body), type=VideoAddress)
    except msgspec.ValidationError as error:
        problem = str(error)
        field = next((name for name in VideoAddress.__struct_fields__ if name in problem), "body")
        raise RefusedError(422, "invalid", f"{field}: {problem}", field=field) from error
    except UNREADABLE as error:
        raise RefusedError(422, "invalid", "body: The body is not JSON.", field="body") from error


async def _write(file: IO[bytes], data: bytes) -> None:
    try:
        await asyncio.to_thread(file.write, data)
    except OSError as error:
        raise RefusedError(503, "no_room", "There is no room for the video on this computer.") from error
