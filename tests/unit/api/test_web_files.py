"""The files of the web application: what is vendored is what was taken, and all of it is small."""

import gzip
import hashlib
import re
from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).resolve().parents[3] / "api" / "web"
VENDOR: Final = WEB / "vendor"
MOST_BYTES: Final = 200_000


def test_the_vendored_files_are_those_that_the_list_names() -> None:
    """Each script and style sheet under vendor/ is in its README with the SHA-256 that it has."""
    row = re.compile(r"^\| (\S+) \| .* \| ([0-9a-f]{64}) \|$", re.MULTILINE)
    told = dict(row.findall((VENDOR / "README.md").read_text(encoding="utf-8")))
    files = [path for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}]
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_everything_that_a_browser_loads_is_small() -> None:
    """Compressed, file by file, the whole application stays under 200 kB."""
    loaded = [path for path in WEB.rglob("*") if path.suffix in {".js", ".css", ".html", ".svg"}]
    assert len(loaded) > 30
    assert sum(len(gzip.compress(path.read_bytes())) for path in loaded) < MOST_BYTES
