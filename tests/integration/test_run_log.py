"""Which commit a run of an evaluation is of."""

import subprocess
from pathlib import Path
from shutil import which

import pytest

from inference.pulsenet.evaluation import runs
from infra.models.runs import commit

pytestmark = pytest.mark.skipif(which("git") is None, reason="git is not installed")


def _git(root: Path, *asked: str) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(
        ["git", "-C", str(root), *who, *asked],  # noqa: S607 - the one on the path
        check=True,
        capture_output=True,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one file of code and a log of runs."""
    weights = tmp_path / "inference" / "weights"
    weights.mkdir(parents=True)
    (tmp_path / "inference" / "code.py").write_text("one = 1\n")
    (weights / runs.FILE).write_text("")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", "-A")
    _git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_changed_or_added_code_has_a_plus(root: Path) -> None:
    """Of the same commit: without a change none, with a changed file or one that nobody added one."""
    clean = commit(root)
    assert clean is not None
    assert len(clean) == 7
    (root / "inference" / "code.py").write_text("one = 2\n")
    assert commit(root) == f"{clean}+"
    (root / "inference" / "code.py").write_text("one = 1\n")
    assert commit(root) == clean
    (root / "inference" / "more.py").write_text("two = 2\n")
    assert commit(root) == f"{clean}+"


def test_the_log_itself_and_pages_are_no_code(root: Path) -> None:
    """A line more in the log, and a file elsewhere, leave the commit as it is."""
    clean = commit(root)
    (root / "inference" / "weights" / runs.FILE).write_text("{}\n")
    (root / "page.md").write_text("a page\n")
    assert commit(root) == clean


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    """An installed package knows of none."""
    assert commit(tmp_path) is None
