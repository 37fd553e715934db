"""What the API refuses before anything runs, and what the log then holds: nothing."""

from typing import Any

import pytest

from connectors.web.app import web_app
from connectors.web.exec_sessions import ExecLimits, Execs
from tests.support.asgi import Answer, call
from tests.support.web_cell import WAIT_S, WebCell, descriptor

ADA = {"X-Flumina-Actor": "ada"}
BODY = {"command": ["true"], "why": "a test"}


def _ask(cell: WebCell, method: str, path: str, body: Any = None, **limits: Any) -> Answer:
    execs = Execs(ExecLimits(**limits))
    app = web_app(cell, cell.files, wait_s=WAIT_S, execs=execs)
    return call(app, method, f"/api/flumina/tasks/{path}", body, ADA)


def _cell() -> WebCell:
    cell = WebCell()
    answer = call(cell.app, "POST", "/api/v3/jobs?jobId=j", descriptor(), ADA)
    assert answer.status == 201
    return cell


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**BODY, "command": []}, "command"),
        ({"why": "x"}, "command"),
        ({"command": ["true"]}, "why"),
        ({**BODY, "command": ["a\0b"]}, "command[0]"),
        ({**BODY, "rows": 0}, "rows"),
        ({**BODY, "shell": True}, "shell"),
    ],
)
def test_a_body_with_a_fault_is_refused(body: Any, field: str) -> None:
    answer = _ask(_cell(), "POST", "j-worker-0-1/exec", body)
    assert answer.status == 400
    assert field in [each["field"] for each in answer.json["faults"]]


def test_a_task_that_waits_lets_nobody_in() -> None:
    cell = _cell()
    (task,) = cell.view.state.tasks
    before = len(cell.published)
    assert _ask(cell, "POST", f"{task}/exec", BODY).status == 409
    assert _ask(cell, "POST", "j-worker-7-7/exec", BODY).status == 404
    assert _ask(cell, "POST", f"{task}/exec", BODY, is_on=False).status == 403
    assert len(cell.published) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "x/exec/abc/output", None),
        ("POST", "x/exec/abc/input", {"data": ""}),
        ("DELETE", "x/exec/abc", None),
    ],
)
def test_a_session_that_is_not_ones_own_is_not_there(method: str, path: str, body: Any) -> None:
    assert _ask(_cell(), method, path, body).status == 404


def test_places_are_given_out_once_and_back() -> None:
    execs = Execs(ExecLimits(sessions_max=3, of_actor_max=2))
    assert [execs.reserve("ada") for _ in range(2)] == ["", ""]
    assert "ada has 2 sessions" in execs.reserve("ada")
    assert execs.reserve("bob") == ""
    assert "has 3 sessions" in execs.reserve("carol")
    execs.release("ada")
    assert execs.reserve("carol") == ""
