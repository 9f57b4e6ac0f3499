"""The gateway and the API start light: what only models or workers need is never loaded."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
WIRING: Final = ROOT / "infra" / "wiring.py"
FAMILIES: Final = ROOT / "stream_processors" / "families"
UNWANTED: Final = ("torch", "tensorflow", "faust", "mode", "cv2")
SLOW: Final = ("numpy", "pyarrow", "scipy", "pydantic", "structlog", "rich", "fastapi", "aiokafka", "asyncpg", "h3")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def imports_on_the_way(tree: ast.Module, entry: str) -> list[str]:
    """Return the import statements of a function and of every function of the same module that it names, as text.

    Raises:
        KeyError: The module has no such function.
    """
    functions = {node.name: node for node in tree.body if isinstance(node, Function)}
    todo, seen, statements = [functions[entry]], {entry}, []
    while todo:
        for node in ast.walk(todo.pop()):
            if isinstance(node, ast.Import | ast.ImportFrom):
                statements.append(ast.unparse(node))
            if isinstance(node, ast.Name) and node.id in functions and node.id not in seen:
                seen.add(node.id)
                todo.append(functions[node.id])
    return statements


def loaded_by(statements: list[str], looked_for: tuple[str, ...] = UNWANTED) -> set[str]:
    """Return which of these libraries a fresh interpreter has loaded after these statements."""
    report = f"import sys\nprint(*(set({looked_for!r}) & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*statements, report])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_serving_processes_load_no_model_or_worker_library() -> None:
    """The gateway, the API and the command line, with the wiring and what it imports on the way, load none of them."""
    tree = ast.parse(WIRING.read_text(encoding="utf-8"))
    wired = [statement for entry in ("run_gateway", "run_api") for statement in imports_on_the_way(tree, entry)]
    assert loaded_by(["import ingest.gateway, api.app, infra.cli, infra.wiring", *wired]) == set()


def test_the_command_line_alone_loads_no_slow_library() -> None:
    """Each part of `pulsera up` begins with it: what one command needs is loaded by that command."""
    assert loaded_by(["import infra.cli"], SLOW) == set()


def test_a_worker_is_there_before_its_slowest_library() -> None:
    """No family loads SciPy or onnxruntime to start: they take longer than all else, and may come later."""
    families = [f"import stream_processors.families.{path.stem}" for path in sorted(FAMILIES.glob("[a-z]*.py"))]
    needed = ["import infra.worker_process, infra.frame_chain, infra.rppg.frame_workers", *families]
    assert loaded_by(needed, ("scipy", "onnxruntime")) == set()


def test_what_starts_the_parts_does_not_load_theirs() -> None:
    """The supervisor migrates and makes the admin without the libraries of numbers and of HTTP."""
    theirs = ("numpy", "pyarrow", "scipy", "fastapi", "uvicorn")
    needed = ["import infra.embedded.up, infra.embedded.mending, infra.timescale.migrate, infra.timescale.people"]
    assert loaded_by(needed, theirs) == set()


def test_no_family_loads_the_video_decoder() -> None:
    """Also the family of video leaves decoding to processes of its own."""
    families = [f"import stream_processors.families.{path.stem}" for path in sorted(FAMILIES.glob("[a-z]*.py"))]
    assert "import stream_processors.families.video" in families
    assert "cv2" not in loaded_by(["import infra.worker_process", *families])


def test_the_look_at_loaded_libraries_sees_them() -> None:
    """A process that does load the worker's engine is found out, also when a called function is what imports it."""
    tree = ast.parse("async def run():\n    start()\ndef start():\n    import faust\ndef other():\n    import torch\n")
    assert imports_on_the_way(tree, "run") == ["import faust"]
    assert loaded_by(["import mode"]) == {"mode"}
