"""Looks at what an evaluation is given before an hour's work, and says in a sentence what to give instead."""

from pathlib import Path
from typing import Final

from inference.recordings.tables import head
from schemas.errors import RecordingError

_COLUMNS: Final = ("user", "time", "hr", "steps")
_FITBIT: Final = "name a CSV of minutes with the columns user, time, hr, steps (it may be gzipped): --fitbit FILE"
_STRESS: Final = "name the folder that holds S01, S02, ...: --stress-predict DIR, or leave it out"


def check(*, fitbit: Path, stress_predict: Path | None) -> None:
    """Look at the first line of the recording, and at the folder.

    Raises:
        RecordingError: One of them cannot be what is meant.
    """
    if fitbit.is_dir():
        raise RecordingError(f"{fitbit} is a folder; {_FITBIT}.")
    if not fitbit.is_file():
        raise RecordingError(f"There is no file {fitbit}; {_FITBIT}.")
    columns = head(fitbit)
    if not any(columns):
        raise RecordingError(f"{fitbit} is empty; {_FITBIT}.")
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise RecordingError(f"{fitbit} has no column {' and no column '.join(missing)} in its first line; {_FITBIT}.")
    if stress_predict is not None and not stress_predict.is_dir():
        what = "is a file" if stress_predict.exists() else "is not there"
        raise RecordingError(f"{stress_predict} {what}; {_STRESS}.")
