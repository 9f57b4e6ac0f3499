"""The data folder of `up`: one owner at a time, a file that says what runs, and what a killed `up` left behind."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from schemas.errors import SetupError

_KILL_TIMEOUT_S = 10.0


@contextlib.contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Holds the folder for the length of a `with` block; raises SetupError where another `up` or other files are in it.

    The lock is the operating system's: it ends with the process, however that ends.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(data_dir.iterdir()) and not (data_dir / "lock").exists():
            raise SetupError(
                f"The folder {data_dir} holds other files, and none of Pulsera's.",
                next_step="Name an empty or a new folder with --data-dir.",
            )
        (data_dir / "lock").touch(mode=0o600)
        lock = (data_dir / "lock").open("a")
    except OSError as error:
        raise SetupError(
            f"The data folder {data_dir} cannot be written ({error.strerror}).",
            next_step="Choose another folder with --data-dir.",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = read_run_file(data_dir).get("supervisor")
            who = f" (process {owner})" if owner else ""
            raise SetupError(
                f"Another `pulsera up` already runs on {data_dir}{who}.",
                next_step="Stop it first, or choose another folder with --data-dir.",
            ) from error
        yield


def read_run_file(data_dir: Path) -> dict[str, Any]:
    """What the last `up` wrote about itself; empty where there is none, or it was cut short."""
    try:
        content = json.loads((data_dir / "run.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def write_run_file(data_dir: Path, pids: Mapping[str, int], **facts: str | None) -> None:
    """Says, for its owner's eyes only, what runs: the supervisor, each part's pid and when that process was created."""
    created = {}
    for pid in pids.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            created[str(pid)] = psutil.Process(pid).create_time()
    content = {"supervisor": os.getpid(), "pids": dict(pids), "created": created, **facts}
    write_private(data_dir / "run.json", json.dumps(content))


def write_private(file: Path, text: str) -> None:
    """Replaces a file's content at once, readable by its owner alone."""
    write_private_bytes(file, text.encode())


def write_private_bytes(file: Path, data: bytes) -> None:
    """Replaces a file's bytes at once, readable by its owner alone."""
    aside = file.with_name(f"{file.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as content:
        content.write(data)
    aside.replace(file)


def end_leftovers(data_dir: Path) -> list[str]:
    """Kills the parts of an `up` that was killed, where they still run; returns their names.

    On Linux they die with it; elsewhere they may not. A pid counts only with its process's time of creation: numbers
    are used again.
    """
    before = read_run_file(data_dir)
    created: dict[str, float] = before.get("created", {})
    ended = []
    for name, pid in before.get("pids", {}).items():
        try:
            process = psutil.Process(pid)
            if process.create_time() != created.get(str(pid)):
                continue
            process.kill()
            process.wait(_KILL_TIMEOUT_S)
        except psutil.NoSuchProcess:
            continue
        ended.append(name)
    return ended
