"""One line on standard error that tells how far a command is."""

import sys
import time
from collections.abc import Callable
from typing import Final

import typer

_PLAIN_EVERY_S: Final = 5.0


class ProgressLine:
    """Rewritten in place on a terminal, a new line now and then elsewhere."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._terminal = sys.stderr.isatty()
        self._shown_s = float("-inf")

    def show(self, text: str) -> None:
        """Tell how far it is."""
        if self._terminal:
            typer.echo(f"\r\x1b[2K{text}", err=True, nl=False)
        elif self._monotonic_s() - self._shown_s >= _PLAIN_EVERY_S:
            self._shown_s = self._monotonic_s()
            typer.echo(text, err=True)

    def end(self, text: str) -> None:
        """Tell how it ended."""
        typer.echo(f"\r\x1b[2K{text}" if self._terminal else text, err=True)
