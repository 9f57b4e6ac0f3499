"""What the fuzzing takes as documented stands in the document."""

import re
from pathlib import Path
from typing import Final

from infra.fuzz.documented import DEVICE_CLOSES, DEVICE_ERRORS, LIVE_CLOSES, LIVE_ERRORS, NACKS

PAGE: Final = (Path(__file__).resolve().parents[4] / "docs" / "protocol.md").read_text(encoding="utf-8")
DEVICE, LIVE = PAGE.split("## Live socket")


def table(text: str, heading: str) -> set[str]:
    """Return the codes in the first column of the table under a heading; a row may name several."""
    rows = text.partition(f"| {heading} | meaning |")[2].partition("\n\n")[0].splitlines()[2:]
    return {code for row in rows for code in re.findall(r"[a-z_]{3,}|\d{4}", row.split("|")[1])}


def test_the_sets_equal_the_tables_of_the_document() -> None:
    """Every error, nack and close code that fuzzing accepts is in a table of docs/protocol.md, and the other way."""
    assert table(DEVICE, "nack code") == NACKS
    assert table(DEVICE, "error code") == DEVICE_ERRORS
    assert {int(code) for code in table(DEVICE, "code") if code.isdigit()} == DEVICE_CLOSES
    assert table(LIVE, "error code") == LIVE_ERRORS
    assert {int(code) for code in table(LIVE, "close code") if code.isdigit()} == LIVE_CLOSES
