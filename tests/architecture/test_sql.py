"""No statement is made by hand from what came from outside: values go beside it, names come from our own tables."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = ("schemas", "inference", "ingest", "stream_processors", "api", "infra")
DOORS: Final = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare", "cursor"})
"""Methods that send a statement to the database."""

EXCEPTIONS: Final = {
    "infra/timescale/backup.py": "databases and tables are named by our own migrations and quoted; no value is put in",
    "infra/timescale/devices.py": "one of two constants of the class is passed to the method that runs it",
    "infra/timescale/filling.py": "statements over the tables' columns, which come from the registry of vitals",
    "infra/timescale/migrate.py": "the text of our own migrations, which are checksummed",
    "infra/timescale/partitions.py": "a partition is named by its table and its day, both made here",
    "infra/timescale/reads.py": "columns of the registry of vitals, chosen by name; every value is a parameter",
    "infra/timescale/series.py": "columns of our schemas, joined once at import",
    "infra/timescale/stored.py": "columns of our schemas, joined once at import",
}
"""Modules whose statements hold more than constants, and why nothing from outside gets into them."""


def statements(text: str) -> Iterator[ast.expr]:
    """Yield the first argument of every call that sends a statement."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in DOORS
            and node.args
        ):
            yield node.args[0]


def is_constant(statement: ast.expr) -> bool:
    """Return whether a statement is a literal, a constant of its module, or is made of such alone."""
    if isinstance(statement, ast.JoinedStr):
        parts = [part.value for part in statement.values if isinstance(part, ast.FormattedValue)]
        return all(isinstance(part, ast.Name) and part.id.isupper() for part in parts)
    if isinstance(statement, ast.Name):
        return statement.id.isupper()
    return isinstance(statement, ast.Constant)


def made_by_hand() -> dict[str, list[str]]:
    """Return by module the statements that are no constants."""
    found: dict[str, list[str]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "asyncpg" not in text:
                continue
            made = [ast.unparse(one) for one in statements(text) if not is_constant(one)]
            if made:
                found[str(path.relative_to(ROOT))] = made
    return found


def test_statements_are_constants() -> None:
    """Every statement is a literal or a constant, but in the modules named here with their reason."""
    found = {path: made for path, made in made_by_hand().items() if path not in EXCEPTIONS}
    assert found == {}


def test_every_exception_is_one() -> None:
    """No module is excused that needs no excuse any more."""
    assert sorted(set(EXCEPTIONS) - set(made_by_hand())) == []


def test_a_statement_made_by_hand_is_found() -> None:
    """Formatting, adding and joining are found, whatever is put in; constants in an f-string are not."""
    text = (
        'pool.fetch(f"SELECT {name}"); pool.execute("SELECT " + name); pool.fetchval("SELECT %s" % name)\n'
        'pool.fetchrow("SELECT {}".format(name)); pool.fetch(query); pool.fetch("SELECT 1"); pool.fetch(_ALL)\n'
        'pool.fetch(f"SELECT {_COLUMNS} FROM t")\n'
    )
    assert [is_constant(one) for one in statements(text)].count(False) == 5


def test_the_api_s_modules_know_no_sql() -> None:
    """No module of the API, the gateway or the processors holds a statement at all."""
    words = ("SELECT ", "INSERT INTO ", "DELETE FROM ", "UPDATE ")
    rooms = ("schemas", "ingest", "stream_processors", "api")
    found = [
        f"{path.relative_to(ROOT)}: {node.value[:40]}"
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lstrip().startswith(words)
    ]
    assert found == []
