"""Every drill, as a person runs it: exit code 0 only if each promise was seen to be kept.

The drills judge themselves; that a broken promise is seen is shown in `tests/unit/drills`. Those of
`QUICK` run for every change, in one command so that they share a Kafka, with fewer tasks than the
incident had. As soak run all of them at its size of 12,000, and the others, which are about what
other tests of every change show as well (the demo's host and control plane, the fold's back-off).
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from streams.drills.catalogue import DRILLS
from streams.drills.promises import RESTORE_S_MAX
from tests.support.command_line import flumina, processes_naming

pytestmark = pytest.mark.integration

INCIDENT: Final = "schema-drift"
QUICK: Final = (
    INCIDENT,
    "container-crash",
    "master-lost-tasks",
    "empty-state",
    "wrong-snapshot",
    "kafka-lost",
)
INCIDENT_TASKS: Final = 12_000
QUICK_TASKS: Final = 2_000


Reports = list[dict[str, Any]]


def _keep_their_promises(tmp_path: Path, names: tuple[str, ...], tasks: int) -> Reports:
    """The reports of drills that all went well, and left nothing behind."""
    directory = tmp_path / "drill"
    words = ["drill", *names, "--tasks", str(tasks), "--data-dir", str(directory)]
    done = flumina(tmp_path, *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    reports: Reports = json.loads(done.stdout)
    assert [each["drill"] for each in reports] == list(names)
    for report in reports:
        assert report["isGood"]
        assert all(each["isKept"] for each in report["verdicts"])
        assert report["timeToRestoreS"] < RESTORE_S_MAX
    assert not directory.exists()
    assert not processes_naming(str(directory))
    return reports


def _none_ended(reports: Reports, tasks: int) -> None:
    (report,) = [each for each in reports if each["drill"] == INCIDENT]
    saw = {each["key"]: each["saw"] for each in report["verdicts"]}
    assert saw["untouched"].startswith(f"{tasks} of {tasks} run on")


def test_the_quick_drills_keep_their_promises_and_the_incident_ends_no_task(tmp_path: Path) -> None:
    _none_ended(_keep_their_promises(tmp_path, QUICK, QUICK_TASKS), QUICK_TASKS)


@pytest.mark.soak
def test_the_quick_drills_at_the_incidents_size(tmp_path: Path) -> None:
    _none_ended(_keep_their_promises(tmp_path, QUICK, INCIDENT_TASKS), INCIDENT_TASKS)


@pytest.mark.soak
@pytest.mark.parametrize("name", [each.name for each in DRILLS if each.name not in QUICK])
def test_the_longer_drills_keep_their_promises(name: str, tmp_path: Path) -> None:
    _keep_their_promises(tmp_path, (name,), INCIDENT_TASKS)
