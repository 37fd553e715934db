"""Checks without a clock to wait for: which results are news, and when failures count."""

import time
from typing import Any, NoReturn

import pytest

from connectors.devcluster.agent import executor_checks
from connectors.devcluster.agent.executor_checks import Checks

Json = dict[str, Any]


def nothing_runs(_spec: Json, _go: int, _parent: int) -> NoReturn:
    raise AssertionError("no check is started in these tests")


class Rig:
    """A task's checks, whose results the test gives."""

    def __init__(self, **asked: Json) -> None:
        self.told: list[Json] = []
        self.checks = Checks({"checks": asked, "env": {}}, nothing_runs, self.told.append)
        (self.kind,) = self.checks._kinds

    def result(self, **result: object) -> None:
        self.kind.judge(dict(result))

    def healths(self) -> list[tuple[bool, bool]]:
        return [(t["healthy"], t["is_kill_due"]) for t in self.told]


def command(**more: object) -> Json:
    return {"type": "COMMAND", "command": {"value": "x"}, "grace_period_seconds": 0, **more}


def test_the_first_success_is_news_and_the_first_after_failures() -> None:
    rig = Rig(health_check=command())
    for code in (0, 0, 1, 1, 0, 0):
        rig.result(exit_code=code)
    assert rig.healths() == [(True, False), (False, False), (False, False), (True, False)]
    assert rig.checks.latest() == {"healthy": True}


@pytest.mark.parametrize(("most", "expected"), [(None, 3), (1, 1), (0, 1), (5, 5)])
def test_a_kill_is_due_after_so_many_failures_in_a_row(most: int | None, expected: int) -> None:
    rig = Rig(health_check=command(**({} if most is None else {"consecutive_failures": most})))
    for _ in range(expected):
        rig.result(exit_code=1)
    assert [due for _, due in rig.healths()] == [False] * (expected - 1) + [True]


def test_failures_count_after_the_grace_or_the_first_success() -> None:
    rig = Rig(health_check=command(grace_period_seconds=10))
    rig.result(exit_code=1)
    assert rig.told == []
    rig.result(exit_code=0)
    rig.result(exit_code=1)
    assert rig.healths() == [(True, False), (False, False)]
    late = Rig(health_check=command(grace_period_seconds=10))
    late.kind.started_at -= 10.1
    late.result(exit_code=1)
    assert late.healths() == [(False, False)]


@pytest.mark.parametrize(
    ("kind", "result", "is_healthy"),
    [
        ("HTTP", {"status_code": 200}, True),
        ("HTTP", {"status_code": 399}, True),
        ("HTTP", {"status_code": 199}, False),
        ("HTTP", {"status_code": 400}, False),
        ("HTTP", {"error": "refused"}, False),
        ("TCP", {"succeeded": True}, True),
        ("TCP", {"error": "refused"}, False),
        ("COMMAND", {"exit_code": -9}, False),
        ("COMMAND", {"error": "timed out"}, False),
    ],
)
def test_what_counts_as_healthy(kind: str, result: Json, is_healthy: bool) -> None:
    rig = Rig(health_check={"type": kind, "grace_period_seconds": 0})
    rig.result(**result)
    assert rig.healths() == [(is_healthy, False)]


def test_a_check_tells_changes_only_and_having_no_result_is_one() -> None:
    rig = Rig(check={"type": "COMMAND"})
    for result in ({"error": "late"}, {"exit_code": 0}, {"exit_code": 0}, {"error": "late"}):
        rig.result(**result)
    assert [t["check_status"]["command"] for t in rig.told] == [{"exit_code": 0}, {}]


def test_a_tcp_check_that_is_refused_has_a_result() -> None:
    rig = Rig(check={"type": "TCP"})
    rig.result(error="refused")
    assert rig.told == [{"check_status": {"type": "TCP", "tcp": {"succeeded": False}}}]


def test_mesos_defaults() -> None:
    before = time.monotonic()
    rig = Rig(health_check={"type": "TCP"})
    due_at = rig.checks.due_at()
    assert due_at is not None
    assert due_at - before == pytest.approx(15.0, abs=0.5)
    assert (executor_checks.INTERVAL_SECONDS, executor_checks.TIMEOUT_SECONDS) == (10.0, 20.0)
    assert (executor_checks.FAILURES_MAX, executor_checks.GRACE_SECONDS) == (3, 10.0)


def test_stopped_checks_are_never_due() -> None:
    rig = Rig(health_check=command(delay_seconds=0))
    rig.checks.stop()
    assert rig.checks.due_at() is None
    rig.checks.look()
