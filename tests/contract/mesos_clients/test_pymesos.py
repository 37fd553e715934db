"""pymesos 0.3.15, which others wrote, works with the dev cluster as it does with the real Mesos.

The one thing to know: it is no dependency of this project. The test makes an environment for it
under the cache folder once; its ``http-parser`` is compiled from C that Cython writes anew, because
the C in its archive is too old for Python 3.11. Without a compiler or a network the test skips.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.master_client import request

pytestmark = pytest.mark.integration

PROBE = Path(__file__).with_name("pymesos_probe.py")
PYMESOS = "pymesos==0.3.15"
HTTP_PARSER = "http-parser==0.9.0"
# What was tried with them; later ones may drop what that old package needs.
BUILDERS = ("cython==3.3.1", "setuptools==84.0.0")


class CannotBuildError(Exception):
    """The environment cannot be made here; the text says why."""


@pytest.fixture(scope="session")
def pymesos_python() -> Path:
    """The Python in which pymesos can be imported."""
    cache = Path(os.environ.get("FLUMINA_CACHE") or Path.home() / ".cache" / "flumina")
    home = cache / "clients" / PYMESOS.replace("==", "-")
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _environment(home)
        except CannotBuildError as error:
            pytest.skip(f"no pymesos: {error}")


def _environment(home: Path) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = home / f"python-{version}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    if shutil.which("cc") is None:
        raise CannotBuildError("there is no C compiler (cc), which its http-parser needs")
    shutil.rmtree(folder, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(folder))
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(*pip, "install", *BUILDERS)
    _build_http_parser(folder, python, pip)
    _run(*pip, "install", PYMESOS)
    _run(str(python), "-c", "import pymesos, http_parser.parser")
    (folder / "ready").touch()
    return python


def _build_http_parser(folder: Path, python: Path, pip: tuple[str, ...]) -> None:
    source = folder / "http-parser"
    get = ("download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation")
    _run(*pip, *get, "--dest", str(source), HTTP_PARSER)
    (archive,) = source.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(source, filter="data")
    (unpacked,) = (p for p in source.iterdir() if p.is_dir())
    (unpacked / "http_parser" / "parser.c").unlink()
    _run(str(python), "-m", "cython", str(unpacked / "http_parser" / "parser.pyx"))
    _run(*pip, "install", "--no-deps", "--no-build-isolation", str(unpacked))


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or "it said nothing").splitlines()[-1]
        words = " ".join(command[:5])
        raise CannotBuildError(
            f"'{words} ...' failed, for example for want of a network: {last}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CannotBuildError(f"'{' '.join(command[:5])} ...' took too long") from error


@pytest.mark.parametrize("acknowledgements", ["implicit", "explicit"])
def test_pymesos_subscribes_launches_and_sees_the_states(
    cluster: Cluster, pymesos_python: Path, acknowledgements: str
) -> None:
    command = [str(pymesos_python), str(PROBE), cluster.address, acknowledgements]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=90)
    seen: list[dict[str, Any]] = [json.loads(line) for line in answer.stdout.splitlines()]
    story = f"it saw {seen} and said {answer.stderr[-2000:]}"

    def states(task: str) -> list[str]:
        found: list[str] = []
        for line in seen:
            if line["what"] == "update" and line["task"] == task:
                state = str(line["state"])
                if state != "TASK_STARTING" and found[-1:] != [state]:
                    found.append(state)
        return found

    assert seen, story
    assert seen[0]["what"] == "registered", story
    assert seen[0]["version"] == "1.11.0"
    assert states("good") == ["TASK_RUNNING", "TASK_FINISHED"], story
    assert states("bad") == ["TASK_RUNNING", "TASK_FAILED"], story
    assert states("endless") == ["TASK_RUNNING", "TASK_KILLED"], story
    # pymesos does not ask for PARTITION_AWARE.
    assert states("ghost") == ["TASK_LOST"], story
    assert seen[-1] == {"what": "end", "finished": True, "missing": [], "stopped": True}, story
    # It has torn its framework down.
    state = request(cluster.port, "GET", "/state").json
    framework_id = seen[0]["framework_id"]
    assert framework_id in {f["id"] for f in state["completed_frameworks"]}
    assert framework_id not in {f["id"] for f in state["frameworks"]}
