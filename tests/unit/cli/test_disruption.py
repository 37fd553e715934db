"""`flumina eviction` and `flumina relocation`: what they print of a cell, by what its API says."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from scheduler.model.disruption import DisruptionBudget, UnhealthyTasks
from scheduler.model.ids import HostId
from scheduler.model.inbound import HostOrdered
from streams.cli.client import decoded
from streams.cli.command_disruption import (
    DRAINS,
    RELOCATION,
    _Drains,
    _Executions,
    _Plans,
    _quota_path,
    print_drains,
    print_executions,
    print_plans,
)
from streams.errors import OperatorError
from tests.support.asgi import call
from tests.support.cell import running_cell, service
from tests.support.web_cell import WebCell


def drained(looks: int = 16) -> WebCell:
    """A host that is emptied while its service allows one task at a time."""
    cell = running_cell(hosts=1)
    cell.tick(15_000)
    cell.run(replace(service(4), budget=DisruptionBudget(UnhealthyTasks(1))))
    cell.copy("commands", HostOrdered(HostId("host1"), "draining", "op", "new kernel"))
    for _ in range(looks):
        cell.tick(10_000)
    return WebCell(cell)


def shown(print_them: Callable[[Any, Console], None], found: Any) -> str:
    """What is printed."""
    written = io.StringIO()
    print_them(found, Console(file=written, width=400))
    return written.getvalue()


def body(web: WebCell, path: str) -> bytes:
    """What the API answers."""
    return call(web.app, "GET", path).body


def test_plans_executions_and_hosts_are_listed() -> None:
    web = drained()
    plans = shown(print_plans, decoded(body(web, f"{RELOCATION}/plans"), _Plans).plans)
    assert plans.count("3 must stay so") == 3
    assert "host name-of-host1 is drained (op: new kernel)" in plans
    assert all(line.split()[1] == "name-of-host1" for line in plans.splitlines()[1:])
    tried = decoded(body(web, f"{RELOCATION}/executions"), _Executions).results
    executions = shown(print_executions, tried)
    assert executions.count("Success") == 1
    assert executions.count("Failure") == 3
    hosts = shown(print_drains, decoded(body(web, DRAINS), _Drains).hosts)
    assert "3 for health" in hosts
    assert "name-of-host1" in hosts


def test_where_nothing_has_to_move_that_is_said() -> None:
    assert "No task has to leave" in shown(print_plans, [])
    assert "No relocation was tried" in shown(print_executions, [])
    assert "No host is emptied" in shown(print_drains, [])


def test_a_quota_is_named_or_refused_with_the_words_to_write() -> None:
    assert _quota_path("system", "") == "/api/v3/eviction/quotas/system"
    assert _quota_path("group", "a b") == "/api/v3/eviction/quotas/capacityGroups/a%20b"
    for kind, name in (("system", "x"), ("tier", ""), ("rack", "7")):
        with pytest.raises(OperatorError) as refused:
            _quota_path(kind, name)
        assert "flumina eviction quota system" in refused.value.remedy
