"""Tables of arrays by slot."""

import numpy as np

from inference.slots import NEVER, Column, Table


def made() -> Table:
    """Return a table of two columns."""
    return Table({"time_ms": Column("i8", NEVER), "pair": Column("f8", 0.5, 2)})


def test_growth_keeps_what_was_there() -> None:
    """Growing past the capacity keeps old slots and fills new ones."""
    table = made()
    table.extend(3)
    table["time_ms"][2] = 7
    table.extend(1_000)
    assert table["time_ms"][2] == 7
    assert table["time_ms"][999] == NEVER
    assert table["pair"][999].tolist() == [0.5, 0.5]


def test_a_dump_holds_the_used_slots_alone() -> None:
    """A dump has as many rows as slots in use, and loads into a fresh table."""
    table = made()
    table.extend(3)
    table["pair"][1] = (1, 2)
    other = made()
    other.load(table.dump())
    assert other.rows == 3
    assert other["pair"][1].tolist() == [1, 2]


def test_reset_makes_slots_new() -> None:
    """A slot that is reset holds the fill of every column."""
    table = made()
    table.extend(2)
    table["time_ms"][:2] = 9
    table.reset(np.array([1]))
    assert table["time_ms"][:2].tolist() == [9, NEVER]


def test_a_dump_of_nothing_changes_nothing() -> None:
    """A dump without columns, as of a part that holds nothing, loads as no rows."""
    table = made()
    table.extend(2)
    table["time_ms"][1] = 7
    table.load({})
    assert table.rows == 2
    assert table["time_ms"][1] == 7


def test_columns_of_a_dump_begin_anew_by_name() -> None:
    """Those that are named hold what new slots hold; others, and what is of another table, stay as they are."""
    table = made()
    table.extend(2)
    table["time_ms"][1], table["pair"][1] = 7, (1, 2)
    dump = {f"ours.{name}": array for name, array in table.dump().items()} | {"theirs.time_ms": np.array([5])}
    begun = table.anew(dump, "ours.", "time_ms")
    assert begun["ours.time_ms"].tolist() == [NEVER, NEVER]
    assert begun["ours.pair"].tolist() == [[0.5, 0.5], [1.0, 2.0]]
    assert begun["theirs.time_ms"].tolist() == [5]
    assert table.anew(dump, "ours.")["ours.pair"].tolist() == [[0.5, 0.5], [0.5, 0.5]]
