"""CI's second try: for what starts processes, never silently, and only for a few."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[2]
CONFTEST: Final = """
from tests.support.second_try import fail_if_many, only_who_starts_processes

def pytest_collection_modifyitems(config, items):
    only_who_starts_processes(config, items)

def pytest_sessionfinish(session):
    fail_if_many(session)
"""
TESTS: Final = """
from pathlib import Path
import pytest

def fail_at_first(name):
    seen = Path(__file__).with_name(name)
    if not seen.exists():
        seen.touch()
        raise AssertionError("the machine stood still")

@pytest.mark.integration
@pytest.mark.parametrize("number", range({count}))
def test_starts(number):
    fail_at_first(f"starts-{{number}}")

@pytest.mark.skipif({count} != 1, reason="one is enough")
def test_computes():
    fail_at_first("computes")
"""


def _run(folder: Path, count: int, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_them.py").write_text(TESTS.format(count=count))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = integration: starts processes\n")
    command = [sys.executable, "-m", "pytest", "-raR", "-p", "no:schemathesis", *words, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=["one", "two"])
def test_a_few_that_start_processes_are_tried_again_and_named(
    tmp_path: Path, processes: list[str]
) -> None:
    done = _run(tmp_path, 3, "--reruns", "1", "--rerun-show-tracebacks", *processes)
    assert done.returncode == 0, done.stdout
    assert "3 rerun" in done.stdout.splitlines()[-1]
    assert "RERUN test_them.py::test_starts[2]" in done.stdout
    assert "the machine stood still" in done.stdout


def test_many_of_them_fail_the_run(tmp_path: Path) -> None:
    done = _run(tmp_path, 4, "--reruns", "1")
    assert done.returncode == 1
    assert "4 tests needed a second try" in done.stdout


def test_what_starts_nothing_has_one_try(tmp_path: Path) -> None:
    done = _run(tmp_path, 1, "--reruns", "1")
    assert done.returncode == 1
    assert "FAILED test_them.py::test_computes" in done.stdout
    assert "1 failed, 1 passed, 1 rerun" in done.stdout


def test_without_the_option_nothing_is_tried_again(tmp_path: Path) -> None:
    done = _run(tmp_path, 3)
    assert done.returncode == 1
    assert "3 failed" in done.stdout
    assert "rerun" not in done.stdout.splitlines()[-1]
