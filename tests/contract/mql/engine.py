"""The engine of Mantis' MQL, `io.mantisrx:mql-jvm` 3.4.0, in a process of its own.

The one thing to know: Maven and a JDK are needed for it and for nothing else. It is built once,
into flumina's cache; where it cannot be, `EngineMissing` says why and what would help.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final, Self

from streams.setting_rows.keeping import default_cache_dir

NAME: Final = "io.mantisrx:mql-jvm:3.4.0"
SOURCE: Final = Path(__file__).with_name("java")
CLASS: Final = "MqlEngine"
HEAP: Final = "512m"
MAVEN_S_MAX: Final = 300

Question = dict[str, Any]
Answer = dict[str, Any]


class EngineMissing(Exception):
    """Why the engine cannot be asked here, in a sentence."""


class Engine:
    """The engine at work; a context, which ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [shutil.which("java") or "java", f"-Xmx{HEAP}", "-cp", class_path(), CLASS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # It tells there that no logger is set up.
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, question: Question) -> Answer:
        """What it answers: ``rows``, or ``refused`` or ``died`` with the reason."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: Answer = json.loads(self._process.stdout.readline())
        return answer


def class_path() -> str:
    """Where Java finds the engine, built when its source is new; raises `EngineMissing`."""
    for tool, package in (("java", "openjdk-17-jdk"), ("mvn", "maven")):
        if shutil.which(tool) is None:
            raise EngineMissing(
                f"There is no `{tool}` in PATH, so {NAME} is not asked. "
                f"Install one (Debian, Ubuntu: apt install {package}) to compare."
            )
    parts = [(SOURCE / name).read_bytes() for name in ("pom.xml", f"src/main/java/{CLASS}.java")]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    build = default_cache_dir() / "contract" / f"mql-{digest}"
    ready = build / "classpath.txt"
    if not (build / "classes" / f"{CLASS}.class").exists() or not ready.exists():
        build.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [
                *("mvn", "--quiet", "--batch-mode", f"-Dbuild.folder={build}"),
                *("compile", "dependency:build-classpath", f"-Dmdep.outputFile={ready}"),
            ],
            cwd=SOURCE,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAVEN_S_MAX,
        )
        if done.returncode != 0:
            raise EngineMissing(
                f"Maven could not build {SOURCE}, so {NAME} is not asked. "
                f"Is Maven Central reachable? Its last words: {done.stdout.strip()[-400:]}"
            )
    return f"{build / 'classes'}:{ready.read_text('utf-8').strip()}"
