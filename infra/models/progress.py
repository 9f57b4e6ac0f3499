"""Shows how far long work is: bars on a terminal, a plain line a stage elsewhere, always on standard error."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Stages:
    """The stages of one piece of work, one after the other."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=Console(stderr=True)) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begin(self, name: str) -> Callable[[int, int], None]:
        """Begin a stage; what is returned takes how much is done, and of how much."""
        if self._bars is None:
            sys.stderr.write(f"{name}\n")
            return lambda _done, _total: None
        bars, task = self._bars, self._bars.add_task(name, total=None)
        return lambda done, total: bars.update(task, completed=done, total=total)
