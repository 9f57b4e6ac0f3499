"""The API while Kafka dies and comes back: reads go on, sockets stay, nothing is told twice or left out."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest
import websockets

from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.process import running
from infra.settings import Settings
from infra.timescale.migrate import migrate
from infra.wiring import bootstrap_admin
from schemas.zones import BIN_MS
from tests.api_server import DEADLINE_S, LIVE, episode, frame, running_api, subscribe, told
from tests.embedded_services import cache_dir
from tests.zones_over_http import define, newest_bin_ms, publish, status, store, told_as, watcher

pytestmark = pytest.mark.connected


async def test_live_sockets_outlive_a_killed_broker(database_url: str, tmp_path: Path) -> None:
    """While Kafka is away reads work and commands say 503; afterwards the same socket is told what follows, once."""
    port, controller_port = free_ports(2)
    node = KafkaNode(data_dir=tmp_path / "kafka", cache_dir=cache_dir(), port=port, controller_port=controller_port)
    log = tmp_path / "kafka.log"
    first = running(prepare_kafka(node), log=log, ready=node.is_ready)
    broker = first.__enter__()
    async with running_api(database_url, node.bootstrap) as api:
        wearer = await api.wearer()
        await api.care(wearer, episode(wearer))
        async with api.live(api.admin) as socket, api.client(api.admin) as admin:
            await subscribe(socket, 1, "readings", wearer=wearer)
            await api.append(wearer, frame(wearer, {"at": 0, "heart_rate": 60.0}))
            assert (await told(socket, lambda message: message["type"] == "update"))["data"]["heart_rate"] == 60.0
            broker.kill()
            first.__exit__(None, None, None)
            (alert,) = (await admin.get("/alerts")).json()["items"]
            refused = await admin.post(f"/alerts/{alert['alert_id']}/acknowledge")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "broker_away")
            ready = await admin.get("/ready")
            assert ready.status_code == 503
            assert ready.json()["components"]["kafka"]["state"] == "down"
            with running(prepare_kafka(node), log=log, ready=node.is_ready):
                async with asyncio.timeout(DEADLINE_S):
                    await api.append(wearer, frame(wearer, {"at": 1, "heart_rate": 61.0}))
                update = await told(socket, lambda message: message["type"] == "update")
                assert update["data"]["heart_rate"] == 61.0
                pending = await admin.post(f"/alerts/{alert['alert_id']}/acknowledge")
                assert pending.status_code == 202
                assert (await admin.get("/ready")).json()["components"]["kafka"]["state"] == "up"


async def test_a_zones_status_comes_from_the_log_while_it_is_heard_and_else_from_the_database(
    database_url: str, tmp_path: Path
) -> None:
    """What only the log knows is told; once Kafka is gone what is stored is; afterwards the log's again."""
    port, controller_port = free_ports(2)
    node = KafkaNode(data_dir=tmp_path / "kafka", cache_dir=cache_dir(), port=port, controller_port=controller_port)
    log = tmp_path / "kafka.log"
    first = running(prepare_kafka(node), log=log, ready=node.is_ready)
    broker = first.__enter__()
    async with running_api(database_url, node.bootstrap) as api:
        await define(api)
        await store(api.pool, status(revision=1))
        _, token = await watcher(api, "status")
        await publish(api, status(bin_ms=newest_bin_ms() + BIN_MS, revision=2, level="critical"))
        async with api.client(token) as client:
            await told_as(client, "old-town", "critical")
            broker.kill()
            first.__exit__(None, None, None)
            await told_as(client, "old-town", "usual")
            with running(prepare_kafka(node), log=log, ready=node.is_ready):
                await told_as(client, "old-town", "critical")


@pytest.fixture
async def settings(database_url: str, kafka_bootstrap: str) -> Settings:
    """The settings of an API process on a migrated system."""
    made = Settings(database_url=database_url, kafka_bootstrap=kafka_bootstrap, api_port=free_ports(1)[0])
    await migrate(made)
    return made


async def test_the_process_serves_and_stops_when_asked(settings: Settings) -> None:
    """`pulsera api` answers, a first admin signs in by code, SIGTERM drains sockets and ends it with 0."""
    token, code = await bootstrap_admin(settings, None)
    again, _ = await bootstrap_admin(settings, token)
    assert again == token
    env = {
        **os.environ,
        "PULSERA_DATABASE_URL": settings.database_url,
        "PULSERA_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "PULSERA_API_PORT": str(settings.api_port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli", "api", env=env, stderr=asyncio.subprocess.PIPE
    )
    url = f"http://127.0.0.1:{settings.api_port}"
    try:
        async with httpx.AsyncClient(base_url=url) as browser, asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    assert (await browser.get("/health")).json()["status"] == "ok"
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            assert (await browser.post("/sign-in", json={"code": code})).status_code == 200
        live = websockets.connect(
            url.replace("http", "ws") + "/live",
            subprotocols=[websockets.Subprotocol(LIVE)],
            additional_headers={"Authorization": f"Bearer {token}"},
        )
        async with live as socket:
            await subscribe(socket, 1, "alerts")
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                await socket.wait_closed()
            assert socket.close_code == 4503
        _, errors = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert process.returncode == 0, errors.decode()
        for line in errors.decode().splitlines():
            assert json.loads(line)["level"] in {"info", "warning"}, line
        assert token not in errors.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
