"""A real Prometheus with our rules watches a running system; promtool tries every rule."""

import functools
import json
import os
import shutil
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from infra.embedded.ports import free_ports
from tests.running_system import RunningSystem, TestDevice, eventually, now_ms, reading

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = ROOT / "infra/prometheus/rules.yml"
DASHBOARD: Final = ROOT / "infra/grafana/dashboards/pulsera.json"


def tool(name: str) -> str:
    """Return the path of a program of Prometheus; without one the tests are skipped, but never where CI runs."""
    found = shutil.which(name)
    if found:
        return found
    how = f"{name} is not installed: `apt-get install prometheus` (Debian), or any package that puts it on PATH."
    if os.environ.get("CI"):
        pytest.fail(how)
    pytest.skip(how)


def test_every_rule_fires_when_it_should() -> None:
    """The tool takes the configuration and the rules, and each rule passes its cases."""
    for arguments in (
        ("check", "config", "infra/prometheus/prometheus.yml"),
        ("test", "rules", "infra/prometheus/rules_test.yml"),
    ):
        done = subprocess.run([tool("promtool"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prometheus(system: RunningSystem, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus that scrapes every part of the running system."""
    jobs = [
        {
            "job_name": name,
            "static_configs": [{"targets": [urllib.parse.urlsplit(url).netloc]}],
        }
        for name, url in system.ready["metrics"].items()
    ]
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": jobs,
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    [port] = free_ports(1)
    options = [f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [tool("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _targets(client: httpx.Client) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = client.get("/api/v1/targets").raise_for_status().json()["data"]["activeTargets"]
    except httpx.HTTPError:
        return []
    return found


def _rules(client: httpx.Client) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = client.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
    return groups


def _query(client: httpx.Client, expression: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/query", params={"query": expression.replace("$__rate_interval", "1m")})
    assert answer.status_code == 200, (expression, answer.text)
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


async def test_prometheus_sees_every_part(system: RunningSystem, prometheus: httpx.Client) -> None:
    """All parts are up; every rule and every panel asks what Prometheus can answer; nothing pages on a quiet system."""
    _, _, token = system.new_wearer()
    device = await TestDevice.connect(system.devices_url, token)
    await device.acked(await device.send([reading(now_ms(), heart_rate=70)]))
    parts = {"gateway", "storage", "vitals", "care", "video", "zones", "api"}
    await eventually(
        lambda: {one["labels"]["job"] for one in _targets(prometheus) if one["health"] == "up"} == parts, within_s=30
    )
    for part in parts:
        assert _query(prometheus, f'up{{job="{part}"}} == 1'), part
    rules = _rules(prometheus)
    wrong = [rule for group in rules for rule in group["rules"] if rule["health"] == "err"]
    assert wrong == []
    assert sum(len(group["rules"]) for group in rules) == RULES.read_text().count("- alert:")
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for expression in [target["expr"] for panel in panels for target in panel.get("targets", [])]:
        _query(prometheus, expression)
    counters = {'pulsera_readings_total{job="gateway"}', 'pulsera_lag_seconds{family="storage"}', "pulsera_disk_bytes"}
    counters |= {'pulsera_dead_letters_total{job="storage",topic="readings.v1"}', "process_open_fds"}
    for series in counters:
        await eventually(functools.partial(_query, prometheus, series))
    await device.close()
