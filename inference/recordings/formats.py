"""Which format a recording has, guessed from a folder's files or a table's head; then it is read."""

from pathlib import Path
from typing import Final, Literal

from inference.recordings import fitbit_minutes, plain
from inference.recordings.e4 import Recording, read_e4
from inference.recordings.tables import head
from inference.recordings.track import Track, of_minutes
from schemas.errors import RecordingError

Format = Literal["e4", "fitbit", "csv"]
FORMATS: Final[tuple[Format, ...]] = ("e4", "fitbit", "csv")

_FITBIT: Final = frozenset({"user", "time", "hr", "steps"})


def guess(path: Path) -> Format:
    """Return the format: a folder is an Empatica E4's; a table with user, time, hr and steps holds Fitbit minutes.

    Raises:
        RecordingError: There is nothing, or it is of no format that is read.
    """
    if path.is_dir():
        return "e4"
    columns = set(head(path))
    if columns >= _FITBIT:
        return "fitbit"
    if plain.TIME in columns:
        return "csv"
    raise RecordingError(
        f"{path} is of no format that is read: its head is {', '.join(sorted(columns))[:200]!r}. A plain table begins "
        f"with {plain.EXAMPLE}, minutes of a Fitbit with user,time,hr,steps; a folder holds an Empatica E4's recording."
    )


def read(path: Path, form: Format | None = None) -> list[Recording | Track]:
    """Return the recordings of a file or folder, one a wearer; without `form` the format is guessed.

    Raises:
        RecordingError: It is not of this format; the message says where.
    """
    form = form or guess(path)
    if form == "e4":
        return [read_e4(path)]
    if form == "fitbit":
        return [of_minutes(series) for series in fitbit_minutes.read(path)]
    return list(plain.read(path))
