"""`flumina demo --once`: exits with 0 only if all happened, and leaves nothing behind.

The demo judges itself, with functions that `tests/unit/cli/test_demo_checks.py` turns red one by
one; here it runs as a person runs it.
"""

from pathlib import Path

import pytest

from tests.support.command_line import process, processes_naming

pytestmark = pytest.mark.integration


def test_once(tmp_path: Path) -> None:
    done = process(tmp_path / "data", "demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (
        "leads the cell, elected at main/",
        "POST batch-20.json",
        "POST service-5.json",
        "POST fails-and-retries.json",
        "is dead: its agent and",
        "run on other hosts",
        "each of them exists in the log",
        "$ flumina why ",
        "All happened as it should.",
    ):
        assert text in done.stdout
    table = [line for line in done.stdout.splitlines() if "-worker-" in line]
    assert sum("Finished lost" in line and "service-5" in line for line in table) >= 1
    assert any("in place of service-5-worker-" in line for line in table)
    assert not processes_naming(str(tmp_path))
    assert list((tmp_path / "data").iterdir()) == []
