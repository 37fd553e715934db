"""First use for real: a virtual environment, locked packages, the project, in a small checkout.

The lock holds only what building the project needs (five packages), and the command line is a
stand-in that prints its arguments; everything else is the real thing, network included.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.processes import wait_until

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers")
COMMAND_LINE = 'import sys\n\nprint("here", *sys.argv[1:])\n'
UNREACHABLE = {
    "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
    "PIP_FIND_LINKS": "",
    "PIP_NO_CACHE_DIR": "1",
    "NO_PROXY": "127.0.0.1",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "streams" / "cli").mkdir(parents=True)
    for name in ("flumina", "pyproject.toml", "streams/bootstrap.py"):
        shutil.copy(REPOSITORY / name, root / name)
    for name in ("README.md", "LICENSE", "streams/__init__.py", "streams/cli/__init__.py"):
        (root / name).write_text("")
    for name in ("scheduler", "projections", "connectors"):
        (root / name).mkdir()
    (root / "streams" / "cli" / "main.py").write_text(COMMAND_LINE)
    blocks = re.split(r"\n(?=\S)", (REPOSITORY / "requirements.lock").read_text("utf-8"))
    wanted = [block for block in blocks if block.partition("==")[0] in PACKAGES]
    assert len(wanted) == len(PACKAGES)
    (root / "requirements.lock").write_text("\n".join(wanted) + "\n")
    return root


def _start(
    checkout: Path, *arguments: str, before: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, str(checkout / "flumina"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"FLUMINA_PYTHON": sys.executable} | environment,
        start_new_session=True,
    )


def _run(
    checkout: Path, *arguments: str, before: Sequence[str] = (), **environment: str
) -> tuple[int, str, str]:
    process = _start(checkout, *arguments, before=before, **environment)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def test_first_use_sets_up_and_later_ones_only_run(checkout: Path) -> None:
    """Three at once: one sets up, the others wait; the lock changes: it is made anew."""
    started = [_start(checkout, "one", "two words") for _ in range(3)]
    results = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], results
    assert {output for output, _ in results} == {"here one two words\n"}
    told = [errors for _, errors in results]
    assert sum("making .venv" in errors for errors in told) == 1
    assert sum("flumina: ready." in errors for errors in told) == 1
    assert _run(checkout, "again") == (0, "here again\n", "")

    environment_before = (checkout / ".venv").stat().st_ino
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text() + "\n# changed\n")
    code, _, errors = _run(checkout)
    assert code == 0
    assert "installing the project again" in errors
    assert (checkout / ".venv").stat().st_ino == environment_before

    lock = checkout / "requirements.lock"
    lock.write_text(lock.read_text() + "# changed\n")
    code, _, errors = _run(checkout)
    assert code == 0
    assert "making .venv" in errors
    assert _run(checkout, "again") == (0, "here again\n", "")


def test_a_set_up_that_was_killed_is_repaired_by_the_next_start(checkout: Path) -> None:
    process = _start(checkout)
    packages = checkout / ".venv" / "lib"
    wait_until(lambda: any(packages.glob("*/site-packages/pip")), "pip is there", timeout_s=60)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    code, output, errors = _run(checkout, "now")
    assert (code, output) == (0, "here now\n"), errors
    assert "was not finished" in errors


def test_without_a_network_it_says_so(checkout: Path) -> None:
    code, output, errors = _run(checkout, **UNREACHABLE)
    assert code == 1
    assert "The package index cannot be reached." in errors
    assert "HTTPS_PROXY" in errors
    assert "Traceback" not in errors
    assert output == ""


def test_without_the_venv_module_it_says_so(checkout: Path, tmp_path: Path) -> None:
    python = tmp_path / "debian-python"
    python.write_text(
        f"""#!/bin/sh
[ "$1" = -c ] && exec {sys.executable} "$@"
shift
exec {sys.executable} -I -c '
import runpy, sys
sys.modules["ensurepip"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
' "$@"
"""
    )
    python.chmod(0o755)
    code, _, errors = _run(checkout, FLUMINA_PYTHON=str(python))
    assert code == 1
    assert "lacks its module ensurepip" in errors
    assert "apt install python3-venv" in errors


def test_a_directory_in_the_way_is_not_deleted(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "thesis.txt").write_text("years of work")
    code, _, errors = _run(checkout)
    assert code == 1
    assert "is in the way" in errors
    assert (checkout / ".venv" / "thesis.txt").exists()


def _in_own_mounts(script: str) -> list[str]:
    """A command prefix that runs the rest where `script` has changed what is mounted."""
    prefix = ["unshare", "--mount", "--map-root-user"]
    probe = subprocess.run(
        [*prefix, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip("this computer does not allow private mounts, which stand for bad disks here")
    return [*prefix, "sh", "-c", f'{script} && exec "$@"', "sh"]


def test_a_small_disk_is_refused_before_anything_is_made(checkout: Path) -> None:
    script = (
        f"mount -t tmpfs -o size=20m none /mnt && cp -r '{checkout}/.' /mnt/ && "
        f"mount --bind /mnt '{checkout}'"
    )
    code, _, errors = _run(checkout, before=_in_own_mounts(script))
    assert code == 1
    assert re.search(r"Only \d+ MB are free on the disk of", errors), errors
    assert "Make room" in errors
    assert not (checkout / ".venv").exists()


def test_a_read_only_checkout_is_refused(checkout: Path) -> None:
    script = f"mount --bind '{checkout}' '{checkout}' && mount -o remount,bind,ro '{checkout}'"
    code, _, errors = _run(checkout, before=_in_own_mounts(script))
    assert code == 1
    assert "Read-only file system" in errors
    assert "that you can write to" in errors
    assert "Traceback" not in errors
