"""The logs of the parts: kept to a bounded size, their warnings and errors told to the operator in a few words."""

import asyncio
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_EVERY_S = 1.0
_MOST_BYTES = 16 * 1024 * 1024
_MOST_READ_BYTES = 1024 * 1024
_TOLD_LEVELS = frozenset({"warning", "error", "critical"})
_MOST_TOLD_AT_ONCE = 5
_MOST_TOLD_CHARACTERS = 200
_NUMBER = re.compile(r"\d+")


async def watch_logs(folder: Path, *, say: Callable[[str], None]) -> None:
    """Follows every log in the folder until cancelled."""
    read_to = await asyncio.to_thread(_ends, folder)
    while True:
        for path in await asyncio.to_thread(_ends, folder):
            lines, read_to[path] = await asyncio.to_thread(_new_lines, path, read_to.get(path, 0))
            for line in summarise(lines):
                say(f"{path.stem}: {line}")
        await asyncio.sleep(_EVERY_S)


def _ends(folder: Path) -> dict[Path, int]:
    """The logs in the folder, and how long each is now."""
    return {path: path.stat().st_size for path in sorted(folder.glob("*.log"))}


def summarise(lines: Iterable[str]) -> list[str]:
    """The warnings and errors among lines of JSON; what differs in numbers alone is told once, with its count."""
    told: Counter[str] = Counter()
    first: dict[str, str] = {}
    for line in lines:
        if not line.startswith("{"):
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record.get("level") in _TOLD_LEVELS:
            said = _said(record)
            # The same of twelve partitions is one event.
            alike = _NUMBER.sub("#", said)
            first.setdefault(alike, said)
            told[alike] += 1
    shown = [
        f"{first[alike]} ({count} times)" if count > 1 else first[alike]
        for alike, count in told.most_common(_MOST_TOLD_AT_ONCE)
    ]
    if len(told) > _MOST_TOLD_AT_ONCE:
        shown.append(f"and {len(told) - _MOST_TOLD_AT_ONCE} other events")
    return shown


def _said(record: dict[str, Any]) -> str:
    """Level, event and, where there is one, reason, in one line."""
    parts = [str(record[name]) for name in ("event", "reason") if record.get(name)]
    words = ": ".join(parts).split()
    return f"{record['level']}: {' '.join(words)[:_MOST_TOLD_CHARACTERS]}"


def _new_lines(path: Path, start: int) -> tuple[list[str], int]:
    """The whole lines after `start` and where they end. A file grown too big becomes `NAME.log.1` and begins anew.

    Its writer appends, so what it writes next lands at the new beginning.
    """
    size = path.stat().st_size
    start = start if start <= size else 0
    with path.open("rb") as log:
        log.seek(max(start, size - _MOST_READ_BYTES))
        start = log.tell()
        new = log.read()
    whole = new[: new.rfind(b"\n") + 1]
    end = start + len(whole)
    if size > _MOST_BYTES:
        before = path.with_name(f"{path.name}.1")
        try:
            shutil.copyfile(path, before)
        except OSError:  # no room for an older log: what is lost is told by the newer one, which goes on
            before.unlink(missing_ok=True)
        with path.open("r+b") as log:
            log.truncate(0)
        end = 0
    return whole.decode(errors="replace").splitlines(), end
