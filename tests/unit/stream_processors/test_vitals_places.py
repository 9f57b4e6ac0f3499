"""The vitals family tells in its scores where a wearer was and how far from UTC, as readings told, and nothing else."""

import pytest

from tests.vitals_frames import T0_MS, beating, fresh, live, reading

CELL = 0x881F8D4A03FFFFF
OTHER = 0x881F8D4A07FFFFF


@pytest.mark.parametrize(("cell", "offset_min"), [(CELL, 60), (CELL, None), (None, 0), (None, -210), (None, None)])
def test_scores_carry_the_cell_and_the_offset_of_their_readings(cell: int | None, offset_min: int | None) -> None:
    """Readings with a cell give scores with that cell, readings without give null; of the offset 0 is not null."""
    log = fresh()
    live(log, 30, beating(70), cell=cell, utc_offset_min=offset_min)
    assert len(log.rows) >= 4
    assert {(row["cell"], row["utc_offset_min"]) for row in log.rows} == {(cell, offset_min)}


def test_a_wearer_who_moves_is_where_the_newest_reading_was() -> None:
    """The bin in which the cell changes has the new one, and one that no longer tells has none."""
    log = fresh()
    live(log, 12, beating(70), cell=CELL)
    live(log, 10, beating(70), start=12, cell=OTHER)
    live(log, 18, beating(70), start=22)
    told = {(row["bin"].timestamp() * 1000 - T0_MS) // 5_000: row["cell"] for row in log.rows}
    assert [told[part] for part in range(1, 7)] == [CELL, OTHER, OTHER, None, None, None]


def test_neighbours_in_a_record_keep_their_cells() -> None:
    """Two wearers in one frame, one with a cell, do not share it."""
    log = fresh()
    for second in range(20):
        at = T0_MS + second * 1000
        rows = [reading(at, heart_rate=70.0, cell=CELL), reading(at, wearer=1, heart_rate=70.0)]
        log.append(at + 50, rows)
    assert {(row["wearer"], row["cell"]) for row in log.rows} == {
        (rows[0]["wearer"], CELL), (rows[1]["wearer"], None)
    }  # fmt: skip


def test_of_two_devices_the_one_that_knows_tells_the_place() -> None:
    """A watch without a place beside a phone with one gives the phone's, whichever measured better."""
    log = fresh()
    for second in range(20):
        at = T0_MS + second * 1000
        watch = reading(at, heart_rate=70.0, quality=0.9)
        phone = reading(at, device=9, source="phone", heart_rate=71.0, quality=0.5, cell=CELL, utc_offset_min=120)
        log.append(at + 50, [watch, phone])
    assert {(row["cell"], row["utc_offset_min"]) for row in log.rows} == {(CELL, 120)}
