"""A backup as files: a manifest, and the rows of each table (of each day of the large ones), compressed, with digests.

A folder, or one `.tar` file with the same inside. It appears under its name only when it is whole.
"""

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import msgspec
import pyarrow as pa

from infra.timescale.backup import Contents, Copy, Piece, put_back, snapshot
from infra.timescale.migrate import read_migrations
from schemas.errors import SetupError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_CODEC: Final = "zstd"

Say = Callable[[str], None]
"""Takes one line about how far the work has come."""


class StoredPiece(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup."""

    table: str
    columns: tuple[str, ...]
    day: str | None
    rows: int
    bytes: int
    sha256: str

    @property
    def piece(self) -> Piece:
        """What it holds."""
        return Piece(table=self.table, columns=self.columns, day=self.day)

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.piece.name}.copy.zst"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: int
    release: str
    taken_at: str
    variant: str
    schema: int
    cluster_id: str | None
    pieces: tuple[StoredPiece, ...]
    sequences: dict[str, int]
    offsets: tuple[tuple[str, str, int, int], ...]

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(piece.rows for piece in self.pieces)

    @property
    def bytes(self) -> int:
        """How large its files are."""
        return sum(piece.bytes for piece in self.pieces)


async def back_up(url: str, target: Path, *, say: Say) -> Manifest:
    """Write one moment of a database, which may go on working, into a new folder or a new `.tar` file.

    Raises:
        SetupError: The target is there already, cannot be written, or there is nothing to back up.
        DatabaseAwayError: The database went away; nothing is left behind.
    """
    with _written(target) as folder:
        async with snapshot(url) as moment:
            contents = moment.contents
            stored = []
            for number, piece in enumerate(contents.pieces, start=1):
                path = folder / f"{piece.name}.copy.zst"
                with _compressing(path) as sink:
                    rows = await moment.copy(piece, sink)
                stored.append(_stored(piece, path, rows))
                say(f"{number}/{len(contents.pieces)} {piece.name}: {rows:,} rows, {stored[-1].bytes:,} bytes")
            manifest = Manifest(
                format=FORMAT,
                release=version("pulsera"),
                taken_at=contents.taken_at,
                variant=contents.variant,
                schema=contents.schema,
                cluster_id=contents.cluster_id,
                pieces=tuple(stored),
                sequences=await moment.sequences(),
                offsets=contents.offsets,
            )
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup whose files were read and have the digests that its manifest says."""

    folder: Path
    manifest: Manifest


@contextlib.contextmanager
def verified(source: Path, *, say: Say) -> Iterator[Backup]:
    """Give a backup once every file of it is known to be whole.

    Raises:
        SetupError: It is not a backup, is of a later form, or a file of it is missing or damaged.
    """
    with _unpacked(source) as folder:
        manifest = _manifest(folder)
        for piece in manifest.pieces:
            path = folder / piece.file
            if not path.exists() or path.stat().st_size != piece.bytes or _digest(path) != piece.sha256:
                raise SetupError(
                    f"{piece.file} in {source} is missing or damaged.", next_step="Restore from another backup."
                )
        say(f"{source} is whole: {manifest.rows:,} rows of {manifest.taken_at}, schema {manifest.schema}")
        yield Backup(folder=folder, manifest=manifest)


async def restore(backup: Backup, url: str, *, new_log: bool, say: Say) -> int:
    """Put a verified backup in the place of the database at `url`; return the generation of alerts from now on.

    Raises:
        SetupError: A row count differs, or this user may not make databases; what was there is as it was.
        DatabaseAwayError: The server went away; what was there is as it was.
    """
    manifest = backup.manifest
    expected = {piece.piece: piece for piece in manifest.pieces}

    def told(piece: Piece, rows: int) -> None:
        if rows != expected[piece].rows:
            raise SetupError(f"{piece.name} came back with {rows} rows instead of {expected[piece].rows}.")
        say(f"{piece.name}: {rows:,} rows are back")

    copy = Copy(
        contents=Contents(
            taken_at=manifest.taken_at,
            variant="timescaledb" if manifest.variant == "timescaledb" else "plain",
            schema=manifest.schema,
            cluster_id=manifest.cluster_id,
            pieces=tuple(expected),
            offsets=manifest.offsets,
        ),
        sequences=manifest.sequences,
        rows=lambda piece: _decompressing(backup.folder / expected[piece].file),
        new_log=new_log,
    )
    return await put_back(url, copy, told=told)


@contextlib.contextmanager
def _written(target: Path) -> Iterator[Path]:
    """Give a private folder beside the target, which becomes the target when the block ends well."""
    if target.exists():
        raise SetupError(f"{target} is there already.", next_step="Name a new folder or a new .tar file.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise SetupError(f"{target.parent} cannot be written: {error.strerror}.") from error
    try:
        yield folder
        if target.suffix == ".tar":
            aside = folder.with_suffix(".tar")
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
                for path in sorted(folder.iterdir()):
                    archive.add(path, arcname=path.name)
            aside.replace(target)
        else:
            folder.rename(target)
    except OSError as error:
        raise SetupError(
            f"The backup could not be written: {error.strerror or error}.", next_step="Is the disk full?"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".tar").unlink(missing_ok=True)


@contextlib.contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield source
        return
    if not source.is_file() or not tarfile.is_tarfile(source):
        raise SetupError(f"{source} is not a backup.", next_step="Name what `pulsera backup` wrote.")
    with (
        tempfile.TemporaryDirectory(prefix=".pulsera-restore-", dir=source.absolute().parent) as folder,
        tarfile.open(source) as archive,
    ):
        archive.extractall(folder, filter="data")
        yield Path(folder)


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.exists():
        raise SetupError(f"{folder} holds no {MANIFEST}: it is not a backup.")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError as error:
        raise SetupError(f"{path} cannot be read: {error}.", next_step="Restore from another backup.") from error
    if manifest.format != FORMAT:
        raise SetupError(
            f"The backup has form {manifest.format}, this release knows {FORMAT}.",
            next_step=f"Restore it with release {manifest.release}.",
        )
    if manifest.schema > (known := len(read_migrations())):
        raise SetupError(
            f"The backup has schema {manifest.schema}, this release knows {known}.",
            next_step=f"Restore it with release {manifest.release}, or a newer one.",
        )
    return manifest


def _stored(piece: Piece, path: Path, rows: int) -> StoredPiece:
    size = path.stat().st_size
    return StoredPiece(
        table=piece.table, columns=piece.columns, day=piece.day, rows=rows, bytes=size, sha256=_digest(path)
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _compressing(path: Path) -> Iterator[BinaryIO]:
    with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, _CODEC) as stream:
        yield cast("BinaryIO", stream)


def _decompressing(path: Path) -> BinaryIO:
    stream: Any = pa.CompressedInputStream(pa.OSFile(str(path), "rb"), _CODEC)
    return cast("BinaryIO", stream)
