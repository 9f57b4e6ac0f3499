"""The user that PostgreSQL runs as when Pulsera is started by root, and the folders that this user can reach.

PostgreSQL refuses to run as root. A data folder below somebody's private folder (mode 0700) is out of the reach of
another user:
then the database is placed in /var/lib/pulsera, with a link to it in the data folder, and nobody's private folder is
opened.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

from infra.embedded.process import Account
from schemas.errors import SetupError

_NAME = "pulsera"
_ELSEWHERE = Path("/var/lib/pulsera")


def database_account() -> Account | None:
    """None for an ordinary user, who runs PostgreSQL; for root the user `pulsera`, made where it is missing.

    Where users cannot be made (no `useradd`, a read-only /etc) the system's `nobody` serves.
    """
    if os.geteuid() != 0:
        return None
    if _find(_NAME) is None and (useradd := shutil.which("useradd")):
        # Two processes may do this at once: the loser's failure does not matter, since the user is looked up
        # afterwards.
        subprocess.run(
            [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", _NAME],
            check=False,
            capture_output=True,
        )
    account = _find(_NAME) or _find("nobody")
    if account is None:
        raise SetupError(
            "PostgreSQL does not run as root, and there is no other user to run it as.",
            next_step="Make one with: useradd --system pulsera; or run this command as an ordinary user.",
        )
    return account


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def can_reach(folder: Path, account: Account) -> bool:
    """Whether the account may walk through every folder on the way to this one, the folder itself included."""
    return all(_may_walk(step, account) for step in (folder, *folder.parents))


def _may_walk(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def place(data_dir: Path, account: Account | None, *, own_names: Collection[str]) -> Path:
    """The folder, below `data_dir` or elsewhere, in which the account can keep its files; not made yet.

    `data_dir` itself is opened for walking through (mode 0711) only where it holds nothing but `own_names`.
    """
    if account is None:
        return data_dir
    holds_only_ours = all(entry.name in own_names for entry in data_dir.iterdir())
    if holds_only_ours and data_dir.stat().st_uid == os.geteuid():
        data_dir.chmod(data_dir.stat().st_mode & 0o777 | 0o011)
    if can_reach(data_dir, account):
        return data_dir
    other = _ELSEWHERE / hashlib.sha256(bytes(data_dir)).hexdigest()[:12]
    other.mkdir(parents=True, exist_ok=True, mode=0o755)
    (other / "data-dir").write_text(f"{data_dir}\n")
    return other


def reachable_copy(folder: Path, account: Account | None, *, label: str, parts: Collection[str]) -> Path:
    """The folder itself where the account can reach it, else a copy of its `parts` where it can."""
    if account is None or can_reach(folder, account):
        return folder
    copy = _ELSEWHERE / label
    if not copy.exists():
        aside = _ELSEWHERE / f"{label}.{os.getpid()}"
        aside.mkdir(parents=True, mode=0o755)
        for part in parts:
            shutil.copytree(folder / part, aside / part, symlinks=True)
        try:
            aside.rename(copy)
        except OSError:
            # Another process was first; its copy is the same.
            shutil.rmtree(aside)
            if not copy.exists():
                raise
    return copy
