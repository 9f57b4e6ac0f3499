"""The bill of materials of Kafka's jars."""

import hashlib
from pathlib import Path

import pytest

from infra.embedded import jars
from infra.embedded.jars import KAFKA_VERSION, MANIFEST, ensure_jars, is_intact, jar_folder, read_manifest
from schemas.errors import SetupError


def test_the_manifest_pins_kafka_and_its_parts() -> None:
    """The pinned list holds Kafka itself at the wanted version, each file name once."""
    names = [jar.path.name for jar in read_manifest(MANIFEST.read_text())]
    assert f"kafka_2.13-{KAFKA_VERSION}.jar" in names
    assert len(names) == len(set(names)) == 46


def test_a_line_gives_a_maven_coordinate() -> None:
    """Group, artifact and version are read from the path."""
    [jar] = read_manifest(f"{'a' * 64}  org/apache/kafka/kafka-clients/4.3.1/kafka-clients-4.3.1.jar\n")
    assert jar.coordinate == ("org.apache.kafka", "kafka-clients", "4.3.1")


def test_a_damaged_manifest_is_refused() -> None:
    """A line without a whole sum is named by its number."""
    with pytest.raises(SetupError, match="Line 1"):
        read_manifest("abc  org/x/1/x-1.jar\n")


def test_a_damaged_jar_is_seen(tmp_path: Path) -> None:
    """One changed byte makes a file no longer intact; a missing one is not intact either."""
    file = tmp_path / "x.jar"
    file.write_bytes(b"good")
    sha256 = hashlib.sha256(b"good").hexdigest()
    assert is_intact(file, sha256=sha256)
    file.write_bytes(b"gooe")
    assert not is_intact(file, sha256=sha256)
    assert not is_intact(tmp_path / "none.jar", sha256=sha256)


def test_only_the_damaged_jar_is_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two cached jars the intact one stays and the damaged one is replaced."""
    manifest = tmp_path / "manifest"
    good = hashlib.sha256(b"good").hexdigest()
    manifest.write_text(f"{good}  g/a/1/a-1.jar\n{good}  g/b/1/b-1.jar\n")
    monkeypatch.setattr(jars, "MANIFEST", manifest)
    folder = jar_folder(tmp_path)
    folder.mkdir()
    (folder / "a-1.jar").write_bytes(b"good")
    (folder / "b-1.jar").write_bytes(b"bad")
    fetched: list[str] = []

    def fetch(jar: jars.Jar, _aside: Path, into: Path) -> None:
        fetched.append(jar.path.name)
        (into / jar.path.name).write_bytes(b"good")

    monkeypatch.setattr(jars, "_fetch", fetch)
    paths = ensure_jars(tmp_path)
    assert fetched == ["b-1.jar"]
    assert [path.read_bytes() for path in paths] == [b"good", b"good"]


def test_too_little_disk_is_said_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the folder and the variable that moves it."""
    monkeypatch.setattr(jars, "_NEEDED_BYTES", 2**62)
    with pytest.raises(SetupError, match="PULSERA_CACHE_DIR"):
        ensure_jars(tmp_path)


def test_what_a_killed_download_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-written file of a download that was killed is never taken for a jar, and does not stay on the disk."""
    manifest = tmp_path / "manifest"
    manifest.write_text(f"{hashlib.sha256(b'good').hexdigest()}  g/a/1/a-1.jar\n")
    monkeypatch.setattr(jars, "MANIFEST", manifest)
    folder = jar_folder(tmp_path)
    left = folder / ".download-killed" / "g"
    left.mkdir(parents=True)
    (left / "a-1.jar").write_bytes(b"goo")
    (folder / "a-1.jar").write_bytes(b"good")
    assert ensure_jars(tmp_path) == [folder / "a-1.jar"]
    assert not left.parent.exists()


def test_a_download_of_other_bytes_is_refused_by_its_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A truncated or exchanged jar on the network is refused in words and leaves the cache as it was."""

    class Component:
        """Stands for what the network gave."""

        def artifact(self) -> "Component":
            """Return itself."""
            return self

        def resolve(self) -> str:
            """Write a truncated file and return where."""
            got = tmp_path / "got.jar"
            got.write_bytes(b"goo")
            return str(got)

    class Context:
        """Stands for the client of the repository."""

        def __init__(self, **_: object) -> None:
            """Take any settings."""

        def project(self, *_: str) -> "Context":
            """Return itself."""
            return self

        def at_version(self, _: str) -> Component:
            """Return what would be downloaded."""
            return Component()

    manifest = tmp_path / "manifest"
    manifest.write_text(f"{hashlib.sha256(b'good').hexdigest()}  g/a/1/a-1.jar\n")
    monkeypatch.setattr(jars, "MANIFEST", manifest)
    monkeypatch.setattr("jgo.maven.MavenContext", Context)
    with pytest.raises(SetupError, match=r"a-1\.jar is not the file that Pulsera pins.*again"):
        ensure_jars(tmp_path)
    assert not list(jar_folder(tmp_path).glob("*.jar"))
