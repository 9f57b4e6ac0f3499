"""Looks at somebody's model of strain in a process with bounds, and keeps it: `python -m infra.models.own_strain`."""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from inference.strain.own import FILE, MOST_BYTES
from infra.rppg.analysis_process import confine
from schemas.errors import ContractError, SetupError

WITHIN_S: Final = 60.0


def keep(source: Path, folder: Path, *, within_s: float = WITHIN_S) -> Path:
    """Check a model and copy it into the folder of models; return where it is.

    Raises:
        SetupError: It cannot be read or written.
        ContractError: It is none that may be kept.
    """
    try:
        with source.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SetupError(f"{source} cannot be read: {error.strerror}.") from error
    refused = looked_at(data, within_s=within_s)
    if refused is not None:
        raise ContractError(f"{source}: {refused}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as written:
            written.write(data)
        kept = folder / FILE
        Path(written.name).replace(kept)
    except OSError as error:
        raise SetupError(f"{folder} cannot be written: {error.strerror}.") from error
    return kept


def looked_at(data: bytes, *, within_s: float) -> str | None:
    """Return why a model may not be kept, None where it may; nothing of it runs in this process."""
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "infra.models.own_strain", str(os.getpid())],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"The model says nothing within {within_s:g} s."
    said = b""
    if ended.returncode == 0:
        said = ended.stdout
    try:
        refused: str | None = msgspec.json.decode(said, type=dict[str, str | None])["refused"]
    except (msgspec.DecodeError, KeyError):
        return "The model ended the process that tried it."
    return refused


def main(parent: int) -> None:
    """Write why the model on standard input may not be kept, or null."""
    from inference.strain.own import OwnModel

    confine(parent)
    refused: str | None = None
    try:
        OwnModel(sys.stdin.buffer.read(MOST_BYTES + 1))
    except ContractError as error:
        refused = str(error)
    sys.stdout.buffer.write(msgspec.json.encode({"refused": refused}))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(int(sys.argv[1]))
