"""Whether files that a long command is to write can be written, asked before it begins."""

import os
from pathlib import Path

from schemas.errors import SetupError


def check_written(*paths: Path | None) -> None:
    """Open each file as it will be written, and leave everything as it was; None is no file.

    Raises:
        SetupError: One cannot be written.
    """
    for path in paths:
        if path is None:
            continue
        there = os.path.lexists(path)
        try:
            with path.open("a"):
                pass
            if not there:
                path.unlink()
        except OSError as error:
            raise SetupError(
                f"{path} cannot be written ({error.strerror}).",
                next_step="Name a file of yours in a folder that is there.",
            ) from error
