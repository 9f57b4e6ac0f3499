"""What the vitals family refuses, before anything of it is taken in."""

from typing import Any

import pyarrow as pa
import pytest

from schemas import frame
from schemas.errors import ContractError
from stream_processors.families.vitals import FORMAT, VitalsFamily
from tests.vitals_frames import T0_MS, batch, beating, fresh, live, reading

BAD: dict[str, dict[str, Any]] = {
    "negative seq": {"seq": -1},
    "negative stream": {"stream_id": -5},
    "a time of another century": {"time": 4_102_444_800_000_000_000},
    "a time before all devices": {"time": -1},
    "a receipt of another century": {"received": 4_102_444_800_000_000_000},
    "a value outside its range": {"heart_rate": 1e30},
    "a quality above one": {"quality": 7.0},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_nonsense_is_refused_before_it_changes_anything(wrong: dict[str, Any]) -> None:
    """A frame with one impossible row is refused whole, and the state's bytes stay as they were."""
    log = fresh()
    live(log, 20, beating(70))
    before = log.state.snapshot()
    with pytest.raises(ContractError):
        log.append(T0_MS + 30_000, [reading(T0_MS + 29_000, heart_rate=70.0), {**reading(T0_MS + 29_500), **wrong}])
    assert log.state.snapshot() == before


def test_a_name_that_stands_twice_is_refused() -> None:
    """A frame with two columns of one name is no frame."""
    rows = batch([reading(T0_MS, heart_rate=70.0)])
    doubled = rows.append_column("heart_rate", rows.column("heart_rate"))
    log = fresh()
    with pytest.raises(ContractError):
        log.append_bytes(T0_MS, frame.write_stream(doubled.replace_schema_metadata(rows.schema.metadata)))


def test_an_id_that_is_null_is_refused() -> None:
    """A wearer whose dictionary entry is null is nobody."""
    rows = batch([reading(T0_MS, heart_rate=70.0)])
    nobody = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array([None], pa.binary(16)))
    log = fresh()
    with pytest.raises(ContractError):
        log.append_bytes(T0_MS, frame.encode(rows.set_column(0, rows.schema.field(0), nobody)))


def test_a_snapshot_of_another_version_is_refused() -> None:
    """A state that another version wrote is not opened."""
    family = VitalsFamily()
    blob = family.open(0, None).snapshot().replace(FORMAT.encode(), b"vitals-state 1")
    with pytest.raises(ContractError, match="version"):
        family.open(0, blob)
