"""`pulsera bench operators` measures every operator, and what it measures is left as it was."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.bench.operators import WHOLE, Figures, measure, operator_modules, read, write
from infra.bench.stopwatch import Stopwatch, functions_of
from infra.bench.workloads import WORKLOADS
from infra.cli import app
from schemas import frame
from schemas.errors import SetupError
from stream_processors.operators import lateness


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Figures of a small partition, long enough for an episode."""
    return measure(readings=(10,), wearers=10, seconds=170)


def test_every_module_of_operators_is_measured(figures: Figures) -> None:
    """A module of operators that no workload reaches has no figure: add a workload that does what it is for."""
    measured = {function.split(".")[0] for found in figures.values() for function in found}
    modules = {module.__name__.rpartition(".")[2] for module in operator_modules()}
    assert modules - measured == set()


def test_every_workload_is_measured_whole(figures: Figures) -> None:
    """Each has a figure for the whole round, which is not below any of its parts, and rounds enough to be warm."""
    assert {name.split("/")[0] for name in figures} == set(WORKLOADS)
    for found in figures.values():
        assert found[WHOLE].rounds >= 1
        assert found[WHOLE].min_us > 0
        assert all(one.min_us <= one.median_us <= one.p99_us for one in found.values())
        assert found[WHOLE].median_us >= max(one.min_us for one in found.values())


def test_one_workload_may_be_asked_for_alone() -> None:
    """Only it is measured, and one that there is not is named."""
    assert set(measure(readings=(10,), wearers=10, seconds=2, only=["video"])) == {"video/10"}
    with pytest.raises(SetupError, match="no workload vidoe"):
        measure(readings=(10,), wearers=10, seconds=2, only=["vidoe"])


def test_nothing_is_timed_any_more_once_the_bench_is_done() -> None:
    """Functions and methods are themselves again after a stopwatch has watched them."""
    before = dict(functions_of(lateness)) | dict(functions_of(frame))
    with Stopwatch().watching([lateness, frame]):
        assert lateness.bin_end_ms is not before["lateness.bin_end_ms"]
    assert dict(functions_of(lateness)) | dict(functions_of(frame)) == before


def test_the_time_of_a_callee_is_its_own() -> None:
    """A caller that does nothing but call is cheaper than what it calls."""
    stopwatch = Stopwatch()
    inner = stopwatch.timed("inner", lambda: sum(range(200_000)))
    stopwatch.timed("outer", lambda: inner())()  # noqa: PLW0108 - the timed one is to be called
    spent = stopwatch.lap()
    assert spent["outer"] < spent["inner"]
    assert stopwatch.lap() == {}


def test_the_command_prints_writes_and_compares(tmp_path: Path) -> None:
    """A second run shows the change against the file of the first."""
    file = tmp_path / "figures.json"
    arguments = ["bench", "operators", "--readings", "10", "--wearers", "10", "--seconds", "6", "--only", "vitals"]
    first = CliRunner().invoke(app, [*arguments, "--json", str(file)])
    assert first.exit_code == 0, first.output
    assert list(read(file).figures) == ["vitals/10"]
    again = CliRunner().invoke(app, [*arguments, "--compare", str(file)])
    assert again.exit_code == 0, again.output
    assert "change" in again.output


def test_a_report_tells_machine_commit_and_moment(tmp_path: Path, figures: Figures) -> None:
    """What is written can be told apart from figures of elsewhere."""
    file = tmp_path / "figures.json"
    write(figures, file)
    assert {"cores", "processor", "python", "at", "commit"} <= set(read(file).machine)
