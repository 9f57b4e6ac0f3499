"""The compose file, the image, Prometheus and Grafana say what the code says. Nothing here starts a container."""

import inspect
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from infra import cli
from infra.docker.without_embedded import EMBEDDED, without_embedded
from infra.embedded.jars import KAFKA_VERSION
from infra.embedded.postgres import _INSTALL
from infra.embedded.up import ALLOCATOR, FAMILIES
from infra.metrics.table import METRICS
from infra.settings import Settings
from infra.worker_process import FAMILIES as MEMBERS
from infra.worker_process import SOLE
from ingest.gateway import GatewaySettings
from stream_processors.hosts.faust_host import _DRAIN_MOST_S, _LEAVE_MOST_S

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
OURS: Final = sorted(name for name, service in SERVICES.items() if "build" in service)
DOCKERFILE: Final = (ROOT / "infra/docker/Dockerfile").read_text()
SCRAPE: Final = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text())
RULES: Final = [
    rule
    for group in yaml.safe_load((ROOT / "infra/prometheus/rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: Final[dict[str, Any]] = json.loads((ROOT / "infra/grafana/dashboards/pulsera.json").read_text())
IMAGE_ENVIRONMENT: Final = dict(re.findall(r"(PULSERA_\w+)=(\S+)", DOCKERFILE))
JOBS: Final = {"gateway", "api", *FAMILIES}
WORKERS: Final = {*MEMBERS, *SOLE}
PUBLISHED_BY_PROMETHEUS: Final = {"up", "ALERTS"}
PUBLISHED_BY_ITS_CLIENT: Final = {
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
}


def environment(service: str) -> dict[str, str]:
    """Return what a container of ours is told, by the image and by the compose file."""
    told: dict[str, str] = SERVICES[service].get("environment", {})
    return IMAGE_ENVIRONMENT | told


def commands() -> set[str]:
    """Return the commands of `pulsera`."""
    group: Any = typer.main.get_command(cli.app)
    return set(group.commands)


def expressions() -> Iterator[tuple[str, str]]:
    """Return every PromQL expression with where it stands."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def published_names() -> dict[str, tuple[set[str], tuple[str, ...]]]:
    """Return each series name that our processes publish, with its labels and the processes."""
    names: dict[str, tuple[set[str], tuple[str, ...]]] = {}
    for row in METRICS:
        labels = set(row.labels)
        if row.kind == "histogram":
            names[f"pulsera_{row.name}_seconds_bucket"] = ({"le", *labels}, row.by)
        else:
            names[f"pulsera_{row.name}"] = (labels, row.by)
    return names


# Images.


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_image_is_pinned(service: str) -> None:
    """Each image has a tag that says a version, and none says `latest`."""
    image = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", SERVICES[service]["image"])
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*", image), image


def test_kafka_is_the_release_that_is_embedded() -> None:
    """The cluster's broker is of the release that the suite runs against."""
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_postgres_has_the_major_release_that_is_embedded() -> None:
    """TimescaleDB's image stands on the PostgreSQL that the suite runs against, also in the path of its data."""
    major = _INSTALL.removeprefix("pginstall")
    assert SERVICES["timescale"]["image"].endswith(f"-pg{major}")
    assert SERVICES["timescale"]["environment"]["PGDATA"] == f"/var/lib/postgresql/{major}/docker"


def test_the_image_has_our_python_and_version() -> None:
    """The base is the lowest Python that the project takes, on which types are checked; the tag is the project's."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    bases = re.findall(r"^FROM python:(\d+\.\d+)\.\d+-slim-\w+", DOCKERFILE, re.MULTILINE)
    assert bases == [project["tool"]["mypy"]["python_version"]] * 2
    assert sys.version_info >= tuple(int(part) for part in bases[0].split("."))
    for service in OURS:
        assert SERVICES[service]["image"] == f"${{PULSERA_IMAGE:-pulsera:{project['project']['version']}}}"


def test_the_image_leaves_out_only_what_is_embedded() -> None:
    """Its requirements are the lock's, hashes and all, without the Java runtime, its resolver and PostgreSQL."""
    lines = (ROOT / "requirements.lock").read_text().splitlines(keepends=True)
    kept = list(without_embedded(lines))
    gone = {line.split("==")[0] for line in lines if "==" in line} - {
        line.split("==")[0] for line in kept if "==" in line
    }
    assert gone == EMBEDDED
    assert sum("--hash=" in line for line in kept) > sum("==" in line for line in kept)
    assert not any("torch" in line or "tensorflow" in line for line in kept)


def test_the_image_copies_what_it_needs_and_nothing_is_hidden_from_it() -> None:
    """Every path that the container file copies exists, and `.dockerignore` lets it through."""
    shown = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in shown, source


def test_everything_that_is_not_python_is_packaged() -> None:
    """Pages, migrations and sums are named in the package data: the image installs the project, not a checkout."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packaged: set[Path] = set()
    for package, patterns in project["tool"]["setuptools"]["package-data"].items():
        folder = ROOT / package.replace(".", "/")
        packaged |= {path for pattern in patterns for path in folder.glob(pattern)}
    needed = [*(ROOT / "api/web").rglob("*"), *(ROOT / "infra/timescale/migrations").glob("*.sql")]
    needed += [*(ROOT / "infra/embedded").glob("*.sha256"), *(ROOT / "infra/embedded").glob("*.xml")]
    assert [path for path in needed if path.is_file() and path not in packaged] == []


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user of the image is not root, and no secret is written into it."""
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)[-1] == "10001:10001"
    assert not re.search(r"(?i)(password|token|secret)\s*=", DOCKERFILE)


# The compose file.


def test_memory_is_given_back_in_a_container_as_on_a_computer() -> None:
    """The image and `pulsera up` tell the allocators the same."""
    for name, value in ALLOCATOR.items():
        assert f"{name}={value} " in DOCKERFILE


def test_every_part_is_there() -> None:
    """Kafka, database, migrate, gateway, each family, API, Prometheus and Grafana."""
    parts = {"kafka", "timescale", "migrate", "gateway", "api", "prometheus", "grafana", *WORKERS}
    assert set(SERVICES) == parts | {"storage-1", "vitals-1", "zones-standby"}
    assert set(FAMILIES) == WORKERS


@pytest.mark.parametrize("service", OURS)
def test_a_part_runs_a_command_that_exists(service: str) -> None:
    """Each container of ours runs a command of `pulsera`; workers name a family, the family of their service."""
    command, *arguments = SERVICES[service]["command"]
    assert command in commands()
    if command == "worker":
        assert arguments == [service.split("-", maxsplit=1)[0]]
        assert arguments[0] in WORKERS
    else:
        assert command == service
    assert 'ENTRYPOINT ["pulsera"]' in DOCKERFILE


@pytest.mark.parametrize("service", OURS)
def test_a_part_is_told_only_what_it_can_understand(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every PULSERA variable is a setting's, and the values, as they stand by default, make settings."""
    told = environment(service)
    fields = {f"PULSERA_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in told if name.startswith("PULSERA_")} <= fields
    for name, value in told.items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
    settings = Settings()
    assert settings.kafka_bootstrap == "kafka:9092"
    assert settings.database_url == "postgresql://pulsera@timescale:5432/pulsera"


def test_every_member_of_a_family_has_a_number_of_its_own() -> None:
    """Two containers of a family never claim one static membership, and none is scaled by replicas."""
    members = [
        (service["command"][1], service["environment"].get("PULSERA_INSTANCE", "0"))
        for service in SERVICES.values()
        if service.get("command", [""])[0] == "worker"
    ]
    assert len(set(members)) == len(members)
    assert not any("replicas" in service.get("deploy", {}) for service in SERVICES.values())


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_container_is_bounded_and_comes_back(service: str) -> None:
    """Each has limits, a restart policy, gains no privilege, and writes no endless log."""
    found = SERVICES[service]
    assert {"cpus", "memory"} <= set(found["deploy"]["resources"]["limits"])
    assert found["restart"] == ("on-failure:10" if service == "migrate" else "unless-stopped")
    assert "no-new-privileges:true" in found["security_opt"]
    assert found["logging"]["options"]["max-size"]


@pytest.mark.parametrize("service", [*OURS, "prometheus", "grafana"])
def test_what_can_be_read_only_is(service: str) -> None:
    """Our parts, Prometheus and Grafana write to volumes and to /tmp alone, and hold no capability."""
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]


def test_ports_are_published_on_the_loopback_address() -> None:
    """Nothing is offered to a network unless PULSERA_BIND says so; Kafka and the database never are."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"gateway", "api", "prometheus", "grafana"}
    assert all(re.match(r"(\$\{PULSERA_BIND:-127\.0\.0\.1\}|127\.0\.0\.1):", port) for [port] in published.values())
    inside = {name: int(port.rsplit(":", 1)[1]) for name, [port] in published.items()}
    assert inside["api"] == Settings.model_fields["api_port"].default
    assert inside["gateway"] == Settings.model_fields["gateway_port"].default


def test_no_password_stands_in_a_file() -> None:
    """Passwords come from files under secrets/, which the repository ignores."""
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"://\w+:[^@/\s$]+@", text)
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", name):
                assert str(value).startswith("/run/secrets/"), name
    assert "secrets/" in (ROOT / ".gitignore").read_text().split()


def test_health_is_asked_where_it_is_answered() -> None:
    """Workers and the gateway are asked on the image's metrics port, the API on its own; the API knows them all."""
    port = IMAGE_ENVIRONMENT["PULSERA_METRICS_PORT"]
    assert f'"infra.docker.health", "http://127.0.0.1:{port}/health"' in DOCKERFILE
    assert SERVICES["api"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8000/health"
    for service in (*FAMILIES, "gateway"):
        assert "healthcheck" not in SERVICES[service]
    components = json.loads(SERVICES["api"]["environment"]["PULSERA_COMPONENTS"])
    assert components == {name: f"http://{name}:{port}/health" for name in ("gateway", *FAMILIES)}


def test_nobody_starts_before_what_they_need() -> None:
    """Parts wait for the one migration, the migration for both services."""
    for service in OURS:
        needs = SERVICES[service]["depends_on"]
        assert needs["kafka"]["condition"] == needs["timescale"]["condition"] == "service_healthy"
        if service != "migrate":
            assert needs["migrate"]["condition"] == "service_completed_successfully"


def test_a_part_is_given_the_time_that_it_takes_to_stop() -> None:
    """Docker kills nobody that still drains: gateways finish their appends, workers their batch and their leave."""
    grace = {name: int(service.get("stop_grace_period", "10s").removesuffix("s")) for name, service in SERVICES.items()}
    assert grace["gateway"] > inspect.signature(GatewaySettings).parameters["drain_s"].default
    for family in FAMILIES:
        assert grace[family] > _DRAIN_MOST_S + _LEAVE_MOST_S
    assert SERVICES["timescale"]["stop_signal"] == "SIGINT"


def test_kafka_is_set_as_the_embedded_one_where_it_matters() -> None:
    """No topic is made by accident, a restarted worker keeps its name, and the log lies on the volume."""
    told = SERVICES["kafka"]["environment"]
    assert told["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert told["KAFKA_GROUP_MAX_SESSION_TIMEOUT_MS"] == "300000"
    assert SERVICES["kafka"]["volumes"] == [f"kafka:{told['KAFKA_LOG_DIRS']}"]
    assert told["CLUSTER_ID"].startswith("${PULSERA_KAFKA_CLUSTER_ID:?")


# Prometheus and Grafana.


def test_every_part_is_scraped() -> None:
    """One job a part, by the names and ports of the compose file; each container of ours belongs to one."""
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in SCRAPE["scrape_configs"]}
    assert set(jobs) == JOBS
    assert {name for job in jobs.values() for name in job["names"]} == set(OURS) - {"migrate"}
    for name, job in jobs.items():
        assert job["port"] == (8000 if name == "api" else int(IMAGE_ENVIRONMENT["PULSERA_METRICS_PORT"]))
        assert all(member.split("-")[0] == name for member in job["names"])


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda found: str(found)[:40])
def test_an_expression_asks_for_what_is_published(where: str, expression: str) -> None:
    """Every series, job and label in a rule or on the dashboard is one that our processes publish."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    series = set(re.findall(r"\b(?:pulsera_\w+|process_\w+|up|ALERTS)\b", bare))
    names = published_names()
    assert series or expression == "vector(1)", where
    assert series <= set(names) | PUBLISHED_BY_PROMETHEUS | PUBLISHED_BY_ITS_CLIENT, where
    known = {"job", "instance", "alertname", "alertstate"}.union(*(names[name][0] for name in series if name in names))
    asked = {label for group in re.findall(r"by \(([^)]*)\)", bare) for label in re.split(r",\s*", group)}
    asked |= set(re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"\"", bare))
    assert asked <= known, where
    for jobs in re.findall(r'job(?:=~|=|!=)"([^"]*)"', expression):
        assert set(jobs.split("|")) <= JOBS, where


def test_every_metric_is_on_the_dashboard() -> None:
    """What a process counts, somebody can see."""
    shown = " ".join(expression for _, expression in expressions())
    assert [name for name in published_names() if not re.search(rf"\b{name}\b", shown)] == []


def test_the_dashboard_uses_the_provisioned_source() -> None:
    """Panels have numbers of their own, do not overlap, and ask the source that is provisioned."""
    source = yaml.safe_load((ROOT / "infra/grafana/provisioning/datasources/prometheus.yml").read_text())
    [prometheus] = source["datasources"]
    assert prometheus["url"] == "http://prometheus:9090"
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert all(target["datasource"]["uid"] == prometheus["uid"] for target in panel.get("targets", []))


def test_grafana_finds_its_files() -> None:
    """The folders that the compose file mounts are where Grafana is told to look."""
    mounts = dict(volume.rsplit(":", 1)[0].split(":") for volume in SERVICES["grafana"]["volumes"][:2])
    assert mounts == {
        "./infra/grafana/provisioning": "/etc/grafana/provisioning",
        "./infra/grafana/dashboards": "/etc/pulsera/dashboards",
    }
    provider = yaml.safe_load((ROOT / "infra/grafana/provisioning/dashboards/pulsera.yml").read_text())
    assert provider["providers"][0]["options"]["path"] == "/etc/pulsera/dashboards"


def test_every_rule_has_an_entry_in_the_runbook() -> None:
    """docs/operations.md tells, under each rule's name, what to do; and names no rule that is not there."""
    page = (ROOT / "docs/operations.md").read_text()
    entries = re.findall(r"^\| `(Pulsera[A-Z]\w+)` \|", page, re.MULTILINE)
    assert sorted(entries) == sorted(rule["alert"] for rule in RULES)


def test_every_rule_is_tried() -> None:
    """Each rule has a case in rules_test.yml in which it fires."""
    tried = yaml.safe_load((ROOT / "infra/prometheus/rules_test.yml").read_text())
    fired = {case["alertname"] for test in tried["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}
