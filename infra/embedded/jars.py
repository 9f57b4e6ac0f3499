"""The jars of Apache Kafka: fetched once, checked against pinned SHA-256 sums at every start.

`kafka_jars.sha256` beside this file is the bill of materials: a sum and a Maven path a line, as `sha256sum --check`
reads it.
A jar is downloaded to a folder aside and moved into place once its sum is right, so a download cut short harms
nothing and the next one goes on from there.
"""

import concurrent.futures
import contextlib
import fcntl
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from schemas.errors import SetupError

KAFKA_VERSION = "4.3.1"
MANIFEST = Path(__file__).with_name("kafka_jars.sha256")
_NEEDED_BYTES = 150 * 1024 * 1024
_DOWNLOADS_AT_ONCE = 6
_TIMEOUT_S = 20
_ASIDE = ".download-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One file of the bill of materials."""

    sha256: str
    path: PurePosixPath

    @property
    def coordinate(self) -> tuple[str, str, str]:
        """Maven's group, artifact and version, as its repository layout spells them."""
        *group, artifact, version, _ = self.path.parts
        return ".".join(group), artifact, version


def read_manifest(text: str) -> list[Jar]:
    """The jars that a manifest names; raises SetupError when a line is not `SHA256  PATH`."""
    jars = []
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case [sha256, path] if len(sha256) == hashlib.sha256().digest_size * 2:
                jars.append(Jar(sha256=sha256, path=PurePosixPath(path)))
            case _:
                raise SetupError(
                    f"Line {number} of {MANIFEST.name} is not a SHA-256 sum and a path.",
                    next_step="Install Pulsera again: its files are damaged.",
                )
    return jars


def is_intact(file: Path, *, sha256: str) -> bool:
    """Whether the file is there and has this sum."""
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256


def jar_folder(cache_dir: Path) -> Path:
    """Where the jars of this version of Kafka are kept."""
    return cache_dir / f"kafka-{KAFKA_VERSION}"


def ensure_jars(cache_dir: Path) -> list[Path]:
    """Makes sure that every jar is in the cache and intact; returns their paths in the manifest's order.

    Downloads what is missing or damaged. Safe when several processes do it at once. Raises SetupError, with the next
    step, when there is no network, too little disk, or a download does not have its pinned sum.
    """
    folder = jar_folder(cache_dir)
    jars = read_manifest(MANIFEST.read_text())
    paths = [folder / jar.path.name for jar in jars]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.glob(f"{_ASIDE}*"):  # what a killed download was about: nobody else holds the lock
                shutil.rmtree(left, ignore_errors=True)
            missing = [jar for jar, path in zip(jars, paths, strict=True) if not is_intact(path, sha256=jar.sha256)]
            if missing:
                _download(missing, folder)
    except PermissionError as error:
        raise SetupError(
            f"The cache folder {folder} cannot be written.", next_step="Set PULSERA_CACHE_DIR to a folder of yours."
        ) from error
    return paths


def _download(jars: list[Jar], folder: Path) -> None:
    if shutil.disk_usage(folder).free < _NEEDED_BYTES:
        raise SetupError(
            f"There is too little room for Apache Kafka's jars in {folder}: 150 MB are needed.",
            next_step="Free some space, or set PULSERA_CACHE_DIR to a folder on another disk.",
        )
    with (
        tempfile.TemporaryDirectory(prefix=_ASIDE, dir=folder) as aside,
        concurrent.futures.ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
        _progress(len(jars)) as one_more,
    ):
        futures = [pool.submit(_fetch, jar, Path(aside), folder) for jar in jars]
        try:
            for done in concurrent.futures.as_completed(futures):
                done.result()
                one_more()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(jar: Jar, aside: Path, folder: Path) -> None:
    """Downloads one jar, checks it and moves it into place."""
    import requests
    from jgo.maven import MavenContext

    group, artifact, version = jar.coordinate
    component = MavenContext(repo_cache=aside, timeout=_TIMEOUT_S).project(group, artifact).at_version(version)
    try:
        got = Path(component.artifact().resolve())
    except (requests.RequestException, RuntimeError) as error:
        raise SetupError(
            f"Apache Kafka's jar {jar.path.name} could not be downloaded ({type(error).__name__}).",
            next_step="Check the network connection and run the command again: it goes on where it stopped.",
        ) from error
    if not is_intact(got, sha256=jar.sha256):
        raise SetupError(
            f"The downloaded {jar.path.name} is not the file that Pulsera pins: its SHA-256 sum differs.",
            next_step="Run the command again; if it happens twice, do not trust the network you are on.",
        )
    got.replace(folder / jar.path.name)


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Shows how many jars are done: a bar on a terminal, a few plain lines elsewhere, always on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    title = "Fetching Apache Kafka (45 MB, once)"
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if done == total or done % 15 == 0:
            sys.stderr.write(f"{title}: {done} of {total} jars\n")

    yield one_more
