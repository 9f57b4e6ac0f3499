"""Fixtures with real services: one Kafka and one PostgreSQL a test session, an empty database a test."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from infra.embedded.account import database_account
from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import LOOPBACK, free_ports
from infra.embedded.postgres import USER, PostgresServer, client_program, prepare_postgres
from infra.embedded.process import running


def cache_dir() -> Path:
    """The cache of Kafka's jars, shared with every other run on this computer."""
    return Path(os.environ.get("PULSERA_CACHE_DIR") or platformdirs.user_cache_dir("pulsera"))


@pytest.fixture(scope="session")
def services_dir() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's own user can reach, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pulsera-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def kafka_bootstrap(services_dir: Path) -> Iterator[str]:
    """The address of an Apache Kafka that runs for the whole test session; tests use topics with names of their own."""
    port, controller_port = free_ports(2)
    node = KafkaNode(data_dir=services_dir / "kafka", cache_dir=cache_dir(), port=port, controller_port=controller_port)
    with running(prepare_kafka(node), log=services_dir / "kafka.log", ready=node.is_ready):
        yield node.bootstrap


@pytest.fixture(scope="session")
def postgres_dsn(services_dir: Path) -> Iterator[str]:
    """The URL of a PostgreSQL that runs for the whole test session; `database_url` is a database of your own."""
    server = PostgresServer(data_dir=services_dir, port=free_ports(1)[0], account=database_account())
    with running(prepare_postgres(server), log=services_dir / "postgres.log", ready=server.is_ready):
        yield server.url()


@pytest.fixture
def database_url(postgres_dsn: str) -> Iterator[str]:
    """The URL of a new and empty database, dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    stem, _ = postgres_dsn.rsplit("/", 1)
    password, port = stem.split(":")[2].split("@")[0], stem.rsplit(":", 1)[1]
    env = {"PGPASSWORD": password, "PGHOST": LOOPBACK, "PGPORT": port, "PGUSER": USER, "PGDATABASE": "pulsera"}
    subprocess.run([client_program("createdb"), name], env=env, check=True)
    yield f"{stem}/{name}"
    subprocess.run([client_program("dropdb"), "--force", name], env=env, check=True)
