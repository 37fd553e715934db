"""`flumina heal` and `flumina host health` against the real API over a cell in memory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.health import Evidence, HostJudged, HostProbed, Probe, TaskSilent
from scheduler.model.ids import HostId, ProposalId
from tests.support.asgi import Answer, call
from tests.support.cell import batch
from tests.support.command_line import flumina
from tests.support.served import served
from tests.support.web_cell import WebCell

EXAMPLE = str(Path(__file__).parents[3] / "docs" / "examples" / "runbooks.yaml")
LINE = Evidence("line", "EXT4-fs error", "host-logs:3:42", 7)
HOST = "name-of-host1"
Ask = Callable[..., str]


@pytest.fixture
def web() -> WebCell:
    return WebCell()


@pytest.fixture
def ask(web: WebCell, tmp_path: Path) -> Iterator[Ask]:
    """Run a command that shall succeed, and what it prints."""
    with served(web.app) as there:

        def asked(*words: str) -> str:
            done = flumina(tmp_path, *words, "--api", there.url)
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield asked


def sicken(web: WebCell) -> None:
    """A detector calls a host sick, and a check of it fails."""
    cell = web.cell
    cell.offer("host1")
    cell.copy(
        "verdicts",
        HostJudged(HostId("host1"), "lines", "sick", 900, (LINE,)),
        HostProbed(HostId("host1"), (Probe("container", "bad", "hangs"),)),
    )
    cell.tick()


def test_hosts_that_are_sick_are_shown_with_their_evidence_and_released(
    web: WebCell, ask: Ask
) -> None:
    (task_id,) = web.cell.run(batch(size=1))
    web.cell.copy("verdicts", TaskSilent(task_id, detail="no container"))
    sicken(web)
    whole = ask("host", "health")
    assert "1 of them away for their health" in whole
    assert "EXT4-fs error" in whole
    assert f"{task_id} (no container)" in whole
    one = ask("host", "health", HOST)
    assert "line: EXT4-fs error [host-logs:3:42]" in one
    assert "check container: bad, keeps tasks away. hangs" in one
    found = json.loads(ask("host", "health", HOST, "--json"))
    assert (found["standing"], found["falls"]) == ("away", 1)
    assert "is released, and on trial" in ask("host", "release", HOST, "--why", "new disk")
    assert "On trial: 1 tasks at most" in ask("host", "health", "host1")


def test_runbooks_are_set_and_their_runs_shown_approved_and_stopped(
    web: WebCell, ask: Ask, tmp_path: Path
) -> None:
    assert "no runbook" in ask("heal", "runbooks")
    assert "has the runbooks of" in ask("heal", "runbooks", EXAMPLE, "--why", "first")
    assert "black-hole" in ask("heal", "runbooks")
    assert "No runbook has run yet" in ask("heal", "list")
    sicken(web)
    run_id = json.loads(ask("heal", "list", "--json"))["items"][0]["runId"]
    order_id = ProposalId(web.cell.state.healing_runs[run_id].order_id)
    web.cell.write(EffectStarted(order_id))
    web.cell.write(EffectEnded(order_id, "sent", exit_code=1, output="container: hangs"))
    shown = ask("heal", "show", run_id)
    assert "diagnose: done, exit code 1" in shown
    assert "    container: hangs" in shown
    assert "Now: heal" in shown
    assert "is stopped" in ask("heal", "stop", run_id, "--why", "I look myself")
    assert "stopped" in ask("heal", "list")
    dry = ask("heal", "start", "runtime", HOST, "--dry-run", "--why", "to see")
    assert "runtime runs on" in dry
    assert "runs again" in ask("heal", "resume", "runtime", "--why", "mended")
    file = tmp_path / "waiting.yaml"
    file.write_text(
        "runbooks: [{name: ask, approval: true, when: {probes: [container]}, steps: [{page: {}}]}]"
    )
    ask("heal", "runbooks", str(file), "--why", "others")
    web.cell.tick()
    waiting = json.loads(ask("heal", "list", "--json"))["items"][0]
    assert (waiting["runbook"], waiting["state"]) == ("ask", "waiting")
    assert "goes on" in ask("heal", "approve", waiting["runId"], "--why", "seen")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("runbooks: [", "is not YAML"),
        ("- name: x", "must hold one field, runbooks"),
        ("runbooks: [{name: x}]", "runbooks[0].when"),
    ],
)
def test_a_file_that_is_wrong_says_what(
    web: WebCell, tmp_path: Path, text: str, wanted: str
) -> None:
    file = tmp_path / "runbooks.yaml"
    file.write_text(text)
    with served(web.app) as there:
        done = flumina(tmp_path, "heal", "runbooks", str(file), "--why", "x", "--api", there.url)
    assert done.returncode != 0
    assert wanted in " ".join(done.stderr.split())


def asked(web: WebCell, method: str, path: str, body: Any = None) -> Answer:
    """The API's answer to an operator."""
    return call(web.app, method, f"/api/flumina/{path}", body, {"X-Flumina-Actor": "ada"})


def test_what_is_not_there_or_not_allowed_is_refused(web: WebCell) -> None:
    assert asked(web, "GET", "health/hosts/nobody").status == 404
    assert asked(web, "GET", "healing/runs/heal-1.0.0").status == 404
    order = {"why": "x"}
    assert asked(web, "POST", "healing/runs/heal-1.0.0/stop", order).status == 404
    assert asked(web, "POST", "healing/runs/nonsense/stop", order).status == 400
    assert asked(web, "POST", "healing/runbooks/none/resume", order).status == 404
    assert asked(web, "POST", "health/hosts/nobody/release", order).status == 404
    start = {"runbook": "none", "hostId": "host1", "why": "x"}
    assert asked(web, "POST", "healing/runs", start).status == 404
    assert asked(web, "POST", "healing/runs", {**start, "why": ""}).status == 400
    assert asked(web, "PUT", "healing/runbooks", {"runbooks": [], "why": "x"}).status == 200
    assert asked(web, "PUT", "healing/runbooks", {"runbook": [], "why": "x"}).status == 400
