"""What `pulsera replay` plays, for whom, and how much of it lies in the past."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.replay_command import DEMO, Asked, Target, _chosen, _planned, run_replay
from ingest.client.replay import DEMO_INJECTION, DEMO_PRESENT_S
from schemas.errors import ContractError, RecordingError, SetupError

TWO = "time,wearer,spo2\n1000,Ada,97\n1000,Ben,96\n61000,Ada,97\n"
DEFAULT = Asked(dataset=DEMO, form=None, person=None, speed=None, present_s=None)
NOBODY = Target(wearer=None, url=None, token=None)


@pytest.fixture
def two(tmp_path: Path) -> Asked:
    """A table of two people."""
    table = tmp_path / "two.csv"
    table.write_text(TWO)
    return replace(DEFAULT, dataset=str(table))


def test_a_table_is_history_and_the_demo_has_its_present(two: Asked) -> None:
    """The whole of a table lies in the past, an hour of it a second; the demo's episode begins before its present."""
    ada, ben = _chosen(two)
    assert [one.name for one in (ada, ben)] == ["Ada", "Ben"]
    plan = _planned(two, ada)
    assert (plan.present_s, plan.speed, plan.injection) == (61, 3600, None)
    assert _planned(replace(two, present_s=5, speed=2.0), ada).present_s == 5
    (demo,) = _chosen(DEFAULT)
    plan = _planned(DEFAULT, demo)
    assert (plan.present_s, plan.speed, plan.injection) == (DEMO_PRESENT_S, 120, DEMO_INJECTION)


def test_one_of_several_is_chosen_by_name(two: Asked) -> None:
    """A person that the file does not hold is refused with those whom it holds."""
    assert [one.name for one in _chosen(replace(two, person="Ben"))] == ["Ben"]
    with pytest.raises(ContractError, match="nobody called 'Cem', but Ada, Ben"):
        _chosen(replace(two, person="Cem"))


def test_one_name_or_token_fits_one_person(two: Asked) -> None:
    """Two people are not sent under one name, nor with one device's token."""
    for target in (replace(NOBODY, wearer="Ada"), replace(NOBODY, token="t")):  # noqa: S106 - made up
        with pytest.raises(SetupError, match=r"holds 2 people.*--person: Ada, Ben"):
            run_replay(two, target)


def test_what_cannot_be_played_is_said(two: Asked) -> None:
    """An unknown format and a missing file are told before anything is sent."""
    with pytest.raises(ContractError, match="no format 'fit'; there are e4, fitbit, csv"):
        run_replay(replace(two, form="fit"), NOBODY)
    with pytest.raises(RecordingError, match="There is no file"):
        run_replay(replace(DEFAULT, dataset="none.csv"), NOBODY)
