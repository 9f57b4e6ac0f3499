"""Migrating a real PostgreSQL, and tying it to one log."""

import asyncio
import sys
from pathlib import Path

import pytest

from infra.timescale.migrate import apply_migrations, check_log, check_schema_version, read_migrations, remember_log
from infra.timescale.pool import database_errors, open_pool
from infra.timescale.variant import read_variant
from schemas.errors import ContractError, LogMismatchError, SetupError
from tests.embedded_services import BOTH_DATABASES

pytestmark = [pytest.mark.connected, BOTH_DATABASES]


async def test_a_database_is_migrated_once_whoever_asks(database_url: str) -> None:
    """Two migrations at the same time apply every file once; a third finds nothing to do; the check is then content."""
    pool = await open_pool(database_url, size=4)
    with pytest.raises(SetupError, match=r"empty"):
        await check_schema_version(pool)
    done = await asyncio.gather(apply_migrations(pool), apply_migrations(pool))
    assert sorted(done) == [0, len(read_migrations())]
    assert await apply_migrations(pool) == 0
    await check_schema_version(pool)
    await pool.close()


async def test_a_release_restarts_on_the_schema_of_the_next(database_url: str, tmp_path: Path) -> None:
    """In an upgrade the old release's processes go on, restarts included; it can neither migrate nor trust a change."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id integer);")
    (tmp_path / "0002_next.sql").write_text("ALTER TABLE first ADD COLUMN added integer;")
    pool = await open_pool(database_url, size=2)
    assert await apply_migrations(pool, tmp_path) == 2
    (tmp_path / "0002_next.sql").unlink()
    await check_schema_version(pool, tmp_path)
    with pytest.raises(SetupError, match=r"0002_next.*newer"):
        await apply_migrations(pool, tmp_path)
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE other (id integer);")
    with pytest.raises(SetupError, match=r"0001_first was changed"):
        await check_schema_version(pool, tmp_path)
    await pool.close()


async def test_a_failing_migration_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    """A file that fails half way is rolled back whole, the ones before it stay applied, and the check names it."""
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (id integer);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id integer); SELECT 1 / 0;")
    pool = await open_pool(database_url, size=2)
    with pytest.raises(SetupError, match=r"0002_bad fails .*division by zero.*nothing of it was applied.*migrate"):
        await apply_migrations(pool, tmp_path)
    assert await pool.fetchval("SELECT to_regclass('good') IS NOT NULL AND to_regclass('half') IS NULL")
    with pytest.raises(SetupError, match=r"0002_bad.*pulsera migrate"):
        await check_schema_version(pool, tmp_path)
    await pool.close()


async def test_a_statement_about_a_missing_table_is_not_waited_for(database_url: str, tmp_path: Path) -> None:
    """What another process would wait for, a table that is not there yet, is a migration's own mistake: it is named."""
    (tmp_path / "0001_bad.sql").write_text("ALTER TABLE nowhere ADD COLUMN more integer;")
    pool = await open_pool(database_url, size=2)
    with pytest.raises(SetupError, match=r"0001_bad fails .*nowhere"):
        await apply_migrations(pool, tmp_path)
    await pool.close()


async def test_a_killed_migrate_is_made_good_by_the_next(database_url: str, tmp_path: Path) -> None:
    """SIGKILL in the middle of a migration: nothing of it stays, and within seconds the next one applies it whole."""
    slow = tmp_path / "0001_slow.sql"
    slow.write_text("CREATE TABLE half (id integer); SELECT pg_sleep(600); CREATE TABLE whole (id integer);")
    pool = await open_pool(database_url, size=2)
    migrate = (
        "import asyncio, pathlib, sys\nfrom infra.timescale.migrate import apply_migrations\n"
        "from infra.timescale.pool import open_pool\n"
        "async def go():\n    await apply_migrations(await open_pool(sys.argv[1], size=2), pathlib.Path(sys.argv[2]))\n"
        "asyncio.run(go())"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", migrate, database_url, str(tmp_path))
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    async with asyncio.timeout(30):
        while not await pool.fetchval(asleep):  # noqa: ASYNC110 - the server tells of it in no other way
            await asyncio.sleep(0.05)
    process.kill()
    await process.wait()
    slow.write_text(slow.read_text().replace("600", "0"))
    async with asyncio.timeout(20):
        assert await apply_migrations(pool, tmp_path) == 1
    assert await pool.fetchval("SELECT to_regclass('half') IS NOT NULL AND to_regclass('whole') IS NOT NULL")
    await pool.close()


async def test_a_database_belongs_to_one_log(database_url: str) -> None:
    """Another cluster, or another number of partitions, is refused with a sentence that names both."""
    pool = await open_pool(database_url, size=2)
    await apply_migrations(pool)
    with pytest.raises(SetupError, match=r"which log"):
        await check_log(pool, cluster_id="one")
    await remember_log(pool, cluster_id="one", partitions=12)
    await check_log(pool, cluster_id="one", partitions=12)
    with pytest.raises(LogMismatchError, match=r"one.*two"):
        await remember_log(pool, cluster_id="two", partitions=12)
    with pytest.raises(LogMismatchError, match=r"12 partitions.*24"):
        await check_log(pool, cluster_id="one", partitions=24)
    await pool.close()


async def test_what_the_driver_cannot_encode_is_a_broken_contract(database_url: str) -> None:
    """A value that does not fit its column is not worth a retry."""
    pool = await open_pool(database_url, size=1)
    with pytest.raises(ContractError), database_errors():
        await pool.fetchval("SELECT $1::integer", "no number")
    await pool.close()


async def test_a_database_from_before_the_variants_stays_plain(database_url: str, tmp_path: Path) -> None:
    """A database that an earlier release migrated goes on with partitions, also where TimescaleDB is offered now."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id integer);")
    pool = await open_pool(database_url, size=2)
    await apply_migrations(pool, tmp_path)
    await pool.execute("DROP TABLE schema_variant")
    (tmp_path / "0002_days.plain.sql").write_text("CREATE TABLE plain (id integer);")
    (tmp_path / "0002_days.timescaledb.sql").write_text("CREATE TABLE hyper (id integer);")
    assert await apply_migrations(pool, tmp_path) == 1
    assert await pool.fetchval("SELECT to_regclass('plain') IS NOT NULL AND to_regclass('hyper') IS NULL")
    await check_schema_version(pool, tmp_path)
    await pool.close()


async def test_the_variant_outlives_a_migration_that_was_cut_off(database_url: str, tmp_path: Path) -> None:
    """What was chosen for the empty database holds when migrating goes on later."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id integer);")
    (tmp_path / "0002_days.plain.sql").write_text("SELECT 1 / 0;")
    (tmp_path / "0002_days.timescaledb.sql").write_text("SELECT 1 / 0;")
    pool = await open_pool(database_url, size=2)
    with pytest.raises(SetupError, match=r"0002_days"):
        await apply_migrations(pool, tmp_path)
    chosen = await read_variant(pool)
    for variant in ("plain", "timescaledb"):
        (tmp_path / f"0002_days.{variant}.sql").write_text(f"CREATE TABLE made_{variant} (id integer);")
    assert await apply_migrations(pool, tmp_path) == 1
    assert await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", f"made_{chosen}")
    await pool.close()


async def test_a_user_who_may_not_make_the_extension_is_told(database_url: str) -> None:
    """Where TimescaleDB is offered to a user who may not make it, the next step is said and nothing is made."""
    pool = await open_pool(database_url, size=1)
    role = f"plain_{database_url[-8:]}"
    await pool.execute(f"CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}")
    try:
        if await pool.fetchval("SELECT current_setting('timescaledb.max_background_workers', true) IS NULL"):
            await apply_migrations(pool)
        else:
            with pytest.raises(SetupError, match=r"administrator run CREATE EXTENSION"):
                await apply_migrations(pool)
            assert await pool.fetchval("SELECT to_regclass('schema_migrations') IS NULL")
    finally:
        await pool.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")
        await pool.close()
