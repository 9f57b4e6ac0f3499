"""What is said of a disk before it is full."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from infra import disk


class Usage(NamedTuple):
    """What the system tells of a disk."""

    total: int
    used: int
    free: int


GIB = 1024**3


@pytest.mark.parametrize(
    ("total", "free", "short"),
    [(100 * GIB, 6 * GIB, False), (100 * GIB, 4 * GIB, True), (10 * GIB, 2 * GIB, False), (10 * GIB, GIB - 1, True)],
)
def test_a_disk_is_short_below_a_gib_or_five_percent(
    total: int, free: int, *, short: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is more decides; the sentence names the folder and what is left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))
    said = disk.shortage([tmp_path])
    assert (said is not None) is short
    if said is not None:
        assert str(tmp_path) in said
        assert f"{free // 2**20} of {total // 2**20} MiB" in said


def test_only_embedded_services_have_a_disk_here(tmp_path: Path) -> None:
    """Where a cluster keeps the data there is nothing to watch; a folder that is gone is passed over."""
    assert disk.embedded_folders(tmp_path) == []
    (tmp_path / "kafka").mkdir()
    assert disk.embedded_folders(tmp_path) == [tmp_path / "kafka"]
    assert disk.shortage([tmp_path / "gone"]) is None
