"""Starts a process a video and ends it: at its limit, when nobody waits any more, when this process ends."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import structlog

from api.errors import BusyError, RefusedError
from inference.rppg.video.containers import check
from inference.strain.model import NO_MODEL, shipped
from schemas.errors import UnreadableVideoError

_LOG = structlog.get_logger(__name__)
_ROOT: Final = Path(__file__).resolve().parents[2]
_MODULE: Final = "infra.rppg.analysis_process"
_LONGEST_LINE: Final = 8 * 1024 * 1024
_RETRY_AFTER_S: Final = 30
_MOST_MESSAGES: Final = 100_000

Fetch = Callable[[str, IO[bytes]], Awaitable[None]]


class ChildVideos:
    """The API's `Videos`: files without names, a process of its own for each analysis."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        folder: Path | None = None,
        own: Path | None = None,
        command: Sequence[str] = ("-m", _MODULE),
    ) -> None:
        """`folder` is where uploads lie, None the temporary folder; `own` where an operator's model of strain may be.

        `command` is what Python runs.
        """
        self._fetch = fetch
        self._own = own
        self._folder = folder
        self._command = command

    @contextmanager
    def private_file(self) -> Iterator[IO[bytes]]:
        """Give an empty file without a name, which the system removes with its last opener."""
        try:
            if self._folder is not None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed below
        except OSError as error:
            _LOG.error("no file can be made for an upload", reason=error.strerror)
            raise _no_room() from error
        try:
            yield file
        finally:
            file.close()

    async def fetch(self, url: str, into: IO[bytes]) -> None:
        """Write what an address holds into a file.

        Raises:
            BusyError: There is no room for it.
            RefusedError: The address is refused, or holds no video.
        """
        try:
            await self._fetch(url, into)
        except OSError as error:
            raise _no_room() from error

    async def analyze(
        self, video: IO[bytes], *, region: str, progress: Callable[[float | None], None]
    ) -> dict[str, Any]:
        """Return what a video tells; cancelling it kills the process that decodes."""
        try:
            await asyncio.to_thread(video.flush)
        except OSError as error:
            raise _no_room() from error
        number = video.fileno()
        await asyncio.to_thread(_look, Path(f"/proc/self/fd/{number}"))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            str(os.getpid()),
            str(number),
            region,
            *([str(self._own)] if self._own is not None and self._own.is_file() else []),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
            env=_environment(),
            pass_fds=(number,),
            start_new_session=True,
        )
        try:
            last = await _last_message(process, progress)
            ended = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return _judged(last, ended)

    def components(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the decoder and the strain model, and whether they are there; nothing is loaded for it."""
        there = find_spec("cv2") is not None
        missing = None if there else "OpenCV is not installed."
        return {
            "rppg": {"available": there, "status": "OK" if there else "Unavailable", "error": missing},
            "ml_model": self._model(),
        }

    def _model(self) -> Mapping[str, Any]:
        if self._own is not None and self._own.is_file():
            return {"loaded": True, "status": "Loaded", "type": "own model, not validated by Pulsera", "error": None}
        manifest = shipped()
        if manifest is None:
            return {"loaded": False, "status": "Unavailable", "type": "strain", "error": NO_MODEL}
        return {"loaded": True, "status": "Loaded", "type": manifest.name, "error": None}


async def _last_message(
    process: asyncio.subprocess.Process, progress: Callable[[float | None], None]
) -> dict[str, Any] | None:
    """Return the last line that is no progress, None where the process says none."""
    if process.stdout is None:
        raise TypeError("The process was started without a pipe.")
    last: dict[str, Any] | None = None
    for _ in range(_MOST_MESSAGES):
        try:
            line = await process.stdout.readline()
            if not line:
                return last
            message = msgspec.json.decode(line, type=dict[str, Any])
        except (ValueError, msgspec.DecodeError):  # longer than any answer, or not what is expected
            return None
        if "progress" in message:
            progress(message["progress"])
        else:
            last = message
    return None


def _judged(last: dict[str, Any] | None, code: int) -> dict[str, Any]:
    said: dict[str, Any] = last if code == 0 and last is not None else {}
    if "analysis" in said:
        analysis: dict[str, Any] = said["analysis"]
        return analysis
    refused = said.get("unreadable")
    if refused is not None:
        raise RefusedError(422, "undecodable", refused["detail"], reason=refused["reason"])
    _LOG.error("the analysis of a video ended without an answer", code=code)
    if code == -signal.SIGKILL:
        raise BusyError("ended", "The system ended the analysis, perhaps for want of memory.", retry_after_s=60)
    if code < 0:
        raise RefusedError(422, "undecodable", "Decoding the file ended the decoder.", reason="undecodable")
    raise RefusedError(500, "internal", "The analysis failed here; its exit code is in the log.")


def _no_room() -> BusyError:
    return BusyError("no_room", "There is no room for a video on this computer now.", retry_after_s=_RETRY_AFTER_S)


def _look(path: Path) -> None:
    """Return only if the first bytes are a video's: most of what is none needs no process to be told."""
    try:
        check(path)
    except UnreadableVideoError as error:
        raise RefusedError(
            422, "undecodable", error.detail.replace(path.name, "The file", 1), reason=error.reason
        ) from error


def _environment() -> dict[str, str]:
    """Return all that a decoder is told of the world: no secret of ours, no other protocol than its one file."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(_ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file",
        "OPENCV_LOG_LEVEL": "OFF",
    }
