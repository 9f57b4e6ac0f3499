"""Modules, functions and classes stay small enough to be read in one sitting."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = ("schemas", "inference", "ingest", "stream_processors", "api", "infra")
MODULE_LINES: Final = 400
FUNCTION_LINES: Final = 50
PUBLIC_METHODS: Final = 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


def offenders(name: str, text: str) -> Iterator[str]:
    """Yield a sentence for everything in a module that is over the budget."""
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield f"{name}: {lines} lines, the budget is {MODULE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function) and function_lines(node) > FUNCTION_LINES:
            yield f"{name}:{node.lineno} {node.name}: {function_lines(node)} lines, the budget is {FUNCTION_LINES}"
        if isinstance(node, ast.ClassDef) and public_methods(node) > PUBLIC_METHODS:
            yield f"{name}:{node.lineno} {node.name}: {public_methods(node)} methods, the budget is {PUBLIC_METHODS}"


def function_lines(node: Function) -> int:
    """Return the physical lines of a function, its docstring not counted."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def public_methods(node: ast.ClassDef) -> int:
    """Return how many methods of a class are for others."""
    return sum(isinstance(each, Function) and not each.name.startswith("_") for each in node.body)


def test_rooms_keep_the_budget() -> None:
    """Every module, function and class of every room keeps its budget."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    over = [
        sentence
        for path in paths
        for sentence in offenders(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]
    assert over == [], "\n".join(["Over the budget:", *over])


def test_the_measure_finds_what_is_too_big() -> None:
    """A module, a function and a class that are one over the budget are each named, and docstrings are free."""
    body = "\n".join(["    x = 1"] * FUNCTION_LINES)
    methods = "\n".join(f"    def m{number}(self): ..." for number in range(PUBLIC_METHODS + 1))
    text = f'def long():\n    """One.\n\n    Two.\n    """\n{body}\nclass Wide:\n{methods}\n' + "\n" * MODULE_LINES
    found = list(offenders("m.py", text))
    assert len(found) == 3
    assert f"long: {FUNCTION_LINES + 1} lines" in found[1]
