"""`pulsera backup` and `pulsera restore`: where the database is, and what is said on the way."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.backup import Say, back_up, restore, verified
from infra.embedded.account import database_account
from infra.embedded.data_dir import owned, read_run_file
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer, prepare_postgres
from infra.embedded.process import running
from infra.logs import configure_logging
from infra.settings import Settings, load_settings
from infra.timescale.backup import holds_something
from schemas.errors import SetupError

_PLAIN_EVERY_S: Final = 5.0
_STOP_WITHIN_S: Final = 60.0


def run_backup(target: Path, *, data_dir: Path | None) -> None:
    """Backs the database up: the one of the settings, or that of a data folder, whether `up` runs on it or not."""
    settings = _settings(data_dir)
    with _database(settings, alone=False) as url:
        manifest = asyncio.run(back_up(url, target, say=_progress()))
    _say(
        f"{target}: {manifest.rows:,} rows in {manifest.bytes:,} bytes, of {manifest.taken_at}. It holds health data: "
        "keep it where nobody else can read it."
    )


def run_restore(source: Path, *, data_dir: Path | None, replace: bool, new_log: bool) -> None:
    """Puts a backup in the place of the database; raises SetupError where one is there and `replace` is not said."""
    settings = _settings(data_dir)
    with verified(source, say=_say) as backup, _database(settings, alone=True) as url:
        if not replace and asyncio.run(holds_something(url)):
            raise SetupError(
                "The database is not empty.",
                next_step="To put the backup in its place, say --replace: it is lost then.",
            )
        generation = asyncio.run(restore(backup, url, new_log=new_log, say=_progress()))
    _say(f"The database is as it was at {backup.manifest.taken_at}; alerts go on with generation {generation}.")
    if new_log:
        _say("The next start reads the new Kafka from its beginning.")
    else:
        _say("The next start reads from Kafka what came since, as far as its topics reach back.")


def _settings(data_dir: Path | None) -> Settings:
    configure_logging("backup", level="warning")
    settings = load_settings()
    if data_dir is not None:
        return settings.model_copy(update={"data_dir": data_dir.expanduser().absolute(), "database_url": ""})
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})


@contextlib.contextmanager
def _database(settings: Settings, *, alone: bool) -> Iterator[str]:
    """Give the address of the database; one that does not run is started for as long as the block lasts.

    `alone`: nobody else may use the data folder meanwhile, and it may be a new one.
    """
    if settings.database_url:
        yield settings.database_url
        return
    folder = settings.data_dir
    server = PostgresServer(data_dir=folder, port=free_ports(1)[0], account=database_account())
    if not alone and not (folder / "postgres").exists():
        raise SetupError(
            f"There is no database in {folder}.",
            next_step="Name its folder with --data-dir, or set PULSERA_DATABASE_URL.",
        )
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(owned(folder))
        except SetupError:
            if alone or not (live := _live(folder)):
                raise
            yield live
            return
        program = prepare_postgres(server)
        log = folder / "logs" / "postgres.log"
        stack.enter_context(running(program, log=log, ready=server.is_ready, stop_within_s=_STOP_WITHIN_S))
        yield server.url()


def _live(folder: Path) -> str:
    """Return the address of the database that the running `up` on this folder has, empty where it does not say."""
    address: str = read_run_file(folder).get("postgres") or ""
    if not address:
        return ""
    return PostgresServer(data_dir=folder, port=int(address.rsplit(":", 1)[1])).url()


def _say(line: str) -> None:
    sys.stderr.write(f"\r\x1b[2K{line}\n" if sys.stderr.isatty() else f"{line}\n")


def _progress() -> Say:
    """Return what shows how far the work is: one line that changes on a terminal, a line now and then elsewhere."""
    last_s = 0.0

    def show(line: str) -> None:
        nonlocal last_s
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[2K{line}")
        elif time.monotonic() - last_s >= _PLAIN_EVERY_S:
            last_s = time.monotonic()
            _say(line)

    return show
