"""The walls between the rooms stand."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from importlinter.application import use_cases
from importlinter.configuration import configure

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = ("schemas", "inference", "ingest", "stream_processors", "api", "infra")

KNOWN_TO: Final[dict[str, tuple[str, ...]]] = {
    "faust": ("stream_processors.hosts",),
    "mode": ("stream_processors.hosts",),
    "aiokafka": ("stream_processors.hosts", "infra.kafka"),
    "asyncpg": ("infra.timescale",),
    "torch": ("inference",),
    "tensorflow": ("inference",),
    "onnxruntime": ("inference",),
    "cv2": ("inference.rppg.video",),
    "fastapi": ("api", "ingest.http"),
    "starlette": ("api", "ingest.http"),
    "prometheus_client": ("infra.metrics",),
}
"""Which rooms may name a library; everybody else reaches it through a port."""

EXCEPTIONS: Final[dict[tuple[str, str], str]] = {
    ("infra.bench.scrape", "prometheus_client"): "reads what infra.metrics wrote, in the same library's text format",
    ("infra.fuzz.live", "starlette"): "hands the live socket what a server would hand it, without a server",
}
"""Modules that may name a library although their room may not, each with its reason."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and the syntax tree of every module of every room."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def libraries(tree: ast.Module) -> set[str]:
    """Return the top-level packages that a module imports, anywhere in it."""
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            named.add(node.module.split(".")[0])
    return named


@cache
def trespasses() -> frozenset[tuple[str, str]]:
    """Return every module that names a library which its room may not know."""
    return frozenset(
        (name, library)
        for name, tree in modules()
        for library in libraries(tree) & KNOWN_TO.keys()
        if not any(name == room or name.startswith(f"{room}.") for room in KNOWN_TO[library])
    )


def test_import_contracts_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """Every import contract of pyproject.toml is kept."""
    configure()
    kept = use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


def test_libraries_stay_in_their_rooms() -> None:
    """No module names a library that belongs to another room, but for the exceptions that are listed."""
    assert sorted(trespasses() - EXCEPTIONS.keys()) == []


def test_every_exception_is_used() -> None:
    """An exception that nothing needs is taken off the list."""
    assert sorted(EXCEPTIONS.keys() - trespasses()) == []


def test_imports_inside_functions_are_seen() -> None:
    """The scan sees imports inside functions too, which is where a wall is climbed unseen."""
    tree = ast.parse("def late() -> None:\n    import torch.nn\n    from cv2 import imread\n")
    assert libraries(tree) == {"torch", "cv2"}
