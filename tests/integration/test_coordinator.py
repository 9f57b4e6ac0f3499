"""A broker that serves topics while no coordinator answers: seen, and mended by a restart."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from infra.embedded import kafka
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


async def _until_answered(probe: CoordinatorProbe, group: str) -> None:
    while await probe.ask(group) is not Answer.ANSWERS:  # noqa: ASYNC110 - another process's state
        await asyncio.sleep(0.1)


async def test_a_healthy_coordinator_answers_for_any_group_and_nobody_answers_where_no_broker_is(
    kafka_bootstrap: str,
) -> None:
    """A group that has no members is answered for too; an address without a broker is told apart from a refusal."""
    healthy, nobody = CoordinatorProbe(kafka_bootstrap), CoordinatorProbe(f"127.0.0.1:{free_ports(1)[0]}")
    try:
        async with asyncio.timeout(_MOST_S):
            await _until_answered(healthy, "pulsera-none")  # the first ask makes Kafka's own topic
        assert await nobody.ask("pulsera-none") is Answer.AWAY
    finally:
        await healthy.close()
        await nobody.close()


async def test_a_broker_without_a_coordinator_is_restarted_once_and_the_group_is_served_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start cannot make the log of groups, so topics are served and no group is; the second one can."""
    monkeypatch.setattr(coordinator, "ABSENT_AFTER_S", 3.0)
    port, controller_port = free_ports(2)
    node = KafkaNode(data_dir=tmp_path / "kafka", cache_dir=cache_dir(), port=port, controller_port=controller_port)
    whole = kafka.server_properties
    starts: list[Program] = []

    def prepare() -> Program:
        broken = "" if starts else "offsets.topic.replication.factor=3\n"  # the last line of a name counts
        monkeypatch.setattr(kafka, "server_properties", lambda node: whole(node) + broken)
        starts.append(prepare_kafka(node))
        return starts[-1]

    said: list[str] = []
    part = Part(name="kafka", prepare=prepare, ready=node.is_ready, ready_within_s=_MOST_S)
    supervisor = Supervisor([part], log_dir=tmp_path, say=said.append, changed=lambda _: None)
    running = asyncio.create_task(supervisor.run(lambda: None))
    probe = CoordinatorProbe(node.bootstrap)
    try:
        async with asyncio.timeout(_MOST_S):
            await supervisor.until_ready("kafka")
            assert await KafkaReader(node.bootstrap).cluster_id()
            assert await probe.ask("pulsera-care") is Answer.REFUSES
            mending = asyncio.create_task(
                keep_coordinators(
                    node.bootstrap, ["pulsera-care"], restart=lambda: supervisor.restart("kafka"), say=said.append
                )
            )
            await _until_answered(probe, "pulsera-care")
            mending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await mending
    finally:
        await probe.close()
        supervisor.ask_to_stop()
        await running
    assert len(starts) == 2
    assert [line for line in said if "coordinator of the group pulsera-care does not answer" in line] == said[:1]
    assert "kafka ended with code 143" in said[1]
