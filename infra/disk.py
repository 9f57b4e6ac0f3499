"""Room on the disks that an embedded Kafka and database write to: said before it is used up, not after."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

import structlog

_LOG = structlog.get_logger(__name__)

LEAST_BYTES: Final = 1024**3
LEAST_SHARE: Final = 0.05
_LOOK_EVERY_S: Final = 5.0
_MIB: Final = 1024**2


def embedded_folders(data_dir: Path) -> list[Path]:
    """Return where the embedded services keep their data; none where a cluster's are used."""
    return [folder for name in ("kafka", "postgres") if (folder := data_dir / name).exists()]


def shortage(folders: list[Path]) -> str | None:
    """Return a sentence about the fullest disk under these folders where it is nearly full, else None.

    Nearly full is less than 1 GiB, or less than 5 %.
    """
    found = []
    for folder in folders:
        try:
            usage = shutil.disk_usage(folder)
        except FileNotFoundError:
            continue
        if usage.free < max(LEAST_BYTES, LEAST_SHARE * usage.total):
            found.append((usage.free, usage.total, folder))
    if not found:
        return None
    free, total, folder = min(found)
    return (
        f"The disk under {folder} has {free // _MIB} of {total // _MIB} MiB left: when it is full, readings wait and "
        "devices are throttled. Free some space, or shorten PULSERA_RETENTION_DAYS and PULSERA_KEEP_DAYS."
    )


async def watch_room(folders: list[Path]) -> None:
    """Say once when a disk gets short of room, and once when it has some again, until cancelled."""
    was_short = False
    while True:
        lacks = shortage(folders)
        if lacks is not None and not was_short:
            _LOG.warning("a disk is nearly full", reason=lacks)
        elif lacks is None and was_short:
            _LOG.info("the disk has room again")
        was_short = lacks is not None
        await asyncio.sleep(_LOOK_EVERY_S)
