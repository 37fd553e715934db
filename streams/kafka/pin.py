"""Writes `jars.lock` for a release of Kafka: `python -m streams.kafka.pin 4.1.2`.

A maintainer's tool, run when Kafka is raised and at no other time. It resolves the coordinates
with all they need at run time, downloads them once, and writes down what came.
"""

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jgo.maven import MavenContext

from streams.kafka.jars import KAFKA_COORDINATE, LOCK_FILE, Jar

if TYPE_CHECKING:
    from jgo.maven import Artifact

# Kafka logs through slf4j 1.7. Java's own logging behind it brings files of bounded size without
# a further dependency, and starts 0.2 s sooner than log4j.
LOGGING_COORDINATE = "org.slf4j:slf4j-jdk14:1.7.36"

HEADER = """\
# The embedded Kafka: every jar with its size and SHA-256. Made by
#     python -m streams.kafka.pin {version}
# One artifact a line; the order is the class path's.
"""


def _described(artifact: "Artifact") -> Jar:
    content = artifact.resolve().read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Jar(artifact.groupId, artifact.artifactId, artifact.version, len(content), digest)


def pinned(version: str, download_dir: Path) -> list[Jar]:
    """All jars that Kafka of this version needs to run, sorted by coordinate."""
    context = MavenContext(repo_cache=download_dir, timeout=60)
    wanted = [f"{KAFKA_COORDINATE}:{version}", LOGGING_COORDINATE]
    direct, transitive = context.resolver.resolve(
        [context.create_dependency(coordinate) for coordinate in wanted]
    )
    needed = [*direct, *(each for each in transitive if each.scope in {"compile", "runtime"})]
    return sorted(_described(each.artifact) for each in needed)


def main() -> None:
    """Write the lock file for the version named on the command line."""
    (version,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        jars = pinned(version, Path(scratch))
    lines = [jar.line() for jar in jars]
    LOCK_FILE.write_text(HEADER.format(version=version) + "\n".join(lines) + "\n", "utf-8")
    print(f"{LOCK_FILE}: {len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
