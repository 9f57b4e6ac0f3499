"""A database goes into files and comes back, row for row, and nothing damaged comes back."""

import errno
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from infra.backup import MANIFEST, back_up, restore, verified
from infra.embedded.postgres import client_program
from infra.timescale.backup import holds_something, snapshot
from infra.timescale.migrate import apply_migrations, check_log, check_schema_version, remember_log
from infra.timescale.people import PeopleTable
from infra.timescale.series import TimescaleSeries
from infra.timescale.state import TimescaleStateStore
from infra.timescale.variant import read_variant
from schemas.errors import DatabaseAwayError, LogMismatchError, SetupError
from stream_processors.ports import OffsetMove, SavedState
from tests.embedded_services import BOTH_DATABASES, TIMESCALE
from tests.made_frames import NOW_MS, readings, scores
from tests.series_store import batch, copied

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

_DAY_US = 86_400_000_000
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_PARTITION = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relispartition)"


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def elsewhere(database_url: str) -> Iterator[str]:
    """The address of a database on the same server that does not exist yet."""
    name = f"test_{uuid4().hex}"
    yield urlsplit(database_url)._replace(path=f"/{name}").geturl()
    done = [str(client_program("dropdb")), "--if-exists", "--force", f"--maintenance-db={database_url}", name]
    subprocess.run(done, check=True, capture_output=True)


@pytest.fixture
def early(postgres_dsn: str) -> Iterator[str]:
    """An empty database on PostgreSQL, whichever kind the test's other one is of."""
    name = f"test_{uuid4().hex}"
    subprocess.run([client_program("createdb"), f"--maintenance-db={postgres_dsn}", name], check=True)
    yield urlsplit(postgres_dsn)._replace(path=f"/{name}").geturl()
    subprocess.run([client_program("dropdb"), "--force", f"--maintenance-db={postgres_dsn}", name], check=True)


@pytest.fixture
async def filled(pool: asyncpg.Pool, series: TimescaleSeries) -> asyncpg.Pool:
    """A database with people, readings and scores of three days, an alert's history and the state of a family."""
    await remember_log(pool, cluster_id="log")
    people = PeopleTable(pool)
    user, _ = await people.add_user(name="Ben", email=None, role="carer")
    ada = await people.add_wearer(name="Ada ☺", timezone="UTC", profile={"age": 70}, created_by=user)
    await people.add_device(ada.wearer_id, "watch")
    for day in range(3):
        row = {"time": NOW_MS * 1_000 - day * _DAY_US, "ibi": [800.0, 812.5], "firmware": "1.2 é"}
        await series.write(
            batch(readings(row, {"wearer": 6, "time": row["time"]}), scored=[scores({"bin": row["time"]})]), []
        )
    await series.write(batch(), [OffsetMove(topic="readings.v1", partition=3, expected=None, next=17, clock_ms=5)])
    await _save_state(pool)
    alert = uuid4()
    await pool.execute(
        "INSERT INTO alerts (alert_id, episode_id, revision, subject, wearer_id, kind, type, priority, condition, "
        "response, onset, raised, state) VALUES ($1, $1, 4294967297, 's', $2, 'k', 'physiological', 'high', 'active', "
        "'unseen', now(), now(), '{}')",
        alert,
        ada.wearer_id,
    )
    await pool.execute("INSERT INTO alert_events (alert_id, number, kind, at) VALUES ($1, 1, 'raised', now())", alert)
    await pool.execute(
        "INSERT INTO zones (zone_id, version, name, cells, made_by) VALUES ('old-town', 1, 'Old Town', '{5,6}', $1)",
        user,
    )
    await pool.execute("INSERT INTO zone_grants (zone_id, user_id, scopes) VALUES ('old-town', $1, '{status}')", user)
    await pool.execute("INSERT INTO zone_status (zone_id, bin, revision, body) VALUES ('old-town', now(), 7, '{}')")
    return pool


async def _save_state(pool: asyncpg.Pool) -> None:
    state = SavedState(
        family="vitals", topic="readings.v1", partition=3, cluster_id="log", next_offset=12, clock_ms=9, version="1",
        blob=b"\x00learnt\xff",
    )  # fmt: skip
    await TimescaleStateStore(pool).save(state, expected=None)


async def _dump(pool: asyncpg.Pool) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table of ours, as text, but for what a restore changes on purpose."""
    found = {}
    for row in await pool.fetch(_TABLES):
        table = row["tablename"]
        if await pool.fetchval(_PARTITION, table) or table in {"schema_migrations", "access_version"}:
            continue
        rows = await pool.fetch(f'SELECT "{table}"::text AS row FROM "{table}" ORDER BY 1')
        found[table] = [tuple(one) for one in rows if "care_generation" not in one["row"]]
    return found


async def _restored(source: Path, url: str, *, new_log: bool = False) -> int:
    with verified(source, say=quiet) as backup:
        return await restore(backup, url, new_log=new_log, say=quiet)


@pytest.mark.parametrize("name", ["folder", "file.tar"])
async def test_every_row_comes_back(
    filled: asyncpg.Pool, database_url: str, elsewhere: str, tmp_path: Path, name: str
) -> None:
    """All tables of the new database hold what the old one held, and alerts begin a higher generation."""
    manifest = await back_up(database_url, tmp_path / name, say=quiet)
    assert {piece.day for piece in manifest.pieces if piece.table == "scores"} == {
        piece.day for piece in manifest.pieces if piece.table == "readings"
    }
    assert ("vitals", "readings.v1", 3, 12) in manifest.offsets
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    before = int(await filled.fetchval("SELECT value FROM system WHERE key = 'care_generation'"))
    generation = await _restored(tmp_path / name, elsewhere)
    assert generation > before
    async with asyncpg.create_pool(elsewhere, min_size=1, max_size=2) as pool:
        assert await _dump(pool) == await _dump(filled)
        await check_schema_version(pool)
        await check_log(pool, cluster_id="log")
        blob = await TimescaleStateStore(pool).load("vitals", "readings.v1", 3)
        assert blob is not None
        assert blob.blob == b"\x00learnt\xff"
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await pool.execute("DELETE FROM alert_events")


async def test_a_backup_moves_to_the_other_kind_of_database(
    filled: asyncpg.Pool, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """From a laptop's PostgreSQL to a cluster's TimescaleDB, and back: the same rows, its own partitions or chunks."""
    here = await read_variant(filled)
    server = os.environ.get(TIMESCALE) if here == "plain" else str(request.getfixturevalue("postgres_dsn"))
    if server is None:
        pytest.skip(f"{TIMESCALE} is not set: there is no other kind of database")
    await back_up(database_url, tmp_path / "b", say=quiet)
    url = urlsplit(server)._replace(path=f"/test_{uuid4().hex}").geturl()
    try:
        await _restored(tmp_path / "b", url)
        async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
            assert await read_variant(pool) != here
            variant = {"schema_variant"}
            before, after = await _dump(filled), await _dump(pool)
            assert {name: rows for name, rows in after.items() if name not in variant} == {
                name: rows for name, rows in before.items() if name not in variant
            }
            await check_schema_version(pool)
    finally:
        async with asyncpg.create_pool(server, min_size=1, max_size=1) as keeper:
            await keeper.execute(f'DROP DATABASE IF EXISTS "{urlsplit(url).path[1:]}" WITH (FORCE)')


async def test_new_devices_get_numbers_that_no_log_knows(
    filled: asyncpg.Pool, database_url: str, elsewhere: str, tmp_path: Path
) -> None:
    """A device made after the backup was taken keeps its number to itself, though the database forgot it."""
    await back_up(database_url, tmp_path / "b", say=quiet)
    wearer = await filled.fetchval("SELECT wearer_id FROM wearers")
    await PeopleTable(filled).add_device(wearer, "forgotten")
    forgotten = await filled.fetchval("SELECT max(device_number) FROM devices")
    await _restored(tmp_path / "b", elsewhere)
    async with asyncpg.create_pool(elsewhere, min_size=1, max_size=2) as pool:
        await PeopleTable(pool).add_device(wearer, "new")
        assert await pool.fetchval("SELECT max(device_number) FROM devices") > forgotten


async def test_a_moment_is_one_moment(filled: asyncpg.Pool, database_url: str, tmp_path: Path) -> None:
    """What is written while the backup runs is in none of its files, whichever table it is in."""
    written: list[str] = []

    def write(line: str) -> None:
        if not written:
            written.append(line)
            user = "INSERT INTO users (user_id, name) VALUES (gen_random_uuid(), 'late')"
            event = "INSERT INTO audit (action) VALUES ('late')"
            done = [str(client_program("psql")), "-q", "-d", database_url, "-c", user, "-c", event]
            subprocess.run(done, check=True)

    manifest = await back_up(database_url, tmp_path / "b", say=write)
    rows = {piece.table: piece.rows for piece in manifest.pieces}
    assert await filled.fetchval("SELECT count(*) FROM users") == rows["users"] + 1
    assert await filled.fetchval("SELECT count(*) FROM audit") == rows["audit"] + 1


@pytest.mark.usefixtures("filled")
async def test_what_is_damaged_is_found_before_anything_changes(database_url: str, tmp_path: Path) -> None:
    """A flipped bit, a missing file or a manifest that is none: refused, and named."""
    source = tmp_path / "b"
    await back_up(database_url, source, say=quiet)
    victim = source / "wearers.copy.zst"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(SetupError, match="wearers"), verified(source, say=quiet):
        pass
    victim.unlink()
    with pytest.raises(SetupError, match="wearers"), verified(source, say=quiet):
        pass
    (source / MANIFEST).write_text("{}")
    with pytest.raises(SetupError, match="cannot be read"), verified(source, say=quiet):
        pass


async def test_a_restore_that_fails_leaves_what_was_there(
    filled: asyncpg.Pool, database_url: str, tmp_path: Path
) -> None:
    """When a table comes back with other rows than its manifest says, the old database is as it was."""
    await back_up(database_url, tmp_path / "b", say=quiet)
    before = await _dump(filled)
    manifest = (tmp_path / "b" / MANIFEST).read_text()
    (tmp_path / "b" / MANIFEST).write_text(manifest.replace('"rows": 1,', '"rows": 2,', 1))
    with pytest.raises(SetupError, match="instead of 2"):
        await _restored(tmp_path / "b", database_url)
    assert await _dump(filled) == before
    assert not await holds_something(f"{database_url}_restoring")


async def test_who_is_connected_does_not_cost_both_databases(
    filled: asyncpg.Pool, database_url: str, tmp_path: Path
) -> None:
    """Sessions on the old and on the half-made database are cut off when the one takes the other's name."""
    await back_up(database_url, tmp_path / "b", say=quiet)
    before = await _dump(filled)
    sessions: list[subprocess.Popen[bytes]] = []

    def look_in(_: str) -> None:
        if not sessions:
            sessions.append(_session(f"{database_url}_restoring"))
            sessions.append(_session(database_url))

    try:
        with verified(tmp_path / "b", say=quiet) as backup:
            await restore(backup, database_url, new_log=False, say=look_in)
    finally:
        for session in sessions:
            session.communicate()
    assert not await holds_something(f"{database_url}_restoring")
    assert not await holds_something(f"{database_url}_replaced")
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        assert await _dump(pool) == before


def _session(url: str) -> subprocess.Popen[bytes]:
    """Return a client that is connected to a database, and stays so."""
    client = [str(client_program("psql")), "-qAt", "-d", url]
    session = subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(b"SELECT 1;\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"1\n"
    return session


async def test_an_early_backup_comes_back_whole_into_either_kind_of_database(
    early: str, elsewhere: str, tmp_path: Path
) -> None:
    """A backup of a schema from before there were two variants keeps its readings, and gets this release's schema."""
    async with asyncpg.create_pool(early, min_size=1, max_size=2) as pool:
        await apply_migrations(pool, upto=3)
        await copied(pool, readings({"heart_rate": 61.0}, {"wearer": 6}))
    manifest = await back_up(early, tmp_path / "b", say=quiet)
    assert manifest.schema == 3
    await _restored(tmp_path / "b", elsewhere)
    async with asyncpg.create_pool(elsewhere, min_size=1, max_size=2) as pool:
        assert await pool.fetchval("SELECT count(*) FROM readings") == 2
        await check_schema_version(pool)


@pytest.mark.usefixtures("filled")
async def test_a_backup_of_a_later_release_is_refused(database_url: str, tmp_path: Path) -> None:
    """A schema that this release does not know is named before anything is touched."""
    manifest = await back_up(database_url, tmp_path / "b", say=quiet)
    text = (tmp_path / "b" / MANIFEST).read_text()
    (tmp_path / "b" / MANIFEST).write_text(text.replace(f'"schema": {manifest.schema}', '"schema": 900'))
    with pytest.raises(SetupError, match=r"schema 900.*newer one"), verified(tmp_path / "b", say=quiet):
        pass


async def test_a_backup_takes_the_place_of_what_is_there(
    filled: asyncpg.Pool, database_url: str, tmp_path: Path
) -> None:
    """Restored over the database that it came from, later rows are gone, and nothing stands twice."""
    await back_up(database_url, tmp_path / "b", say=quiet)
    before = await _dump(filled)
    await PeopleTable(filled).add_user(name="later", email=None, role="carer")
    await filled.close()
    await _restored(tmp_path / "b", database_url)
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        assert await _dump(pool) == before


@pytest.mark.usefixtures("filled")
async def test_a_new_log_is_read_from_its_start(database_url: str, elsewhere: str, tmp_path: Path) -> None:
    """When Kafka is lost too, the next migrate takes the new cluster: offsets begin at 0, what was learnt is kept."""
    await back_up(database_url, tmp_path / "b", say=quiet)
    await _restored(tmp_path / "b", elsewhere)
    async with asyncpg.create_pool(elsewhere, min_size=1, max_size=2) as pool:
        with pytest.raises(LogMismatchError):
            await remember_log(pool, cluster_id="another")
    await _restored(tmp_path / "b", elsewhere, new_log=True)
    async with asyncpg.create_pool(elsewhere, min_size=1, max_size=2) as pool:
        await remember_log(pool, cluster_id="another")
        await check_log(pool, cluster_id="another")
        state = await TimescaleStateStore(pool).load("vitals", "readings.v1", 3)
        assert state is not None
        assert (state.next_offset, state.cluster_id, state.blob) == (0, "another", b"\x00learnt\xff")


class FullDisk(io.RawIOBase):
    """A file on a disk without room."""

    def write(self, _: object) -> int:
        """Refuse."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("filled")
async def test_a_full_disk_is_not_taken_for_a_database_that_is_away(database_url: str) -> None:
    """Where the files cannot be written the message says so, and not that the database does not answer."""
    async with snapshot(database_url) as moment:
        piece = next(one for one in moment.contents.pieces if one.table == "wearers")
        with pytest.raises(SetupError, match="No space left"):
            await moment.copy(piece, FullDisk())  # type: ignore[arg-type]


async def test_who_may_not_read_is_told_so(filled: asyncpg.Pool, database_url: str) -> None:
    """A user without rights on the tables gets an error of ours, not the driver's."""
    role = f"reader_{uuid4().hex}"
    await filled.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'reads'")
    try:
        parts = urlsplit(database_url)
        reader = parts._replace(netloc=f"{role}:reads@{parts.hostname}:{parts.port}").geturl()
        with pytest.raises(DatabaseAwayError, match="42501"):
            async with snapshot(reader):
                pass
    finally:
        await filled.execute(f"DROP ROLE {role}")


async def test_a_target_that_is_there_is_kept(pool: asyncpg.Pool, database_url: str, tmp_path: Path) -> None:
    """A backup never writes over anything, and leaves nothing half-made beside it."""
    del pool
    (tmp_path / "b").mkdir()
    with pytest.raises(SetupError, match="there already"):
        await back_up(database_url, tmp_path / "b", say=quiet)
    assert os.listdir(tmp_path) == ["b"]  # noqa: PTH208 - a list of two names at most
