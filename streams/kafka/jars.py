"""Which jars make up the embedded Kafka: Maven coordinates with their exact bytes.

`jars.lock` beside this module is the whole truth: coordinates, sizes and SHA-256 sums, resolved
once by `python -m streams.kafka.pin`. A start never resolves anything, so the broker that was
tested is the broker that runs.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

LOCK_FILE = Path(__file__).with_name("jars.lock")
KAFKA_COORDINATE = "org.apache.kafka:kafka_2.13"


class Jar(NamedTuple):
    """One artifact of the lock file; `size` and `sha256` are of its bytes."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that Maven gives the file."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinate(self) -> str:
        """Group, artifact and version, as Maven writes them."""
        return f"{self.group}:{self.artifact}:{self.version}"

    def line(self) -> str:
        """The line of the lock file that stands for this jar."""
        return f"{self.coordinate} {self.size} sha256:{self.sha256}"

    def is_intact_at(self, path: Path) -> bool:
        """Whether the file at `path` holds exactly this jar, by size and by digest."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == self.sha256


def parse_line(line: str) -> Jar:
    """The jar that one line of the lock file stands for."""
    coordinate, size, digest = line.split()
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, int(size), digest.removeprefix("sha256:"))


def locked_jars(lock_file: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Every jar of the lock file, in its order, which is also the class path's."""
    lines = lock_file.read_text("utf-8").splitlines()
    return tuple(parse_line(line) for line in lines if line and not line.startswith("#"))


def kafka_version(jars: tuple[Jar, ...]) -> str:
    """The release of Kafka that these jars are."""
    for jar in jars:
        if f"{jar.group}:{jar.artifact}" == KAFKA_COORDINATE:
            return jar.version
    raise AssertionError(f"the lock file {LOCK_FILE} names no {KAFKA_COORDINATE}")
