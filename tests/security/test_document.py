"""What docs/security.md names as proof exists."""

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    """Each `path::test` of the page is a test in that file, and each path alone is a file of tests."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) >= 30
    missing = []
    for path, test in named:
        file = ROOT / path
        names = {
            node.name
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8") if file.exists() else ""))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        if not file.exists() or (test and test not in names):
            missing.append(f"{path}::{test}")
    assert missing == []


def test_every_test_of_this_folder_is_named() -> None:
    """A proof that the page does not name helps nobody: every test about the doors and the whole system is in it."""
    unnamed = [
        node.name
        for name in ("test_api_doors.py", "test_whole_system.py")
        for node in ast.walk(ast.parse((ROOT / "tests" / "security" / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and node.name not in PAGE
    ]
    assert unnamed == []
