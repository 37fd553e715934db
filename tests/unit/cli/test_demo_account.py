"""The demo's account: nothing to say when both sides agree, and every disagreement by name."""

import json
from pathlib import Path

import pytest

from connectors.client.shapes import Status, Task
from streams.cli.demo_account import Start, Witness, account_of, witness_of

LOST_AT = {"agent3": 5_000}


def task(name: str, *states: str, reason: str = "") -> Task:
    job, _, numbers = name.partition("-worker-")
    *past, now = [Status(state, reason if state == "Finished" else "") for state in states]
    context = {"task.index": numbers.partition("-")[0]}
    return Task(id=name, job_id=job, task_context=context, status=now, status_history=tuple(past))


ENDED = task("j-worker-0-1", "Launched", "Started", "Finished", reason="normal")
LOST = task("s-worker-0-1", "Launched", "Started", "Disconnected", "Finished", reason="lost")
RUNS = task("s-worker-0-2", "Launched", "Started")
NEVER = task("j-worker-1-2", "Launched", "Finished", reason="lost")
TASKS = [ENDED, LOST, RUNS, NEVER]
STARTS = (
    Start("j-worker-0-1", "agent1", 1_000, 2_000, 0),
    Start("s-worker-0-1", "agent3", 1_000),
    Start("s-worker-0-2", "agent2", 9_000),
)
GOOD = Witness(("j-worker-0-1", "s-worker-0-1", "s-worker-0-2"), STARTS)


def test_when_both_sides_agree() -> None:
    account = account_of(TASKS, GOOD, LOST_AT)
    assert account.faults == ()
    assert account.by_task == {
        "j-worker-0-1": "exit 0 on agent1",
        "s-worker-0-1": "ended with its host agent3",
        "s-worker-0-2": "runs on agent2",
        "j-worker-1-2": "never started",
    }
    assert "4 tasks in the cell log; 3 launches and 3 started processes" in account.summary
    assert "0 unaccounted for, 0 twice, 0 lost; 1 ended with their host" in account.summary


@pytest.mark.parametrize(
    ("witness", "fault"),
    [
        (Witness((*GOOD.launches, "x"), STARTS), "x was launched, and the cell log does not"),
        (Witness((*GOOD.launches, "j-worker-0-1"), STARTS), "j-worker-0-1 was launched 2 times"),
        (Witness(GOOD.launches, (*STARTS, STARTS[0])), "j-worker-0-1 was started 2 times"),
        (Witness(GOOD.launches, STARTS[1:]), "j-worker-0-1 has run by the cell log, and no agent"),
        (
            Witness(GOOD.launches, (*STARTS[:2], Start("s-worker-0-2", "agent2", 9_000, 9_500, 0))),
            "s-worker-0-2 runs by the cell log, and its process has ended",
        ),
        (
            Witness(GOOD.launches, (Start("j-worker-0-1", "agent1", 1_000), *STARTS[1:])),
            "j-worker-0-1 has ended by the cell log, and its process runs",
        ),
        (
            Witness(GOOD.launches, (*STARTS[:2], Start("s-worker-0-2", "agent2", 4_000))),
            "s-worker-0-1 and s-worker-0-2 lived at once at 0 of s",
        ),
    ],
)
def test_what_does_not_agree_is_named(witness: Witness, fault: str) -> None:
    (found,) = account_of(TASKS, witness, LOST_AT).faults
    assert found.startswith(fault)


def test_a_host_that_was_not_lost_excuses_nothing() -> None:
    faults = account_of(TASKS, GOOD, {}).faults
    assert "s-worker-0-1 has ended by the cell log, and its process runs" in faults


def test_the_witness_reads_the_journals(tmp_path: Path) -> None:
    def write(path: Path, *lines: dict[str, object]) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    write(
        tmp_path / "journal.jsonl",
        {"what": "MASTER_STARTED", "at_ms": 1},
        {"what": "LAUNCH", "task_id": "t", "at_ms": 2},
    )
    write(
        tmp_path / "agent1" / "journal.jsonl",
        {"what": "AGENT_STARTED", "at_ms": 1},
        {"what": "STARTED", "task_id": "t", "container_id": "c", "at_ms": 3},
        {"what": "ENDED", "task_id": "t", "container_id": "c", "at_ms": 4, "exit": 7},
        {"what": "STARTED", "task_id": "u", "container_id": "d", "at_ms": 5},
    )
    witness = witness_of(tmp_path)
    assert witness.launches == ("t",)
    assert witness.starts == (Start("t", "agent1", 3, 4, 7), Start("u", "agent1", 5))
