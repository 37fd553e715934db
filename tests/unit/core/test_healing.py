"""Healing in the fold: which step follows which, what limits hold, and that a replay is the same.

How: a cell in memory; scripts are answered as the lane does, by `EffectStarted` and `EffectEnded`.
"""

from typing import Any

import msgspec
import pytest

from projections.notes import HostEntered
from projections.travel.notes import Noted, decoded_note
from scheduler.fold import guards
from scheduler.healing.standing import HealingRun
from scheduler.model.changes import CellPaged, HealingChanged, HostHealthChanged, JobRejected
from scheduler.model.codec import decode_record
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_healing import encode_order_healing, encode_set_runbooks
from scheduler.model.healing import HealingOrdered, Runbook, RunbooksAsked
from scheduler.model.healing_document import runbook_document
from scheduler.model.health import HostJudged, HostProbed, Probe
from scheduler.model.ids import HostId, ProposalId
from scheduler.model.inbound import InboundRejected
from scheduler.model.task import Started
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.derived import check_digest

H1 = HostId("host1")
BOOK: dict[str, Any] = {
    "name": "runtime",
    "when": {"detectors": ["lines"], "probes": ["container"]},
    "steps": [
        {"diagnose": {"script": "runtime-status"}},
        {"judge": {"exits": [1, 2]}},
        {"heal": {"script": "restart-runtime", "arguments": ["docker"], "timeoutSeconds": 60}},
        {"probe": {"looks": 2, "timeoutSeconds": 120}},
        {"drain": {"timeoutSeconds": 600}},
        {"terminate": {}},
        {"page": {}},
    ],
}


def read(*documents: dict[str, Any]) -> tuple[Runbook, ...]:
    """The runbooks of these documents, as a record of topic ``commands`` brings them."""
    body = decode_commands_record(b"", encode_set_runbooks(documents, "ann", "a test"))
    assert isinstance(body, RunbooksAsked), body
    return body.runbooks


def faults_of(**changed: Any) -> list[str]:
    """What is wrong with the runbook after a change, each with its place."""
    value = encode_set_runbooks([{**BOOK, **changed}], "ann", "a test")
    body = decode_commands_record(b"", value)
    assert isinstance(body, InboundRejected), body
    return [f"{each.field} {each.text}" for each in body.faults]


def healing_cell(hosts: int = 3, **changed: Any) -> CellInMemory:
    """A cell with one runbook."""
    cell = running_cell(hosts=hosts)
    runbooks = read({**BOOK, **changed})
    cell.copy("commands", RunbooksAsked(runbooks, "ann", "a test"))
    return cell


def sicken(cell: CellInMemory, host: str = "host1") -> None:
    """A detector calls the host sick, and the next tick sees it."""
    cell.copy("verdicts", HostJudged(HostId(host), "lines", "sick", 900))
    cell.tick()


def run_of(cell: CellInMemory, host: str = "host1") -> HealingRun:
    """The newest run on a host."""
    return [each for each in cell.state.healing_runs.values() if each.host_id == host][-1]


def answer(cell: CellInMemory, exit_code: int, output: str = "", host: str = "host1") -> None:
    """The lane runs the script that is ordered, and it answers."""
    order_id = ProposalId(run_of(cell, host).order_id)
    assert order_id, run_of(cell, host)
    cell.write(EffectStarted(order_id))
    assert run_of(cell, host).is_order_started
    cell.write(EffectEnded(order_id, "sent", exit_code=exit_code, output=output))


def order(cell: CellInMemory, verb: str, **values: Any) -> None:
    """An operator's word."""
    cell.copy("commands", HealingOrdered(verb=verb, actor="bob", why="seen", **values))  # type: ignore[arg-type]  # the tests' own words


def probed(cell: CellInMemory, state: str, times: int = 1) -> None:
    """Rounds of checks of host1."""
    for _ in range(times):
        probe = Probe("container", state)  # type: ignore[arg-type]  # the tests' own words
        cell.copy("verdicts", HostProbed(H1, (probe,)))


def outcomes(run: HealingRun) -> list[str]:
    """The steps of a run, each with what came of it."""
    return [f"{each.name} {each.outcome}" for each in run.records]


def test_a_host_is_healed_probed_and_back() -> None:
    cell = healing_cell()
    sicken(cell)
    answer(cell, 2, "runtime: hung")
    assert run_of(cell).runbook.steps[run_of(cell).step].script == "restart-runtime"
    answer(cell, 0, "restarted")
    assert guards.host_refusal(cell.state, H1, 1)
    probed(cell, "good")
    probed(cell, "bad")
    probed(cell, "unknown")
    probed(cell, "good", 2)
    run = run_of(cell)
    assert outcomes(run) == ["diagnose done", "judge done", "heal done", "probe done"]
    assert (run.state, run.records[0].output, run.records[0].exit_code) == (
        "healed",
        "runtime: hung",
        2,
    )
    assert guards.host_refusal(cell.state, H1, 1) == "", "it is back, on trial"
    assert H1 in cell.state.on_trial
    said = cell.said(HealingChanged)
    assert [each.step for each in said] == ["", "diagnose", "judge", "heal", "probe", ""]
    assert said[3].output == "restarted"
    check_digest(cell.machine)
    assert cell.refolded().digest.value() == cell.machine.digest.value(), "runs are replayed"


def test_a_diagnosis_that_finds_nothing_ends_the_run() -> None:
    cell = healing_cell()
    sicken(cell)
    answer(cell, 0, "all is well")
    assert run_of(cell).state == "notNeeded"
    assert guards.host_refusal(cell.state, H1, 1), "the verdict still holds"


def test_what_cannot_be_healed_is_drained_and_without_a_group_paged_for() -> None:
    cell = healing_cell()
    tasks = cell.run(service(desired=1))
    host_id = cell.host_of(tasks[0])
    assert host_id is not None
    sicken(cell, host_id)
    answer(cell, 1, host=host_id)
    answer(cell, 3, "cannot restart", host=host_id)
    assert cell.state.host_orders[host_id].standing == "draining"
    assert run_of(cell, host_id).records[-1].outcome == "failed"
    there = list(cell.state.host_tasks[host_id])
    for _ in range(20):
        cell.tick(30_000)
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
        for task_id in [each for each in there if each in cell.state.killing]:
            cell.status(task_id, "TASK_KILLED")
    run = run_of(cell, host_id)
    assert outcomes(run)[-3:] == ["drain done", "terminate failed", "page done"]
    assert run.state == "paged"
    assert cell.state.host_orders[host_id].standing == "disabled", "until an operator's word"
    assert [each.kind for each in cell.said(CellPaged)] == ["healing"]
    assert all(each.host_id != host_id for each in map(cell.place, _running(cell)))


def test_pages_in_a_row_say_once_that_it_was_paged() -> None:
    cell = healing_cell(steps=[{"page": {}}, {"page": {"name": "again"}}])
    sicken(cell)
    cell.tick()
    first, second = (each.detail for each in run_of(cell).records)
    assert first == second == "paged: it began with this step"


def test_who_lets_a_host_back_is_told_with_his_reason() -> None:
    cell = healing_cell()
    sicken(cell)
    order(cell, "release", host_id=H1)
    away, back = cell.said(HostHealthChanged)
    assert (away.standing, away.actor) == ("away", "")
    assert (back.standing, back.actor, back.why) == ("back", "bob", "seen")
    noted = Noted()
    rows = [row for n, data in enumerate(cell.log) for row in noted.take(n, decode_record(data))]
    (shown,) = (
        note
        for row in rows
        if isinstance(note := decoded_note(row), HostEntered) and note.what == "health: back"
    )
    assert (shown.actor, shown.text) == ("bob", "seen")


def _running(cell: CellInMemory) -> list[Any]:
    return [each.task_id for each in cell.tasks() if isinstance(each.state, Started)]


def test_a_probe_that_stays_bad_and_scripts_that_nobody_runs_are_not_waited_for_for_ever() -> None:
    cell = healing_cell()
    sicken(cell)
    cell.pass_ms(120_000)
    run = run_of(cell)
    assert outcomes(run)[0] == "diagnose timedOut"
    assert outcomes(run)[1:3] == ["drain done", "terminate failed"], "it has no tasks"


def test_a_script_of_which_nobody_knows_how_far_it_came_is_not_run_again() -> None:
    cell = healing_cell()
    sicken(cell)
    answer(cell, 1)
    order_id = run_of(cell).order_id
    cell.write(EffectStarted(ProposalId(order_id)))
    cell.elect("cell-1")
    assert "heal unknown" in outcomes(run_of(cell))
    cell.write(EffectEnded(ProposalId(order_id), "sent", exit_code=0))
    assert run_of(cell).order_id != order_id


def test_an_order_that_was_not_started_outlives_its_leader() -> None:
    cell = healing_cell()
    sicken(cell)
    cell.elect("cell-1")
    cell.subscribe()
    answer(cell, 1)
    assert outcomes(run_of(cell))[0] == "diagnose done"


def test_approval_is_waited_for_and_may_be_refused() -> None:
    cell = healing_cell(approval=True)
    sicken(cell)
    run = run_of(cell)
    assert (run.state, run.order_id) == ("waiting", "")
    order(cell, "approve", run_id="heal-0.0.0")
    assert cell.said(JobRejected)[-1].faults[0].code == "unknown"
    order(cell, "approve", run_id=run.run_id)
    assert (run_of(cell).state, run_of(cell).actor) == ("running", "bob")
    order(cell, "approve", run_id=run.run_id)
    assert cell.said(JobRejected)[-1].faults[0].code == "state"
    order(cell, "stop", run_id=run.run_id)
    assert (run_of(cell).state, run_of(cell).why) == ("stopped", "bob: seen")
    assert not cell.state.healing_live


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    cell = healing_cell(dryRun=True)
    sicken(cell)
    run = run_of(cell)
    assert run.state == "dryRun"
    assert {each.outcome for each in run.records} == {"would"}
    assert run.records[2].detail == "would run restart-runtime docker"
    assert not cell.state.host_orders
    order(cell, "start", runbook="runtime", host_id=HostId("host2"), is_dry_run=True)
    assert run_of(cell, "host2").state == "dryRun"


def test_no_more_of_a_group_is_healed_at_once_than_its_limits_say() -> None:
    cell = running_cell(hosts=30)
    cell.set_policy(health_away_percent=100)
    limits = {"groupPercent": 10, "atOnce": 10, "perHour": 4}
    runbooks = read({**BOOK, "limits": limits})
    cell.copy("commands", RunbooksAsked(runbooks, "ann", "a test"))
    for number in range(1, 9):
        sicken(cell, f"host{number}")
    assert len(cell.state.healing_live) == 3, "a tenth of thirty"
    for run_id in list(cell.state.healing_live):
        answer(cell, 0, host=cell.state.healing_runs[run_id].host_id)
    cell.tick()
    assert len(cell.state.healing_runs) == 4, "four in an hour"
    cell.pass_ms(3_000_000)
    for number in range(5, 9):
        sicken(cell, f"host{number}")
    assert len(cell.state.healing_runs) == 4
    cell.pass_ms(700_000)
    assert len(cell.state.healing_runs) > 4


def test_a_runbook_that_makes_nothing_better_stops_until_an_operators_word() -> None:
    cell = running_cell(hosts=10)
    cell.set_policy(health_away_percent=100)
    steps = [{"heal": {"script": "restart-runtime"}}]
    limits = {"failuresMax": 2, "perHour": 100}
    cell.copy(
        "commands", RunbooksAsked(read({**BOOK, "steps": steps, "limits": limits}), "ann", "x")
    )
    for number in (1, 2):
        sicken(cell, f"host{number}")
        answer(cell, 1, host=f"host{number}")
        assert run_of(cell, f"host{number}").state == "failed"
    sicken(cell, "host3")
    assert len(cell.state.healing_runs) == 2
    assert "made nothing better" in cell.state.runbook_standings["runtime"].stopped_why
    assert "runbook runtime has stopped" in [each.what for each in cell.said(CellPaged)]
    order(cell, "resume", runbook="runtime")
    cell.tick()
    assert run_of(cell, "host3").state == "running"


def test_steps_that_go_round_in_a_circle_end() -> None:
    steps = [
        {"heal": {"script": "restart-runtime", "name": "again"}},
        {"heal": {"script": "restart-runtime", "otherwise": "again"}},
    ]
    cell = healing_cell(steps=steps)
    sicken(cell)
    for _ in range(100):
        if run_of(cell).state != "running":
            break
        answer(cell, len(run_of(cell).records) % 2)
    assert "circle" in run_of(cell).why


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"steps": []}, "runbooks[0].steps has no step"),
        ({"steps": [{"heel": {}}]}, "runbooks[0].steps[0].heel is no kind of step"),
        ({"steps": [{"heal": {}}]}, "runbooks[0].steps[0].heal.script is missing"),
        (
            {"steps": [{"heal": {"script": "x; rm -rf /"}}]},
            "runbooks[0].steps[0].heal.script is 'x; rm -rf /', which is not of the right form",
        ),
        ({"steps": [{"judge": {}}]}, "runbooks[0].steps[0].judge has nothing to judge"),
        (
            {"steps": [{"page": {}}, {"page": {}}]},
            "runbooks[0].steps[1].page has the name page, as an earlier one",
        ),
        (
            {"steps": [{"probe": {"otherwise": "there"}}]},
            "runbooks[0].steps[0].probe.otherwise goes to there, which is no step",
        ),
        ({"when": {}}, "runbooks[0].when names no detector and no probe"),
        ({"limits": {"atOnce": 0}}, "runbooks[0].limits.atOnce is 0; it must be from 1 to 1000"),
        ({"nane": 1}, "runbooks[0].nane is an unknown field"),
    ],
)
def test_what_is_wrong_with_a_runbook_is_said_at_its_place(
    changed: dict[str, Any], wanted: str
) -> None:
    assert wanted in faults_of(**changed)


def test_a_runbook_is_written_as_it_is_read() -> None:
    (runbook,) = read(BOOK)
    document = msgspec.json.decode(msgspec.json.encode(runbook_document(runbook)))
    assert read(document) == (runbook,)


def test_orders_of_healing_are_read_as_they_are_written() -> None:
    value = encode_order_healing(
        "start", "ann", "x", runbook="runtime", host_id="h", is_dry_run=True
    )
    body = decode_commands_record(b"", value)
    assert body == HealingOrdered(
        "start", "ann", "x", runbook="runtime", host_id=HostId("h"), is_dry_run=True
    )
    value = encode_order_healing("stop", "ann", "x", run_id="heal-5.0.0")
    assert decode_commands_record(b"", value) == HealingOrdered(
        "stop", "ann", "x", run_id="heal-5.0.0"
    )
    assert isinstance(
        decode_commands_record(b"", encode_order_healing("go", "ann", "x")), InboundRejected
    )


def test_tasks_of_other_jobs_are_never_touched() -> None:
    cell = healing_cell()
    tasks = cell.run(batch(size=3))
    sicken(cell)
    assert all(isinstance(cell.task_state(each), Started) for each in tasks)
