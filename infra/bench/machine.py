"""On what, when and with which code a figure was measured."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def facts() -> dict[str, Any]:
    """Return what every JSON of the bench carries: cores, processor, Python, moment and commit (None outside one)."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def line() -> str:
    """Return the line that stands below every table."""
    told = facts()
    commit = f", commit {told['commit']}" if told["commit"] else ""
    return f"{told['cores']} cores, {told['processor']}, Python {told['python']}, {told['at'][:16]} UTC{commit}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    return next((one.split(":", 1)[1].strip() for one in lines if one.startswith("model name")), platform.machine())


def _commit() -> str | None:
    """Return the commit that the code was checked out from, with a `+` where files were changed since."""
    here = Path(__file__).parent
    try:
        told = subprocess.run(  # noqa: S603 - no input of anybody's
            ("git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*"),  # noqa: S607 - from PATH
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None
