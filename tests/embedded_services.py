"""Fixtures with real services: one Kafka and one PostgreSQL a test session, an empty database a test."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs
import pytest

from infra.embedded.account import database_account
from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer, client_program, prepare_postgres
from infra.embedded.process import running

TIMESCALE = "PULSERA_TEST_TIMESCALE_DSN"
"""The variable that names a server with the TimescaleDB extension."""

BOTH_DATABASES = pytest.mark.parametrize("database_url", ["postgresql", "timescaledb"], indirect=True)
"""Runs a module's tests on the embedded PostgreSQL, and on a server with the TimescaleDB extension where
PULSERA_TEST_TIMESCALE_DSN names one (a user who may make databases and extensions)."""


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
    program = prepare_postgres(server)
    # To drop a database, PostgreSQL has all that was written before reach the disk: seconds a test, for nothing here.
    program = replace(program, command=(*program.command, "-c", "fsync=off"))
    with running(program, log=services_dir / "postgres.log", ready=server.is_ready):
        yield server.url()


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a new and empty database, dropped after the test; see `BOTH_DATABASES`."""
    if getattr(request, "param", "postgresql") == "postgresql":
        server: str = request.getfixturevalue("postgres_dsn")
    elif TIMESCALE in os.environ:
        server = os.environ[TIMESCALE]
    else:
        pytest.skip(f"{TIMESCALE} is not set: only PostgreSQL is tested")
    name = f"test_{uuid.uuid4().hex}"
    subprocess.run([client_program("createdb"), f"--maintenance-db={server}", name], check=True)
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    subprocess.run([client_program("dropdb"), "--force", f"--maintenance-db={server}", name], check=True)
