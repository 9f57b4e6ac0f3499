"""The auditor of `pulsera chaos` judges the pipeline without a line of the pipeline's code."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = {"schemas", "inference", "ingest", "stream_processors", "api", "infra"}
MAY_KNOW: Final = {"infra.chaos.journal", "infra.chaos.made_readings"}
"""What the load wrote, and the values that it sent: the load's own, not the pipeline's."""
DRIVERS: Final = {"asyncpg", "psycopg", "aiokafka", "faust"}


def imported(module: str) -> set[str]:
    """Return what a module imports, anywhere in it."""
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            named.add(node.module or "")
    return named


def test_the_auditor_and_what_it_knows_import_nothing_of_the_pipeline() -> None:
    """The auditors, the journal and the table of values import none of the rooms, and no driver."""
    for module in ("infra.chaos.auditor", "infra.chaos.zone_auditor", *MAY_KNOW):
        found = imported(module)
        assert {name for name in found if name.split(".")[0] in ROOMS} <= MAY_KNOW | {"infra.chaos.auditor"}, module
        assert not {name.split(".")[0] for name in found} & DRIVERS, module


def test_the_auditor_loads_nothing_of_the_pipeline() -> None:
    """A process that has imported the auditors holds no module of another room, nor one of infra outside of chaos."""
    script = "import sys, infra.chaos.zone_auditor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.split(".")[0] in ROOMS}
    assert ours == {"infra", "infra.chaos", "infra.chaos.auditor", "infra.chaos.zone_auditor", *MAY_KNOW}
