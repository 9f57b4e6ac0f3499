"""The locked requirements are in step with pyproject.toml, and say nothing of where they were found."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).resolve().parents[2]
RUN: Final = "requirements.lock"
TEST: Final = "requirements-test.lock"
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")

_OWN_EXTRAS: Final = ("train", "evaluate")
"""Extras that the tests need too."""
_HASHES: Final = r"( *\\\n *--hash=sha256:[0-9a-f]{64})+"
_PIN: Final = re.compile(rf"^(?P<requirement>[A-Za-z0-9][^\\\n]*?){_HASHES}$", re.MULTILINE)


@cache
def pins(lock: str) -> list[Requirement]:
    """Return every pinned requirement of a lock file, each with a hash."""
    return [Requirement(found["requirement"]) for found in _PIN.finditer((ROOT / lock).read_text())]


def wanted() -> list[tuple[str, str]]:
    """Return each requirement of pyproject.toml with the lock that must hold it."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    extras = project["project"]["optional-dependencies"]
    test = [one for one in extras["test"] if Requirement(one).name != project["project"]["name"]]
    more = [one for name in _OWN_EXTRAS for one in extras[name]]
    assert [f"pulsera[{','.join(_OWN_EXTRAS)}]"] == [one for one in extras["test"] if one not in test]
    return [(RUN, one) for one in run] + [(TEST, one) for one in (*test, *more)]


def pinned_version(found: Requirement) -> Version:
    """Return the one version that a pin allows."""
    (only,) = found.specifier
    assert only.operator == "==", found
    return Version(only.version)


@pytest.mark.parametrize(("lock", "requirement"), wanted())
def test_every_requirement_is_locked_within_its_range(lock: str, requirement: str) -> None:
    """For each Python that is supported exactly one version is locked, and pyproject.toml allows it."""
    asked = Requirement(requirement)
    name = canonicalize_name(asked.name)
    for python in PYTHONS:
        machine = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        held = [
            pinned_version(found)
            for found in pins(lock)
            if canonicalize_name(found.name) == name and (found.marker is None or found.marker.evaluate(machine))
        ]
        assert len(held) == 1, (python, held)
        assert asked.specifier.contains(held[0]), (python, held)


def test_both_locks_agree() -> None:
    """What both locks hold they hold in the same versions, so that testing changes nothing of what runs."""
    run = {(canonicalize_name(one.name), str(one.marker)): pinned_version(one) for one in pins(RUN)}
    test = {(canonicalize_name(one.name), str(one.marker)): pinned_version(one) for one in pins(TEST)}
    assert {key: run[key] for key in run.keys() & test.keys()} == {key: test[key] for key in run.keys() & test.keys()}


@pytest.mark.parametrize("lock", [RUN, TEST])
def test_a_lock_names_no_address(lock: str) -> None:
    """Every line is a pin, a hash or a comment, and none holds a URL, a path or an option of an index."""
    text = (ROOT / lock).read_text()
    rest = _PIN.sub("", text)
    assert [line for line in rest.splitlines() if line.strip() and not line.lstrip().startswith("#")] == []
    assert not re.search(r"://|@|--(extra-)?index|--find-links|file:|\.whl", text)
