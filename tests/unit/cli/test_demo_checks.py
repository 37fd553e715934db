"""The demo's judgement: when all went well there is no fault, and whatever is missing is named."""

from collections.abc import Sequence

import pytest

from connectors.client.shapes import (
    Batch,
    Capacity,
    Descriptor,
    History,
    Job,
    Line,
    Link,
    Service,
    Status,
    Task,
    Why,
)
from streams.cli import demo_checks as checks
from streams.cli.log_look import Identity, LogMap

LOG = LogMap(Identity("main", "uuid", "1a2b3c4d"), {0: 3, 1: 1, 42: 2})
ENDS = {"jobs": ("aaaaaaaa", 3), "mesos": ("bbbbbbbb", 9)}


def task(
    name: str, state: str = "Started", reason: str = "", host: str = "one", of: str = ""
) -> Task:
    job, _, numbers = name.partition("-worker-")
    context = {"task.index": numbers.partition("-")[0], "agent.host": host}
    context["agent.instanceId"] = host
    if of:
        context["task.resubmitOf"] = of
    return Task(id=name, job_id=job, task_context=context, status=Status(state, reason))


def ended(name: str, reason: str = "normal", host: str = "one", of: str = "") -> Task:
    return task(name, "Finished", reason, host, of)


def batch(state: str = "Finished", reason: str = "normal") -> Job:
    return Job("b", Descriptor(batch=Batch(2)), Status(state, reason))


def service(state: str = "Accepted") -> Job:
    return Job("s", Descriptor(service=Service(Capacity(1, 2, 3))), Status(state, "normal"))


def test_a_batch_job_that_went_well() -> None:
    tasks = [
        ended("b-worker-0-1", "lost"),
        ended("b-worker-1-2"),
        ended("b-worker-0-3", of="b-worker-0-1"),
    ]
    assert checks.batch_faults(batch(), tasks, 2) == []


@pytest.mark.parametrize(
    ("job", "tasks", "fault"),
    [
        (batch(), [ended("b-worker-0-1"), task("b-worker-1-2")], "index 1 of b is Started"),
        (batch(), [ended("b-worker-0-1"), ended("b-worker-1-2", "failed")], "Finished failed"),
        (batch(), [ended("b-worker-0-1")], "has 1 indexes instead of 2"),
        (batch("Accepted"), [ended("b-worker-0-1"), ended("b-worker-1-2")], "b is Accepted"),
        (batch("Finished", "killed"), [], "b is Finished and not Finished normal"),
    ],
)
def test_what_can_be_missing_of_a_batch_job(job: Job, tasks: Sequence[Task], fault: str) -> None:
    assert fault in "; ".join(checks.batch_faults(job, tasks, 2))


def test_a_service_that_runs() -> None:
    tasks = [task("s-worker-0-1"), ended("s-worker-1-2", "lost"), task("s-worker-1-3")]
    assert checks.service_faults(service(), tasks, 2) == []


@pytest.mark.parametrize(
    ("job", "tasks"),
    [
        (service(), [task("s-worker-0-1")]),
        (service(), [task("s-worker-0-1"), task("s-worker-0-2")]),
        (service(), [task("s-worker-0-1"), task("s-worker-1-2"), task("s-worker-1-3")]),
        (service("KillInitiated"), [task("s-worker-0-1"), task("s-worker-1-2")]),
    ],
    ids=["too few", "two of one index", "too many", "it ends"],
)
def test_what_can_be_missing_of_a_service(job: Job, tasks: Sequence[Task]) -> None:
    assert checks.service_faults(job, tasks, 2)


def test_a_retry_needs_a_failure_and_a_good_end() -> None:
    good = [ended("b-worker-0-1", "failed"), ended("b-worker-0-2")]
    assert checks.retry_faults(batch(), good) == []
    assert "never failed" in "; ".join(checks.retry_faults(batch(), [ended("b-worker-0-1")]))
    assert checks.retry_faults(batch(), good[:1])


DEAD = [task("s-worker-0-1"), task("b-worker-0-2")]
BACK = [
    ended("s-worker-0-1", "lost"),
    ended("b-worker-0-2", "lost"),
    task("s-worker-0-3", host="two", of="s-worker-0-1"),
    ended("b-worker-0-4", host="two", of="b-worker-0-2"),
]


def test_tasks_of_a_dead_host_that_came_back() -> None:
    assert checks.replacement_faults(DEAD, BACK, "one") == []
    # One that had ended just before its host died needs no successor.
    assert checks.replacement_faults(DEAD[1:], [ended("b-worker-0-2")], "one") == []


@pytest.mark.parametrize(
    ("tasks", "fault"),
    [
        ([DEAD[0], *BACK[1:2], BACK[3]], "s-worker-0-1 was on one, and nothing took its place"),
        ([*BACK[:2], BACK[3]], "s-worker-0-1 was on one, and nothing took its place"),
        ([*BACK[:2], task("s-worker-0-3", of="s-worker-0-1"), BACK[3]], "is Started on one"),
        (
            [*BACK[:2], task("s-worker-0-3", "Launched", "", "two", "s-worker-0-1"), BACK[3]],
            "is Launched on two",
        ),
    ],
    ids=["still there", "not replaced", "on the dead host", "not running"],
)
def test_what_can_be_missing_of_replacements(tasks: Sequence[Task], fault: str) -> None:
    faults = checks.replacement_faults(DEAD, tasks, "one")
    assert len(faults) == 1
    assert fault in faults[0]


def test_tasks_that_nothing_touched_go_on() -> None:
    before = [task("s-worker-0-1"), task("b-worker-0-2")]
    assert checks.steady_faults(before, [task("s-worker-0-1"), ended("b-worker-0-2")]) == []


@pytest.mark.parametrize(
    "now",
    [
        ended("s-worker-0-1", "lost"),
        task("s-worker-0-1", host="two"),
        task("s-worker-0-1", "Disconnected"),
    ],
)
def test_a_task_that_did_not_go_on_is_named(now: Task) -> None:
    (fault,) = checks.steady_faults([task("s-worker-0-1")], [now])
    assert fault.startswith("s-worker-0-1 ran on one, and is ")


def test_a_why_has_sentences_and_a_chain() -> None:
    link = Link("main/1a2b3c4d:0[0]")
    good = Why("task", "a", sentences=("It runs.",), chain=(link,))
    assert checks.why_faults([good]) == []
    assert checks.why_faults([Why("task", "a", chain=(link,)), Why("task", "b", sentences=("x",))])


def test_addresses_that_exist() -> None:
    texts = ["at main/1a2b3c4d:42[1], because of main/1a2b3c4d:0[2]", "record jobs/aaaaaaaa:0:2"]
    assert checks.address_faults(texts, LOG, ENDS) == []


@pytest.mark.parametrize(
    "text",
    [
        "main/1a2b3c4d:42[2]",
        "main/1a2b3c4d:43[0]",
        "main/ffffffff:42[0]",
        "east/1a2b3c4d:42[0]",
        "main/1a2b3c4d:0[0] jobs/aaaaaaaa:0:3",
        "main/1a2b3c4d:0[0] jobs/cccccccc:0:0",
        "main/1a2b3c4d:0[0] commands/aaaaaaaa:0:0",
        "no address at all",
    ],
)
def test_addresses_that_do_not_exist(text: str) -> None:
    assert checks.address_faults([text], LOG, ENDS)


def test_every_part_of_an_answer_is_looked_at_for_addresses() -> None:
    why = Why("task", "a", sentences=("s1",), chain=(Link("l1", 0, "l2", "", "l3"),))
    line = Line("e1", cause="e2", source="e3", proposal="e4", last_address="e5", message="e6")
    text = " ".join(checks.texts_of([why], [History("a", (line,))]))
    for word in ("s1", "l1", "l2", "l3", "e1", "e2", "e3", "e4", "e5", "e6"):
        assert word in text
