"""Tests of what a database may lack, and of what is refused."""

from pathlib import Path

import pytest

from infra.timescale.backup import _VARIANTS_BEGIN
from infra.timescale.migrate import Applied, Migration, pending, read_migrations
from infra.timescale.variant import Variant
from schemas.errors import SetupError


def known(*digests: str) -> list[Migration]:
    """Return migrations with these checksums."""
    return [
        Migration(version=number, name=f"{number:04}_step", sha256=digest, sql="")
        for number, digest in enumerate(digests, start=1)
    ]


def applied(*digests: str) -> list[Applied]:
    """Return lines of the table of applied migrations."""
    return [Applied(version=one.version, name=one.name, sha256=one.sha256) for one in known(*digests)]


def test_a_database_lacks_what_comes_after_its_last_migration() -> None:
    """Only the migrations after the applied ones are pending, in order."""
    assert [one.version for one in pending(known("a", "b", "c"), applied("a"))] == [2, 3]
    assert list(pending(known("a"), applied("a"))) == []


def test_a_changed_migration_is_refused() -> None:
    """A file that differs from what was applied is named, with the next step."""
    with pytest.raises(SetupError, match=r"0002_step was changed.*Put the file back"):
        pending(known("a", "changed"), applied("a", "b"))


def test_a_newer_database_is_refused() -> None:
    """Code that is older than the database does not touch it."""
    with pytest.raises(SetupError, match=r"has schema 2.*newer"):
        pending(known("a"), applied("a", "b"))


def test_migrations_are_numbered_without_a_gap(tmp_path: Path) -> None:
    """A missing number or a strange name is refused before anything is applied."""
    (tmp_path / "0002_late.sql").write_text("SELECT 1;")
    with pytest.raises(SetupError, match=r"without a gap"):
        read_migrations(tmp_path)
    (tmp_path / "one.sql").write_text("SELECT 1;")
    with pytest.raises(SetupError, match=r"not named"):
        read_migrations(tmp_path)


def test_the_shipped_migrations_can_be_read() -> None:
    """The migrations of this release are numbered from 1."""
    assert [one.version for one in read_migrations()][:1] == [1]


def test_a_database_gets_the_files_of_its_variant(tmp_path: Path) -> None:
    """A number with a file a variant gives each database its own; a file without a variant is everybody's."""
    (tmp_path / "0001_all.sql").write_text("SELECT 1;")
    (tmp_path / "0002_days.plain.sql").write_text("SELECT 2;")
    (tmp_path / "0002_days.timescaledb.sql").write_text("SELECT 3;")
    endings: dict[Variant, str] = {"plain": "2", "timescaledb": "3"}
    for variant, ending in endings.items():
        found = read_migrations(tmp_path, variant=variant)
        assert [one.sql[7] for one in found] == ["1", ending]
        assert found[1].name == f"0002_days.{variant}"


def test_every_variant_must_have_its_file(tmp_path: Path) -> None:
    """A number that only one variant has is a gap for the other; a variant that nobody knows is refused."""
    (tmp_path / "0001_days.plain.sql").write_text("SELECT 1;")
    (tmp_path / "0002_all.sql").write_text("SELECT 1;")
    assert len(read_migrations(tmp_path)) == 2
    with pytest.raises(SetupError, match=r"without a gap"):
        read_migrations(tmp_path, variant="timescaledb")
    (tmp_path / "0001_days.other.sql").write_text("SELECT 1;")
    with pytest.raises(SetupError, match=r"not named"):
        read_migrations(tmp_path)


def test_both_variants_have_every_migration() -> None:
    """Databases of both variants come to the same schema number."""
    plain, hypertables = read_migrations(), read_migrations(variant="timescaledb")
    assert [one.version for one in plain] == [one.version for one in hypertables]


def test_rows_of_a_backup_come_after_the_first_migration_of_two_variants() -> None:
    """A restore writes rows once the tables are those of their variant: the migration that makes them drops rows."""
    both = zip(read_migrations(), read_migrations(variant="timescaledb"), strict=True)
    assert next(one.version for one, other in both if one.sha256 != other.sha256) == _VARIANTS_BEGIN
