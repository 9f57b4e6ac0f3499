"""Long work says how far it is."""

import pytest

from infra.models.progress import Stages


def test_off_a_terminal_each_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The name of each stage stands on standard error once, however often it tells how far it is."""
    with Stages() as stages:
        for name in ("linear model", "network"):
            told = stages.begin(name)
            told(1, 2)
            told(2, 2)
    assert capsys.readouterr().err == "linear model\nnetwork\n"


def test_on_a_terminal_each_stage_has_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar with the stage's name is drawn."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Stages() as stages:
        stages.begin("network")(1, 2)
    assert "network" in capsys.readouterr().err
