"""Looks that several drills share: who leads, what runs, what stands still.

The one thing to know: each is asked of the API as an operator would ask; what the tasks themselves
do is asked of the journals.
"""

from collections.abc import Collection
from typing import Final

from connectors.client.shapes import Finding, State, Task
from streams.cli.calls import ANY
from streams.cli.client import decoded
from streams.drills.installation import Installation
from streams.drills.journals import few
from streams.drills.promises import Promise, Seen

UNTOUCHED: Final = Promise("untouched", "every other task runs on in the process that it had")
NO_KILL: Final = Promise("no-kill", "Mesos is never told to end a task")
ONCE: Final = Promise("once", "no task is launched or started twice")


def led(here: Installation) -> Seen:
    """Whether the cell has a leader and the API is as far as it."""
    standing = here.there.standing()
    is_led = bool(standing.leader) and not standing.stale and not standing.halt
    place = f"{standing.cell}/{standing.generation}:{standing.epoch}[0]"
    text = f"{standing.leader} leads, elected at {place}" if standing.leader else "nobody leads"
    return Seen(is_led, f"{text}; {standing.stale}" if standing.stale else text)


def offered(here: Installation, hosts: int) -> Seen:
    """Whether so many hosts offer something."""
    offering = [each.hostname for each in state_of(here).hosts if each.offered_cpu_milli]
    return Seen(len(offering) >= hosts, f"{len(offering)} of {hosts} hosts offer something")


def state_of(here: Installation) -> State:
    """The cell in numbers."""
    return decoded(here.there.state(), State)


def running(here: Installation, job: str, count: int) -> Seen:
    """Whether so many tasks of the job run."""
    started = [each for each in here.tasks(job) if each.status.state == "Started"]
    return Seen(len(started) == count, f"{len(started)} of {count} tasks of {job} run")


def all_running(here: Installation, count: int) -> Seen:
    """Whether the cell has so many tasks that run, and none in any other state but ended."""
    tasks = state_of(here).tasks
    alive = {state: each for state, each in tasks.items() if state != "Finished"}
    shown = ", ".join(f"{each} {state}" for state, each in sorted(tasks.items()))
    return Seen(alive == {"Started": count}, f"{shown or 'no tasks'} of {count}")


def finding_of(here: Installation) -> Finding:
    """What a safe cell has found."""
    return decoded(here.there.connection.get("/api/flumina/safe"), Finding)


def all_tasks(here: Installation, job: str) -> list[Task]:
    """The job's tasks, with those that have ended."""
    return here.there.tasks({"jobIds": job, "taskStates": ANY})


def names_of(tasks: Collection[Task]) -> frozenset[str]:
    """The tasks' ids."""
    return frozenset(each.id for each in tasks)


def same_tasks(here: Installation, job: str, before: Collection[str]) -> Seen:
    """Whether the job has the same tasks as before, and all of them run."""
    now = {each.id for each in here.tasks(job) if each.status.state == "Started"}
    missing = sorted(set(before) - now)
    new = sorted(now - set(before))
    text = f"{len(before) - len(missing)} of {len(before)} tasks of {job} are the same and run"
    return Seen(not missing and not new, text + few(missing or new))
