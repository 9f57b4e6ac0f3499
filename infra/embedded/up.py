"""`pulsera up`: which parts make the whole system on one computer, and what is said when it stands."""

import asyncio
import dataclasses
import functools
import http.client
import importlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infra.disk import embedded_folders, shortage
from infra.embedded.account import database_account
from infra.embedded.child_logs import watch_logs
from infra.embedded.data_dir import end_leftovers, owned, write_private, write_run_file
from infra.embedded.gate import VARIABLE as START_GATE
from infra.embedded.gate import gate_file
from infra.embedded.kafka import KafkaNode, aot_cache, prepare_kafka
from infra.embedded.loader import Loader, loader
from infra.embedded.ports import free_ports, is_free, remembered_ports
from infra.embedded.postgres import PostgresServer, ensure_password, prepare_postgres
from infra.embedded.process import Program
from infra.embedded.supervisor import Part, Step, Supervisor
from infra.logs import configure_logging
from infra.settings import Settings
from infra.tls import own_door_context, server_context
from schemas.errors import PassingError, SetupError

GROUPS = ("storage", "vitals", "care", "video")
FAMILIES = (*GROUPS, "zones")
_HEALTH_TIMEOUT_S = 2.0
_MIGRATE_AGAIN_S = 0.5
# Stages of the ordered stop: those who bring data in first, those who keep it last.
ALLOCATOR = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "4194304",
    "MALLOC_TOP_PAD_": "1048576",
}
"""What is freed goes back to the computer: without it a backlog of a minute stays the size of a worker for hours.

Up to four mebibytes stay with each process, and what is smaller than one is taken from them: without that every step
of the anomaly model on hundreds of wearers, every frame of the gateway and every wave of thousands of readings gave its
memory back and asked for it anew.
"""
_STOP_SOURCES, _STOP_GATEWAY, _STOP_WORKERS, _STOP_API, _STOP_KAFKA, _STOP_POSTGRES = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the system stands on: embedded services (None: the settings name a cluster's) and ports for metrics."""

    kafka: KafkaNode | None
    postgres: PostgresServer | None
    metrics_ports: Mapping[str, int]

    @property
    def is_warm(self) -> bool:
        """Whether nothing is left to download or to make, so that the services are up within seconds."""
        kafka_warm = self.kafka is None or aot_cache(self.kafka.cache_dir).exists()
        return kafka_warm and (self.postgres is None or (self.postgres.data_dir / "postgres").exists())


async def run_up(settings: Settings, *, demo: bool, json_line: bool) -> None:
    """Runs the whole system until SIGINT, SIGTERM or SIGHUP; raises SetupError when it cannot stand."""
    configure_logging("up", level="warning")
    server_context(settings.tls_cert, settings.tls_key)
    if demo and settings.tls_cert is not None:
        raise SetupError("The demo speaks to its own system without TLS.", next_step="Leave out --demo or --tls-cert.")
    settings = settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})
    with owned(settings.data_dir):
        settings = _with_ports(settings)
        for name in end_leftovers(settings.data_dir):
            _say(f"{name} was left running by an earlier run; it is ended")
        gate_file(settings.data_dir).unlink(missing_ok=True)
        settings, ground = _lay_ground(settings)
        announcement = _Announcement(settings, ground.metrics_ports, json_line=json_line)
        nodes = plan(settings, ground, demo=demo, announcement=announcement)
        _say(f"Starting Pulsera in {settings.data_dir} (Ctrl-C stops it)")
        if (lacks := shortage([settings.data_dir, *embedded_folders(settings.data_dir)])) is not None:
            _say(lacks)
        await _supervise(nodes, ground, announcement, log_dir=settings.data_dir / "logs")
        _say("Pulsera has stopped; everything is kept")


async def _supervise(
    nodes: Sequence[Part | Step], ground: Ground, announcement: "_Announcement", *, log_dir: Path
) -> None:
    async with loader(_allocator(), log=log_dir / "loader.log", say=_say) as loading:
        supervisor = Supervisor(nodes, log_dir=log_dir, say=_say, changed=announcement.changed, launch=loading.launch)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, supervisor.ask_to_stop)
        beside = [
            asyncio.create_task(watch_logs(log_dir, say=_say), name="the watch of the logs"),
            asyncio.create_task(_close(loading, supervisor, nodes), name="the loader"),
        ]
        if ground.kafka is not None:
            mending = _mend(ground.kafka.bootstrap, supervisor)
            beside.append(asyncio.create_task(mending, name="the watch of Kafka's coordinators"))
        for task in beside:
            task.add_done_callback(_tell_end)
        try:
            await supervisor.run(lambda: announcement.ready(supervisor.pids, supervisor.ready_after_s))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _close(loading: Loader, supervisor: Supervisor, nodes: Sequence[Part | Step]) -> None:
    """Ends the loader once every part was there."""
    for node in nodes:
        await supervisor.until_ready(node.name)
    await loading.close()


async def _mend(bootstrap: str, supervisor: Supervisor) -> None:
    """Keeps the coordinators of our groups answering, once the code for it is loaded and tables and topics are made."""
    await supervisor.until_ready("migrate")
    from infra.embedded.mending import keep_coordinators

    # A Kafka that is away is told of by the supervisor, in words; the client would repeat it for as long.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    groups = [f"pulsera-{family}" for family in GROUPS]
    await keep_coordinators(bootstrap, groups, restart=lambda: supervisor.restart("kafka"), say=_say)


def _tell_end(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _say(f"error: {task.get_name()} has ended: {error!r}")


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def _with_ports(settings: Settings) -> Settings:
    """The settings with both public ports known to be free; 0 asks for any. Raises SetupError that names the option."""
    chosen: dict[str, int] = {}
    for name, host in (("api_port", settings.api_host), ("gateway_port", settings.gateway_host)):
        port = getattr(settings, name) or free_ports(1)[0]
        if not is_free(port, host=host):
            raise SetupError(
                f"Port {port} on {host} is in use by another program.",
                next_step=f"Stop that program, or choose another port with --{name.replace('_', '-')}.",
            )
        if port in chosen.values():
            raise SetupError(
                f"Port {port} cannot serve both the API and the devices.",
                next_step="Choose different ones with --api-port and --gateway-port.",
            )
        chosen[name] = port
    return settings.model_copy(update=chosen)


def _lay_ground(settings: Settings) -> tuple[Settings, Ground]:
    """Chooses ports and addresses: those of last time where they are free, so that clients' settings stay true."""
    names = ("kafka", "controller", "postgres", "gateway", *FAMILIES)
    ports = remembered_ports(names, file=settings.data_dir / "ports.json")
    kafka = postgres = None
    changes: dict[str, str] = {}
    if not settings.kafka_bootstrap:
        kafka = KafkaNode(
            data_dir=settings.data_dir / "kafka",
            cache_dir=settings.cache_dir.expanduser(),
            port=ports["kafka"],
            controller_port=ports["controller"],
            durable=settings.durable,
        )
        changes["kafka_bootstrap"] = kafka.bootstrap
    if not settings.database_url:
        postgres = PostgresServer(data_dir=settings.data_dir, port=ports["postgres"], account=database_account())
        ensure_password(postgres)
        changes["database_url"] = postgres.url()
    metrics_ports = {name: ports[name] for name in ("gateway", *FAMILIES)}
    return settings.model_copy(update=changes), Ground(kafka=kafka, postgres=postgres, metrics_ports=metrics_ports)


def plan(settings: Settings, ground: Ground, *, demo: bool, announcement: "_Announcement") -> list[Part | Step]:
    """The parts and steps in the order of their needs; the gateway, the workers and the API start together."""
    nodes: list[Part | Step] = []
    if ground.kafka is not None:
        node = ground.kafka
        nodes.append(
            Part(
                name="kafka",
                prepare=functools.partial(prepare_kafka, node),
                ready=node.is_ready,
                stop_stage=_STOP_KAFKA,
                ready_within_s=120.0,
            )
        )
    if ground.postgres is not None:
        server = ground.postgres
        nodes.append(
            Part(
                name="postgres",
                prepare=functools.partial(prepare_postgres, server),
                ready=server.is_ready,
                stop_stage=_STOP_POSTGRES,
                ready_within_s=120.0,
            )
        )
    services = frozenset(node.name for node in nodes)
    nodes.append(Step(name="code", run=_load_code))
    nodes.append(Step(name="migrate", run=functools.partial(_migrate, settings), needs=services | {"code"}))
    # Processes that may have to wait for minutes are not started before: their time to become ready would run out.
    ready: frozenset[str] = frozenset() if ground.is_warm else frozenset({"migrate"})
    components = {name: _health_url(port) for name, port in ground.metrics_ports.items()}
    for name, port in ground.metrics_ports.items():
        command = ("gateway",) if name == "gateway" else ("worker", name)
        stage = _STOP_GATEWAY if name == "gateway" else _STOP_WORKERS
        env = _environment(settings) | {"PULSERA_METRICS_PORT": str(port)}
        nodes.append(_python_part(name, command, env, needs=ready, health=components[name], stop_stage=stage))
    env = _environment(settings) | {"PULSERA_COMPONENTS": json.dumps(components)}
    api_health = _health_url(settings.api_port, host=settings.api_host, tls=settings.tls_cert is not None)
    part = _python_part("api", ("api",), env, needs=ready, health=api_health, stop_stage=_STOP_API)
    nodes.append(dataclasses.replace(part, ready=functools.partial(is_healthy, api_health, cert=settings.tls_cert)))
    nodes.append(Step(name="admin", run=announcement.make_admin, needs=frozenset({"migrate"})))
    if demo:
        everything = frozenset(node.name for node in nodes)
        nodes.append(_replay_part(_environment(settings), everything))
    return nodes


def _python_part(
    name: str, command: tuple[str, ...], env: Mapping[str, str], *, needs: frozenset[str], health: str, stop_stage: int
) -> Part:
    program = Program(command=(sys.executable, "-m", "infra.cli", *command), env=env, arguments=command)
    return Part(
        name=name,
        prepare=lambda: program,
        ready=functools.partial(is_healthy, health),
        needs=needs,
        stop_stage=stop_stage,
    )


def _replay_part(env: Mapping[str, str], needs: frozenset[str]) -> Part:
    """The demo's recording, played through the device socket once everything else is ready."""
    program = Program(command=(sys.executable, "-m", "infra.cli", "replay", "demo"), env=env)
    return Part(
        name="replay",
        prepare=lambda: program,
        ready=lambda: True,
        needs=needs,
        stop_stage=_STOP_SOURCES,
        may_end=True,
    )


def _allocator() -> dict[str, str]:
    return {name: os.environ.get(name, value) for name, value in ALLOCATOR.items()}


def _environment(settings: Settings) -> dict[str, str]:
    """What every Python process of the system is told."""
    return {
        **_allocator(),
        "PULSERA_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "PULSERA_DATABASE_URL": settings.database_url,
        "PULSERA_DATA_DIR": str(settings.data_dir),
        START_GATE: str(gate_file(settings.data_dir)),
        "PULSERA_API_HOST": settings.api_host,
        "PULSERA_API_PORT": str(settings.api_port),
        "PULSERA_GATEWAY_HOST": settings.gateway_host,
        "PULSERA_GATEWAY_PORT": str(settings.gateway_port),
        "PULSERA_DURABLE": str(settings.durable).lower(),
        **({"PULSERA_TLS_CERT": str(settings.tls_cert)} if settings.tls_cert else {}),
        **({"PULSERA_TLS_KEY": str(settings.tls_key)} if settings.tls_key else {}),
    }


def _health_url(port: int, *, host: str = "127.0.0.1", tls: bool = False) -> str:
    return f"http{'s' if tls else ''}://{_dialled(host)}:{port}/health"


def _dialled(host: str) -> str:
    """The address to dial for one to listen on: all addresses are reached by the loopback one."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound


def is_healthy(url: str, *, cert: Path | None = None) -> bool:
    """Whether a process answers its health URL with 200, over TLS with this certificate where there is one."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = http.client.HTTPConnection(host, port, timeout=_HEALTH_TIMEOUT_S)
    if cert is not None:
        context = own_door_context(cert)
        connection = http.client.HTTPSConnection(host, port, timeout=_HEALTH_TIMEOUT_S, context=context)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def _load_code() -> None:
    """Loads what the later steps use while the services start."""
    for module in ("infra.timescale.migrate", "infra.timescale.people"):
        await asyncio.to_thread(importlib.import_module, module)


async def _migrate(settings: Settings) -> None:
    """Brings tables and topics to this release; a service that went away meanwhile is waited for."""
    from infra.timescale.migrate import migrate

    while True:
        try:
            await migrate(settings)
        except PassingError as error:
            _say(f"migrating again: {error}")
            await asyncio.sleep(_MIGRATE_AGAIN_S)
        else:
            break
    gate_file(settings.data_dir).touch(mode=0o600)


class _Announcement:
    """What is told of the running system: run.json at every start, one line or a sign-in link when ready."""

    def __init__(self, settings: Settings, metrics_ports: Mapping[str, int], *, json_line: bool) -> None:
        self._settings = settings
        self._metrics = {name: f"http://127.0.0.1:{port}/metrics" for name, port in metrics_ports.items()}
        self._json_line = json_line
        self._token_file = settings.data_dir / "admin-token"
        self._token: str | None = None
        self._code = ""
        secure = "s" if settings.tls_cert is not None else ""
        self._api = f"http{secure}://{_dialled(settings.api_host)}:{settings.api_port}"
        self._gateway = f"ws{secure}://{_dialled(settings.gateway_host)}:{settings.gateway_port}"

    async def make_admin(self) -> None:
        """Makes sure of an admin; its token is kept in the data folder, so that it is the same after a restart."""
        from infra.wiring import bootstrap_admin

        known = self._token_file.read_text() if self._token_file.exists() else None
        self._token, self._code = await bootstrap_admin(self._settings, known)
        if self._token != known:
            write_private(self._token_file, self._token)

    def changed(self, pids: Mapping[str, int]) -> None:
        """Keeps run.json true."""
        kafka = self._settings.kafka_bootstrap
        postgres = urlsplit(self._settings.database_url).netloc.rpartition("@")[2]
        doors = {"api": self._api, "gateway": self._gateway, "kafka": kafka, "postgres": postgres}
        try:
            write_run_file(self._settings.data_dir, pids, **doors)
        except OSError as error:  # what runs must go on, and nobody else is told wrong: old pids name ended processes
            _say(f"run.json is not renewed: {error.strerror}")

    def ready(self, pids: Mapping[str, int], ready_after_s: Mapping[str, float]) -> None:
        """Says that the system stands, and after how long each part did."""
        if not self._json_line:
            _say(f"Pulsera is ready. Devices connect to {self._gateway}/devices/stream")
            _say(f"Sign in once with this link: {self._api}/app#code={self._code}")
            return
        facts = {
            "event": "ready",
            "api": self._api,
            "gateway": self._gateway,
            "admin_token": self._token,
            "database_url": self._settings.database_url,
            "kafka": self._settings.kafka_bootstrap,
            "pids": dict(pids),
            "ready_after_s": {name: round(seconds, 3) for name, seconds in ready_after_s.items()},
            "metrics": {**self._metrics, "api": f"{self._api}/metrics"},
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
