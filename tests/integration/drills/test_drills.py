"""Every drill, as a person runs it: exit code 0 only if each promise was seen to be kept.

The drills judge themselves; that a broken promise is seen is shown in `tests/unit/drills`. Those of
`QUICK` run for every change, in one command so that they share a Kafka, and so does `schema-drift`
with the 12,000 tasks of the incident. The others are about what other tests of every change show as
well (the demo's host and control plane, the fold's back-off and pace), and run as soak.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from streams.drills.catalogue import DRILLS
from streams.drills.promises import RESTORE_S_MAX
from tests.support.command_line import flumina, processes_naming

pytestmark = pytest.mark.integration

QUICK: Final = (
    "container-crash",
    "master-lost-tasks",
    "empty-state",
    "wrong-snapshot",
    "kafka-lost",
)
INCIDENT: Final = "schema-drift"
LONG: Final = tuple(each.name for each in DRILLS if each.name not in {*QUICK, INCIDENT})
INCIDENT_TASKS: Final = 12_000


def _keep_their_promises(tmp_path: Path, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The reports of drills that all went well, and left nothing behind."""
    directory = tmp_path / "drill"
    words = ["drill", *names, "--tasks", str(INCIDENT_TASKS), "--data-dir", str(directory)]
    done = flumina(tmp_path, *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    assert [each["drill"] for each in reports] == list(names)
    for report in reports:
        assert report["isGood"]
        assert all(each["isKept"] for each in report["verdicts"])
        assert report["timeToRestoreS"] < RESTORE_S_MAX
    assert not directory.exists()
    assert not processes_naming(str(directory))
    return reports


def test_the_quick_drills_keep_their_promises(tmp_path: Path) -> None:
    _keep_their_promises(tmp_path, QUICK)


def test_the_incident_at_its_own_size_ends_no_task(tmp_path: Path) -> None:
    (report,) = _keep_their_promises(tmp_path, (INCIDENT,))
    saw = {each["key"]: each["saw"] for each in report["verdicts"]}
    assert saw["untouched"].startswith(f"{INCIDENT_TASKS} of {INCIDENT_TASKS} run on")


@pytest.mark.soak
@pytest.mark.parametrize("name", LONG)
def test_the_longer_drills_keep_their_promises(name: str, tmp_path: Path) -> None:
    _keep_their_promises(tmp_path, (name,))
