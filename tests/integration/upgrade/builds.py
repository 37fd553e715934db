"""Builds of other commits, and processes that run by one of them beside ours.

The one thing to know: a build is the four packages as git has them, in a folder of their own; the
libraries are those of this environment. Nothing is faked: it is the code that ran then.
"""

import os
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path

from streams.upgrade.baseline import BASELINE
from tests.support.api_process import ApiProcess
from tests.support.world import World

ROOT = Path(__file__).parents[3]
PACKAGES = ("scheduler", "projections", "connectors", "streams")


def has_baseline() -> str:
    """Why the baseline cannot be built here; empty where it can."""
    found = _git("cat-file", "-e", f"{BASELINE.commit}^{{commit}}")
    if found is None:
        return (
            f"the commit {BASELINE.commit} of release {BASELINE.release} is not in this checkout: "
            "it is shallow, or no git; fetch the whole history to run this"
        )
    return ""


def build_of(commit: str, folder: Path) -> Path:
    """The folder, with the packages of that commit."""
    data = _git("archive", "--format=tar", commit, *PACKAGES)
    assert data is not None, f"{commit} cannot be read"
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _git(*words: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", *words],  # noqa: S607 - the user's git
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def environment_of(build: Path) -> dict[str, str]:
    """What makes a process of ours run by that build."""
    # The working directory would come before PYTHONPATH, and it is this very code.
    return {"PYTHONPATH": str(build), "PYTHONSAFEPATH": "1"}


class MixedWorld(World):
    """A world whose processes run by the build that is set when they start."""

    build = ROOT

    def cell_environment(self, name: str, crash_at: str = "") -> dict[str, str]:
        """As every world's, by the present build."""
        return super().cell_environment(name, crash_at) | environment_of(self.build)


class BuiltApi(ApiProcess):
    """An api process that runs by a build."""

    def __init__(self, world: World, build: Path) -> None:
        self.log = world.home / f"api-{time.monotonic_ns()}.log"
        own = {
            "FLUMINA_DATA": str(world.home / "api"),
            "KAFKA_BROKERS": world.kafka,
            "FLUMINA_TOPIC_PREFIX": world.prefix,
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.api.main", "--port", "0"],
                env=os.environ | own | environment_of(build),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.address = ""
