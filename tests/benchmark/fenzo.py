"""The peer of the placement benchmarks: Fenzo 1.0.1, from Maven Central, in a process of its own.

The one thing to know: Maven and a JDK are needed for the peer and for nothing else. Where one of
them is missing, the benchmark says so and prints its own figures without a ratio.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from streams.setting_rows.keeping import default_cache_dir

SOURCE = Path(__file__).parent / "peer" / "fenzo"
CLASS = "FenzoPeer"
HEAP = "6g"
"""10,000 hosts and one record for each host that refuses each waiting task take 4 GB and more."""
MAVEN_S_MAX = 300
WARM_S = 8.0
"""Until its rate no longer rises, on hosts few enough for many calls (measured)."""


class PeerMissing(Exception):
    """Why Fenzo cannot be measured here, in a sentence."""


class Figures(NamedTuple):
    """What one measurement said: the fields of both programs' JSON line that are compared."""

    seen: int
    placed: int
    placed_per_sec: float
    hosts_used: int
    wall_s: float
    cpu_s: float
    passes: int


class Fenzo:
    """Fenzo behind the files of `flumina simulate`; compiled once, into flumina's cache."""

    def __init__(self) -> None:
        for tool, package in (("java", "openjdk-17-jdk"), ("mvn", "maven")):
            if shutil.which(tool) is None:
                raise PeerMissing(
                    f"There is no `{tool}` in PATH: Fenzo is not measured, and no ratio is known. "
                    f"Install one (Debian, Ubuntu: apt install {package}) to compare."
                )
        build = default_cache_dir() / "benchmark" / "fenzo"
        build.mkdir(parents=True, exist_ok=True)
        classpath = build / "classpath.txt"
        done = subprocess.run(
            [
                *("mvn", "--quiet", "--batch-mode", f"-Dbuild.folder={build}"),
                *("compile", "dependency:build-classpath", f"-Dmdep.outputFile={classpath}"),
            ],
            cwd=SOURCE,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAVEN_S_MAX,
        )
        if done.returncode != 0:
            raise PeerMissing(
                f"Maven could not build {SOURCE}: Fenzo is not measured, and no ratio is known. "
                f"Is Maven Central reachable? Its last words: {done.stdout.strip()[-400:]}"
            )
        self._classpath = f"{build / 'classes'}:{classpath.read_text('utf-8').strip()}"

    def measured(
        self,
        hosts: Path,
        tasks: Path,
        placement: Path,
        *,
        batch: int,
        soft: str = "",
        passes: int = 3,
        limit_s: float = 1e9,
        warm_s: float = WARM_S,
    ) -> Figures:
        """The median of so many warm passes over the queue, each cut after ``limit_s``."""
        options = {
            "hosts": hosts,
            "tasks": tasks,
            "placement": placement,
            "batch": batch,
            "passes": passes,
            "limit-s": limit_s,
            "warm-s": warm_s,
        } | ({"soft": soft} if soft else {})
        done = subprocess.run(
            [
                *("java", f"-Xmx{HEAP}", "-cp", self._classpath, CLASS),
                *(word for name, value in options.items() for word in (f"--{name}", str(value))),
            ],
            # On its other stream it says that no logger is set up, and why it failed where it does.
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Fenzo's harness failed: {done.stderr[-2_000:]}")
        said = json.loads(done.stdout.splitlines()[-1])
        return Figures(*(said[name] for name in Figures._fields))
