"""The command line: help with an example for every command, errors in one sentence."""

import sys
from typing import Any

import pytest
import structlog
import typer

from infra import cli
from schemas.errors import SetupError


def _commands() -> list[tuple[str, ...]]:
    """The words that lead to each command; a group is led through to its own commands."""
    found: list[tuple[str, ...]] = []
    groups: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(cli.app))]
    while groups:
        words, group = groups.pop()
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append(((*words, name), command))
            else:
                found.append((*words, name))
    return sorted(found)


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_every_command_helps_with_an_example(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` says what a command does and shows a line to copy."""
    with pytest.raises(SystemExit) as ended:
        cli.app([*command, "--help"])
    assert ended.value.code == 0
    assert "Example: " in capsys.readouterr().out


def test_a_bench_prints_its_figures_and_no_log_of_what_went_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Its devices run in its own process: what they tell below a warning is not shown, a warning is."""
    with pytest.raises(SystemExit):
        cli.app(["bench", "video", "--help"])
    capsys.readouterr()
    log = structlog.get_logger("ingest.client.connection")
    log.debug("device_connected")
    log.info("device_connected")
    assert capsys.readouterr() == ("", "")
    log.warning("device_refused")
    assert "device_refused" in capsys.readouterr().err


@pytest.fixture
def failing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command line whose command raises an error of ours."""

    def fail(_: list[str]) -> None:
        raise SetupError("Kafka is not there.", next_step="Start it.")

    monkeypatch.setattr(cli, "app", fail)


@pytest.mark.usefixtures("failing_command")
def test_an_error_is_one_sentence_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --debug there is no traceback, and the exit code is 1."""
    monkeypatch.setattr(sys, "argv", ["pulsera", "api"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "pulsera: Kafka is not there. Start it.\n"


@pytest.mark.usefixtures("failing_command")
def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--debug is understood wherever it stands."""
    monkeypatch.setattr(sys, "argv", ["pulsera", "api", "--debug"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--api-port", "--gateway-port"])
@pytest.mark.parametrize("port", ["-1", "65536", "abc"])
def test_a_port_that_is_none_is_refused(option: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The option is named, before anything starts."""
    with pytest.raises(SystemExit) as ended:
        cli.app(["up", option, port])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err
