"""Every drill, as a person runs it: exit code 0 only if each promise was seen to be kept.

The drills judge themselves; that a broken promise is seen is shown in `tests/unit/drills`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.drills.catalogue import DRILLS
from streams.drills.promises import RESTORE_S_MAX
from tests.support.command_line import flumina, processes_naming

pytestmark = pytest.mark.integration

MANY = 1_000
"""Of the drills that are about many; `test_schema_drift_at_the_size_of_the_incident` has all."""


def drilled(tmp_path: Path, *words: str) -> dict[str, Any]:
    """The report of one drill that went well, and left nothing behind."""
    directory = tmp_path / "drill"
    done = flumina(tmp_path, "drill", *words, "--json", "--data-dir", str(directory))
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = json.loads(done.stdout)
    assert report["isGood"]
    assert all(each["isKept"] for each in report["verdicts"])
    assert report["timeToRestoreS"] < RESTORE_S_MAX
    assert not directory.exists()
    assert not processes_naming(str(directory))
    return dict(report)


@pytest.mark.parametrize("name", [each.name for each in DRILLS])
def test_the_drill_keeps_its_promises(name: str, tmp_path: Path) -> None:
    assert drilled(tmp_path, name, "--tasks", str(MANY))["drill"] == name
