"""`master-lost-tasks`: a new Mesos master knows nothing of the tasks that run.

The one thing to know: silence and "unknown" are no ends. A master that has just begun knows a task
only when its agent has come back, so first the master is replaced while every agent is stopped (it
answers nothing), then it also loses its registry (it answers that each task is unknown to it).
"""

from itertools import pairwise
from typing import Final

from connectors.client.shapes import Task
from connectors.devcluster.supervise.control import ask
from streams.clock import elapsed_s
from streams.drills import looks
from streams.drills.drill import Drill, Options
from streams.drills.installation import Installation, Wanted
from streams.drills.jobs import service_of
from streams.drills.journals import few
from streams.drills.promises import Promise, Seen
from streams.drills.stage import Stage
from streams.errors import OperatorError

SERVICE: Final = "steady"
SIZE: Final = 6
AGENTS: Final = ("agent1", "agent2")
MASTER: Final = "master"
LONG_S: Final = 6.0
"""How long each kind of forgetting lasts: several rounds of questions."""
RECONCILE_RETRY_MS: Final = 1_000

SILENT = Promise("silent", "while the master answers nothing, no task is taken for ended")
FORGOTTEN = Promise("forgotten", "while it says that all are unknown, no task is replaced")
ASKED = Promise("asked", "the master is asked again, with growing pauses and not in a storm")
SAFE = Promise("safe", "that a whole job is missing makes the cell safe, with all of it listed")
CLEARED = Promise("cleared", "the finding ends by itself when nothing of it is left")
SAME = Promise("same", "when the agents are back, the same tasks run as before")


def go(stage: Stage, here: Installation, _: Options) -> None:
    """All of it."""
    here.there.submit(service_of(SIZE, "exec sleep 10000"), SERVICE, key="")
    stage.ready("the service", lambda: looks.running(here, SERVICE, SIZE))
    before = here.tasks(SERVICE)
    _replace_master(stage, here, is_registry_lost=False)
    stage.saw(SILENT.key, _held(stage, here, before))
    stage.until(ASKED.key, lambda: _asked(here))
    _agents(here, "resume")
    stage.step("The agents go on, and register with the new master")
    names = looks.names_of(before)
    stage.ready("the tasks", lambda: looks.same_tasks(here, SERVICE, names))
    _replace_master(stage, here, is_registry_lost=True)
    stage.saw(FORGOTTEN.key, _held(stage, here, before))
    stage.saw(SAFE.key, _is_safe(here))
    _agents(here, "resume")
    stage.step("The agents go on, and register with a master that has never heard of them")
    stage.until(SAME.key, lambda: looks.same_tasks(here, SERVICE, names))
    stage.until(CLEARED.key, lambda: _is_cleared(here))
    stage.restored()
    journals = here.journals
    stage.saw(looks.UNTOUCHED.key, journals.still_alive(names))
    stage.saw(looks.NO_KILL.key, journals.none_killed())
    stage.saw(looks.ONCE.key, journals.launched_once())


def _replace_master(stage: Stage, here: Installation, *, is_registry_lost: bool) -> None:
    """Stop every agent, end the master, and start one that knows less."""
    before = looks.state_of(here).stream_id
    _agents(here, "pause")
    _order(here, "kill", MASTER)
    what = "the agents stand still"
    if is_registry_lost:
        (here.cluster_dir / MASTER / "registry.json").unlink()
        what += ", and its registry is lost"
    _order(here, "start", MASTER)
    stage.hurt(f"The master was ended with kill -9 and started again; {what}")
    stage.ready(
        "the cell to subscribe with it",
        lambda: Seen(
            (now := looks.state_of(here).stream_id) not in {None, before}, f"stream {now}"
        ),
    )


def _agents(here: Installation, verb: str) -> None:
    for agent in AGENTS:
        _order(here, verb, agent)


def _order(here: Installation, verb: str, node: str) -> None:
    answer = ask(here.cluster_dir, verb, node)
    if not answer["ok"]:
        raise OperatorError(
            f"'{verb} {node}' of the dev cluster failed: {answer['error']}.",
            "It has ended by itself, or its supervisor has.",
            f"Read the logs under {here.cluster_dir}.",
        )


def _held(stage: Stage, here: Installation, before: list[Task]) -> Seen:
    """Look for a while whether any task is taken for ended, replaced or told to end."""
    names = looks.names_of(before)
    began_s = elapsed_s()
    states: set[str] = set()
    fault = ""

    def look() -> Seen:
        nonlocal fault
        now = looks.all_tasks(here, SERVICE)
        states.update(each.status.state for each in now)
        wrong = [each for each in now if each.is_finished or each.id not in names]
        if wrong or len(now) != len(before):
            fault = f"{len(wrong)} of {len(now)} are ended or new, at first {wrong[:1]}"
        spent_s = elapsed_s() - began_s
        return Seen(bool(fault) or spent_s > LONG_S, f"{spent_s:.0f} s")

    stage.ready(f"{LONG_S:.0f} s of this", look)
    seen = ", ".join(sorted(states))
    text = f"{len(before)} tasks for {elapsed_s() - began_s:.0f} s, shown as {seen}"
    return Seen(not fault, fault or text)


def _is_safe(here: Installation) -> Seen:
    found = looks.finding_of(here)
    listed = [each.task_id for each in found.missing]
    return Seen(found.is_safe and len(listed) == SIZE, f"{found.why}{few(listed)}")


def _is_cleared(here: Installation) -> Seen:
    found = looks.finding_of(here)
    left = found.missing_total + found.orphans_total
    text = f"{left} left on the list, {'still safe' if found.is_safe else 'not safe'}"
    return Seen(not found.is_safe and not left, text)


def _asked(here: Installation) -> Seen:
    """Whether questions for tasks by name were repeated, later and later."""
    lines = [
        line for line in here.journals.master if line["what"] == "RECONCILE" and line["task_ids"]
    ]
    newest = [line for line in lines if line["stream_id"] == lines[-1]["stream_id"]]
    times = [int(line["at_ms"]) for line in newest]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    is_so = len(pauses) > 1 and sorted(pauses) == pauses and pauses[0] >= RECONCILE_RETRY_MS
    shown = ", ".join(f"{each / 1_000:.1f}" for each in pauses)
    return Seen(is_so, f"{len(newest)} questions on this stream, seconds between them: {shown}")


MASTER_LOST_TASKS: Final = Drill(
    "master-lost-tasks",
    "A new master answers nothing, then forgets everything: no task is taken for dead.",
    (SILENT, FORGOTTEN, SAFE, ASKED, SAME, CLEARED, looks.UNTOUCHED, looks.NO_KILL, looks.ONCE),
    lambda _: Wanted(
        agents=len(AGENTS),
        policy={
            "reconcile_retry_ms": RECONCILE_RETRY_MS,
            "reconcile_retry_ms_max": 8 * RECONCILE_RETRY_MS,
        },
    ),
    go,
)
