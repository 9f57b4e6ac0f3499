"""A broker that serves topics while no coordinator answers: seen, and mended by a restart."""

import asyncio
import shutil
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.mending import keep_coordinators
from infra.embedded.ports import free_ports
from infra.embedded.process import Program
from infra.embedded.supervisor import Part, Supervisor
from infra.kafka import coordinator
from infra.kafka.coordinator import Answer, CoordinatorProbe
from infra.kafka.reader import KafkaReader
from tests.embedded_services import cache_dir

pytestmark = pytest.mark.connected

_MOST_S = 90.0
_GROUPS = ("pulsera-storage", "pulsera-vitals", "pulsera-care")
_LOG_OF_GROUPS = "__consumer_offsets"
_SPOILT = 2
"""The partition of `pulsera-storage` and `pulsera-care` among the four of the embedded Kafka."""
_KAFKAS_OWN = "__admin_client"
"""The one name under which a client may write there."""


async def _until(probe: CoordinatorProbe, group: str, answer: Answer) -> None:
    while await probe.ask(group) is not answer:  # noqa: ASYNC110 - another process's state
        await asyncio.sleep(0.1)


async def test_a_healthy_coordinator_answers_for_any_group_and_nobody_answers_where_no_broker_is(
    kafka_bootstrap: str,
) -> None:
    """A group that has no members is answered for too; an address without a broker is told apart from a refusal."""
    healthy, nobody = CoordinatorProbe(kafka_bootstrap), CoordinatorProbe(f"127.0.0.1:{free_ports(1)[0]}")
    try:
        async with asyncio.timeout(_MOST_S):
            await _until(healthy, "pulsera-none", Answer.ANSWERS)  # the first ask makes Kafka's own topic
        assert await nobody.ask("pulsera-none") is Answer.AWAY
    finally:
        await healthy.close()
        await nobody.close()


async def _spoil(bootstrap: str, partition: int) -> None:
    """Append to Kafka's log of groups what it cannot read: the coordinator of the partition fails at its next start."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, client_id=_KAFKAS_OWN) as producer:
        await producer.send_and_wait(_LOG_OF_GROUPS, b"?", key=b"?", partition=partition)


async def test_a_failed_coordinator_is_seen_and_its_broker_restarted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two groups of three refuse, the third is served; after one restart, which can read its log again, all are."""
    monkeypatch.setattr(coordinator, "ABSENT_AFTER_S", 3.0)
    port, controller_port = free_ports(2)
    node = KafkaNode(data_dir=tmp_path / "kafka", cache_dir=cache_dir(), port=port, controller_port=controller_port)
    starts: list[Program] = []
    said: list[str] = []

    def prepare() -> Program:
        if len(starts) == 2:
            shutil.rmtree(node.data_dir / "log" / f"{_LOG_OF_GROUPS}-{_SPOILT}")
        starts.append(prepare_kafka(node))
        return starts[-1]

    part = Part(name="kafka", prepare=prepare, ready=node.is_ready, ready_within_s=_MOST_S)
    supervisor = Supervisor([part], log_dir=tmp_path, say=said.append, changed=lambda _: None)
    running = asyncio.create_task(supervisor.run(lambda: None))
    probe = CoordinatorProbe(node.bootstrap)
    try:
        async with asyncio.timeout(_MOST_S):
            await supervisor.until_ready("kafka")
            await _until(probe, "pulsera-care", Answer.ANSWERS)
            await _spoil(node.bootstrap, _SPOILT)
            await supervisor.restart("kafka")
            await _until(probe, "pulsera-vitals", Answer.ANSWERS)
            await _until(probe, "pulsera-care", Answer.REFUSES)
            assert await KafkaReader(node.bootstrap).cluster_id()
            said.clear()
            keeping = keep_coordinators(
                node.bootstrap, _GROUPS, restart=lambda: supervisor.restart("kafka"), say=said.append
            )
            mending = asyncio.create_task(keeping)
            for group in _GROUPS:
                await _until(probe, group, Answer.ANSWERS)
            mending.cancel()
            await asyncio.wait([mending])
    finally:
        await probe.close()
        supervisor.ask_to_stop()
        await running
    assert mending.cancelled()
    assert len(starts) == 3
    assert "kafka: error: Kafka's coordinator of the group pulsera-storage does not answer." in said[0]
    assert "kafka ended with code 143" in said[1]
    assert len(said) == 2
