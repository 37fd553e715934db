"""How tests are spread over processes: what shares something costly stays together."""

import os

import pytest

from streams.supervise.ports import BLOCKS_FROM, BLOCKS_TO, BLOCKS_VARIABLE
from tests.support.spread import give_own_ports, next_scope, scope_of


@pytest.mark.parametrize(
    ("test", "scope"),
    [
        ("tests/unit/web/test_logs.py::test_a[x]", "tests/unit/web/test_logs.py"),
        ("tests/integration/cli/test_up.py::test_a", "tests/integration/cli/"),
        ("tests/integration/cli/test_skip.py::test_b", "tests/integration/cli/"),
        (
            "tests/contract/mesos_master/test_gone.py::test_a[real-x]",
            "tests/contract/mesos_master/test_gone.py on real",
        ),
        (
            "tests/contract/mesos_master/test_gone.py::test_a[dev]",
            "tests/contract/mesos_master/test_gone.py on dev",
        ),
        (
            "tests/contract/mesos_master/test_random_stories.py::test_a[real-175]",
            "tests/contract/mesos_master/test_random_stories.py",
        ),
        ("tests/unit/test_x.py::test_a[really]", "tests/unit/test_x.py"),
    ],
)
def test_what_is_one_scope(test: str, scope: str) -> None:
    assert scope_of(test) == scope


def test_one_process_begins_with_what_computes_and_ends_with_what_is_left() -> None:
    scopes = ["tests/console/", "tests/unit/a.py", "tests/integration/b.py", "tests/golden/c.py"]
    assert next_scope(scopes, is_computing=True) == "tests/unit/a.py"
    assert next_scope(scopes, is_computing=False) == "tests/console/"
    assert next_scope(scopes[2:3], is_computing=True) == "tests/integration/b.py"
    assert next_scope(scopes[3:], is_computing=False) == "tests/golden/c.py"


def test_no_two_processes_have_a_port_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    for number in range(3):
        monkeypatch.delenv(BLOCKS_VARIABLE, raising=False)
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        give_own_ports()
        begin, end = (int(part) for part in os.environ[BLOCKS_VARIABLE].split("-"))
        assert BLOCKS_FROM <= begin < end <= BLOCKS_TO
        taken += range(begin, end)
    assert len(taken) == len(set(taken))
