"""Tables of comma-separated values with a head, plain or gzipped: a fault is told with its file and line."""

import csv
import gzip
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from schemas.errors import RecordingError

_UNREADABLE: Final = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


@dataclass(frozen=True, slots=True)
class Row:
    """The wanted cells of one row, as text without the spaces around it; the line at which it ends."""

    path: Path
    line: int
    cells: tuple[str, ...]

    def number(self, column: int, *, name: str) -> float:
        """Return a cell as a finite number.

        Raises:
            RecordingError: It is none.
        """
        try:
            number = float(self.cells[column])
        except ValueError as error:
            raise self.wrong(f"{name} must be a number, found {self.cells[column]!r}") from error
        if not math.isfinite(number):
            raise self.wrong(f"{name} must be finite, found {self.cells[column]!r}")
        return number

    def number_or_nan(self, column: int, *, name: str) -> float:
        """Return a cell as a finite number, NaN where it is empty."""
        return self.number(column, name=name) if self.cells[column] else math.nan

    def seconds(self, column: int, *, name: str) -> int:
        """Return a cell that holds a time without a zone as the seconds since 1970 on that clock.

        Raises:
            RecordingError: It is none, or tells a zone.
        """
        try:
            time = datetime.fromisoformat(" ".join(self.cells[column].split()))
        except ValueError as error:
            raise self.wrong(f"{name} must be like 2016-04-02 09:49:00, found {self.cells[column]!r}") from error
        if time.tzinfo is not None:
            raise self.wrong(f"{name} must be without a zone, found {self.cells[column]!r}")
        return int(time.replace(tzinfo=UTC).timestamp())

    def wrong(self, what: str) -> RecordingError:
        """Return the error that this row is not as it should be."""
        return RecordingError(f"{self.path}, line {self.line}: {what}.")


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return all rows with the named columns, in the file's order; other columns are not kept.

    Raises:
        RecordingError: There is no such file, it cannot be read to its end, lacks a column, has a row of another
            length, or has no row.
    """
    _check(path)
    try:
        with _open(path) as file:
            rows = _rows(path, file, columns)
    except _UNREADABLE as error:
        raise RecordingError(f"{path} cannot be read: {error}.") from error
    if not rows:
        raise RecordingError(f"{path} has no rows below its head.")
    return rows


def head(path: Path) -> list[str]:
    """Return the names of the columns.

    Raises:
        RecordingError: There is no such file, or it cannot be read.
    """
    _check(path)
    try:
        with _open(path) as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except _UNREADABLE as error:
        raise RecordingError(f"{path} cannot be read: {error}.") from error


def _check(path: Path) -> None:
    if path.is_dir():
        raise RecordingError(f"{path} is a folder; name the file in it.")
    if not path.is_file():
        raise RecordingError(f"There is no file {path}.")


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if packed
        else path.open(encoding="utf-8-sig", newline="")
    )


def _rows(path: Path, file: TextIO, columns: Sequence[str]) -> list[Row]:
    reader = csv.reader(file)
    head = [name.strip() for name in next(reader, [])]
    missing = [name for name in columns if name not in head]
    if missing:
        found = f"its head is {', '.join(head)[:200]!r}" if head else "it is empty"
        raise RecordingError(f"{path} has no column {' and no column '.join(missing)}: {found}.")
    places = [head.index(name) for name in columns]
    rows = []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(head):
            raise RecordingError(
                f"{path}, line {reader.line_num}: expected {len(head)} columns as in the head, found {len(cells)}."
            )
        rows.append(Row(path, reader.line_num, tuple(cells[place].strip() for place in places)))
    return rows


def find(folder: Path, name: str) -> Path:
    """Return a folder's file NAME.csv, or NAME.csv.gz where that one is not there.

    Raises:
        RecordingError: There is no such folder, or neither file in it.
    """
    if not folder.is_dir():
        raise RecordingError(f"There is no folder {folder}.")
    plain = folder / f"{name}.csv"
    packed = folder / f"{name}.csv.gz"
    if not plain.is_file() and not packed.is_file():
        raise RecordingError(f"{folder} holds no {plain.name} and no {packed.name}.")
    return plain if plain.is_file() else packed
