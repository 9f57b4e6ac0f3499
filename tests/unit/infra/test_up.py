"""The plan of `up`: which parts, in which order, told what."""

import dataclasses
import json
from pathlib import Path

import pytest

from infra.embedded.kafka import KafkaNode, aot_cache, server_properties
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer
from infra.embedded.supervisor import Part, check_needs, stop_order
from infra.embedded.up import Ground, _Announcement, _with_ports, plan
from infra.settings import Settings
from schemas.errors import SetupError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an installation in a temporary folder."""
    return Settings(data_dir=tmp_path, kafka_bootstrap="127.0.0.1:1", database_url="postgresql://x")


def _ground(folder: Path) -> Ground:
    return Ground(
        kafka=KafkaNode(data_dir=folder / "kafka", cache_dir=folder, port=1, controller_port=2),
        postgres=PostgresServer(data_dir=folder, port=3),
        metrics_ports={"gateway": 4, "storage": 5, "vitals": 6, "care": 7},
    )


def _parts(settings: Settings, ground: Ground, *, demo: bool = False) -> list[Part]:
    nodes = plan(settings, ground, demo=demo, announcement=_Announcement(settings, {}, json_line=True))
    check_needs(nodes)
    return [node for node in nodes if isinstance(node, Part)]


def test_the_plan_has_every_part_once(settings: Settings, tmp_path: Path) -> None:
    """Without a cluster the whole system is seven programs."""
    names = [part.name for part in _parts(settings, _ground(tmp_path))]
    assert names == ["kafka", "postgres", "gateway", "storage", "vitals", "care", "api"]


def test_a_cluster_replaces_the_embedded_services(settings: Settings) -> None:
    """With Kafka and a database elsewhere, neither is started."""
    ground = Ground(kafka=None, postgres=None, metrics_ports={"gateway": 4})
    assert [part.name for part in _parts(settings, ground)] == ["gateway", "api"]


def test_the_gateway_stops_first_and_the_database_last(settings: Settings, tmp_path: Path) -> None:
    """Nothing that brings data in outlives what keeps it."""
    parts = _parts(settings, _ground(tmp_path), demo=True)
    order = [sorted(part.name for part in stage) for stage in stop_order(parts)]
    assert order == [["replay"], ["gateway"], ["care", "storage", "vitals"], ["api"], ["kafka"], ["postgres"]]


def test_the_api_is_told_where_the_others_answer(settings: Settings, tmp_path: Path) -> None:
    """The API's environment names the health URL of each process that it shows."""
    [api] = [part for part in _parts(settings, _ground(tmp_path)) if part.name == "api"]
    components = json.loads(api.prepare().env["PULSERA_COMPONENTS"])
    assert components["storage"] == "http://127.0.0.1:5/health"
    assert sorted(components) == ["care", "gateway", "storage", "vitals"]


def test_durable_flushes_every_append(tmp_path: Path) -> None:
    """Only a durable Kafka forces each message to the disk."""
    fast = KafkaNode(data_dir=tmp_path, cache_dir=tmp_path, port=1, controller_port=2)
    durable = dataclasses.replace(fast, durable=True)
    assert "flush.interval.messages" not in server_properties(fast)
    assert "log.flush.interval.messages=1\n" in server_properties(durable)


def test_kafka_listens_on_the_loopback_address_alone(tmp_path: Path) -> None:
    """Every listener of the embedded broker is 127.0.0.1."""
    text = server_properties(KafkaNode(data_dir=tmp_path, cache_dir=tmp_path, port=11, controller_port=12))
    [listeners] = [line.split("=")[1] for line in text.splitlines() if line.startswith("listeners=")]
    assert listeners == "PLAINTEXT://127.0.0.1:11,CONTROLLER://127.0.0.1:12"


def test_nothing_of_ours_starts_before_the_services_when_they_must_be_made(settings: Settings, tmp_path: Path) -> None:
    """The first start may download for minutes: each process waits for the migration; later ones load early."""
    cold = {part.name: part.needs for part in _parts(settings, _ground(tmp_path))}
    assert cold["storage"] == {"migrate"}
    made = aot_cache(tmp_path)
    made.parent.mkdir()
    made.touch()
    (tmp_path / "postgres").mkdir()
    warm = {part.name: part.needs for part in _parts(settings, _ground(tmp_path))}
    assert warm["storage"] == frozenset()


def test_one_port_is_not_given_to_two() -> None:
    """The API and the gateway on one port would end in restarts without end; it is refused with the remedy."""
    [port] = free_ports(1)
    with pytest.raises(SetupError, match="both"):
        _with_ports(Settings(api_port=port, gateway_port=port))
