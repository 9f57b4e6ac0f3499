"""A whole system with TLS and talkative logs: what its doors, files, logs and processes show to others."""

import asyncio
import contextlib
import json
import os
import re
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import websockets

from tests.raw_sockets import closed
from tests.running_system import RunningSystem, TestDevice, now_ms, reading, started

pytestmark = pytest.mark.connected

HERE = Path(__file__).parent
CERT, KEY = HERE / "localhost-cert.pem", HERE / "localhost-key.pem"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """One system for all tests here."""
    folder = tmp_path_factory.mktemp("secured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULSERA_LOG_LEVEL", "debug")
        with started("--tls-cert", str(CERT), "--tls-key", str(KEY), data_dir=folder / "data") as running:
            yield running


def trust() -> ssl.SSLContext:
    """Return what trusts the certificate of these tests alone."""
    return ssl.create_default_context(cafile=str(CERT))


def client(system: RunningSystem, token: str | None = None) -> httpx.Client:
    """Return an HTTP client that checks the certificate."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=system.api, headers=headers, verify=trust(), timeout=30)


async def live_alerts(system: RunningSystem, headers: dict[str, str]) -> dict[str, Any]:
    """Return the snapshot of alerts."""
    protocols = [websockets.Subprotocol("pulsera.live.v1+json")]
    url = system.live_url.replace("https", "wss")
    async with websockets.connect(url, subprotocols=protocols, additional_headers=headers, ssl=trust()) as socket:
        await socket.send(json.dumps({"type": "subscribe", "id": 1, "topic": "alerts"}))
        answer: dict[str, Any] = json.loads(await socket.recv())
        return answer


async def talk(system: RunningSystem) -> list[str]:
    """Use every door once, and return every secret that was in play."""
    admin = str(system.ready["admin_token"])
    with client(system, admin) as http:
        wearer = http.post("/wearers", json={"name": "Zaphod Beeblebrox"}).raise_for_status().json()["wearer_id"]
        device = http.post(f"/wearers/{wearer}/devices", json={"model": "t"}).raise_for_status().json()["token"]
        user = http.post("/users", json={"name": "Trillian Astra"}).raise_for_status().json()["token"]
        for path in (f"/wearers/{wearer}/latest", "/alerts", "/ready"):
            http.get(path, headers={"Origin": "https://elsewhere.example"}).raise_for_status()
        assert http.get("/me", headers={"Authorization": "Bearer wrong-token-of-a-guesser"}).status_code == 401
        signed = http.post("/sign-in", json={"token": user}).raise_for_status()
    sent = await device_sends(system, device)
    await live_alerts(system, {"Authorization": f"Bearer {user}"})
    assert sent
    password = (system.data_dir / "postgres-password").read_text()
    said = ["wrong-token-of-a-guesser", "wrong-code-of-a-guesser", "52.516274", "13.377704", "Zaphod", "Trillian"]
    with client(system) as http:
        assert http.post("/sign-in", json={"code": "wrong-code-of-a-guesser"}).status_code == 401
    return [admin, device, user, signed.cookies["pulsera_session"], password, *said]


async def device_sends(system: RunningSystem, token: str) -> bool:
    """Send a reading, a place and nonsense over TLS; return whether the reading was acknowledged."""
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(system.devices_url, additional_headers=headers, ssl=trust()) as socket:
        device = TestDevice(socket)
        hello = {"type": "hello", "boot": "5f2d8c1e-0000-4000-8000-000000000001", "clock": now_ms()}
        await socket.send(json.dumps(hello))
        await socket.recv()
        await device.acked(await device.send([reading(now_ms(), heart_rate=71.25, spo2="52.516274")]))
        place = {"type": "location", "seq": 2, "time": now_ms(), "latitude": 52.516274, "longitude": 13.377704}
        await socket.send(json.dumps(place))
        await socket.recv()
        await socket.send('{"type":"readings","seq":3,"readings":[{"latitude":52.516274')
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await socket.recv()
    return True


async def test_both_ports_speak_tls_and_nothing_else(secured: RunningSystem) -> None:
    """API, live socket and device socket work over TLS with the certificate checked, and not without TLS."""
    assert secured.api.startswith("https://")
    assert secured.devices_url.startswith("wss://")
    with client(secured, secured.ready["admin_token"]) as http:
        assert http.get("/ready").json()["status"] in {"ok", "degraded"}
        answer = http.post("/sign-in", json={"token": secured.ready["admin_token"]})
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        cookie = {"Cookie": f"pulsera_session={answer.cookies['pulsera_session']}", "Origin": secured.api}
    assert (await live_alerts(secured, cookie))["type"] == "snapshot"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await live_alerts(secured, {**cookie, "Origin": secured.api.replace("https", "http")})
    assert refused.value.response.status_code == 403
    for url in (secured.api, secured.devices_url.replace("wss", "https")):
        async with httpx.AsyncClient(timeout=10) as plain:
            with pytest.raises(httpx.TransportError):
                await plain.get(url.replace("https", "http"))
        host, port = url.split("/")[2].split(":")
        old = ssl.create_default_context(cafile=str(CERT))
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        _, writer = await asyncio.open_connection(host, int(port), ssl=old)
        await closed(writer)


async def test_no_log_holds_a_secret_or_a_place(secured: RunningSystem) -> None:
    """With debug logs on, no token, code, password, coordinate or name that was in play stands in any file of logs."""
    secrets = await talk(secured)
    await asyncio.sleep(1.5)  # logs are lines on a pipe: give the last ones time; a secret in them would come first
    logs = {path.name: path.read_text(errors="replace") for path in (secured.data_dir / "logs").iterdir()}
    logs["up.log"] = (secured.data_dir.parent / "up.log").read_text()
    assert psutil.Process(secured.pids()["api"]).environ()["PULSERA_LOG_LEVEL"] == "debug"
    assert all(logs[f"{name}.log"] for name in ("gateway", "api", "kafka"))
    leaked = [(name, secret[:6]) for name, text in logs.items() for secret in secrets if secret in text]
    assert leaked == []


def test_no_process_shows_a_secret_in_its_arguments(secured: RunningSystem) -> None:
    """Neither the admin's token nor the database's password stands where every user of the computer can read it."""
    secrets = [secured.ready["admin_token"], (secured.data_dir / "postgres-password").read_text()]
    seen = 0
    for pid in [secured.process.pid, *secured.pids().values()]:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            try:
                arguments, mode = process.cmdline(), Path(f"/proc/{process.pid}/environ").stat().st_mode
            except (psutil.NoSuchProcess, FileNotFoundError):
                continue  # the database's own workers come and go
            seen += 1
            assert not any(secret in " ".join(arguments) for secret in secrets), process.pid
            assert stat.S_IMODE(mode) == 0o400
    assert seen >= 8


def test_nobody_else_can_read_the_data(secured: RunningSystem) -> None:
    """Below the data folder nothing that another user can reach can be read or changed by him."""
    open_to_others = []
    for folder, folders, files in os.walk(secured.data_dir):
        mode = Path(folder).stat().st_mode
        if not mode & 0o001:
            folders.clear()
            continue
        for name in (*files, *folders):
            path = Path(folder, name)
            if path.is_symlink():
                continue
            bits = path.stat().st_mode
            if bits & 0o002 or (path.is_file() and bits & 0o004):
                open_to_others.append(f"{path.relative_to(secured.data_dir)} {stat.S_IMODE(bits):o}")
    assert open_to_others == []
    for name in ("admin-token", "postgres-password", "run.json"):
        assert stat.S_IMODE((secured.data_dir / name).stat().st_mode) == 0o600


def test_services_listen_on_loopback_alone(secured: RunningSystem) -> None:
    """Kafka, PostgreSQL, both ports and every port of figures are bound to the loopback address."""
    addresses: set[str] = set()
    for pid in secured.pids().values():
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            listening = [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
            addresses |= {one.laddr.ip for one in listening}
    assert addresses
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_figures_and_health_name_nobody(secured: RunningSystem) -> None:
    """What anybody may read of the service holds no id of a person or device, no token and no database address."""
    with client(secured) as http:
        texts = [http.get(path).text for path in ("/", "/health", "/ready", "/metrics", "/docs", "/openapi.json")]
    texts += [httpx.get(url, timeout=10).text for name, url in secured.ready["metrics"].items() if name != "api"]
    known = {"0199b6f2-5c1e-7c35-9a53-5a0f6f5f7a42"}
    for text in texts:
        ids = set(re.findall(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", text)) - known
        assert ids == set()
        assert "postgresql://" not in text
        assert secured.ready["admin_token"] not in text
