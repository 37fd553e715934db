"""The account at a demo's end: every task of the cell log against what the dev cluster really did.

The one thing to know: the two sides know nothing of each other. The cell log says what was decided
and what was heard; the journals of master and agents, which survive kill -9 of their writers, say
what was launched, which process was started, and how it ended.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from connectors.client.shapes import Task
from connectors.devcluster.journal import read_journal

Line = dict[str, Any]


class Start(msgspec.Struct, frozen=True):
    """A process that an agent really started for a task."""

    task_id: str
    agent: str
    at_ms: int
    ended_at_ms: int | None = None
    exit: int | None = None


class Witness(msgspec.Struct, frozen=True):
    """What the journals say."""

    launches: tuple[str, ...]
    """Task ids, one for each launch that a master sent to an agent."""
    starts: tuple[Start, ...]


class Account(msgspec.Struct, frozen=True):
    """How each task ended by the journals, and what does not agree."""

    by_task: dict[str, str]
    summary: str
    faults: tuple[str, ...]


def witness_of(directory: Path) -> Witness:
    """What the journals of the dev cluster in this directory say."""
    launches = [
        str(line["task_id"])
        for line in read_journal(directory / "journal.jsonl")
        if line["what"] == "LAUNCH"
    ]
    starts: list[Start] = []
    for path in sorted(directory.glob("agent*/journal.jsonl")):
        starts += _starts_in(path.parent.name, read_journal(path))
    return Witness(tuple(launches), tuple(starts))


def _starts_in(agent: str, lines: Sequence[Line]) -> list[Start]:
    ends = {line["container_id"]: line for line in lines if line["what"] == "ENDED"}
    starts = []
    for line in lines:
        if line["what"] == "STARTED":
            end = ends.get(line["container_id"], {})
            starts.append(
                Start(line["task_id"], agent, line["at_ms"], end.get("at_ms"), end.get("exit"))
            )
    return starts


def account_of(tasks: Sequence[Task], witness: Witness, lost_at_ms: Mapping[str, int]) -> Account:
    """Hold the tasks of the cell log against the journals; agents that were lost end their tasks.

    ``lost_at_ms`` says when each lost agent ended, by name: what ran there wrote no end.
    """
    of_task: dict[str, list[Start]] = defaultdict(list)
    for start in witness.starts:
        ended = start.ended_at_ms or lost_at_ms.get(start.agent)
        of_task[start.task_id].append(msgspec.structs.replace(start, ended_at_ms=ended))
    launches = Counter(witness.launches)
    known = {task.id for task in tasks}
    unaccounted = [
        f"{task_id} was launched, and the cell log does not know it"
        for task_id in sorted((launches.keys() | of_task.keys()) - known)
    ]
    twice = _twice(tasks, launches, of_task)
    lost = [fault for task in tasks for fault in _lost(task, of_task.get(task.id, []))]
    by_task = {task.id: _told(task, of_task.get(task.id, []), lost_at_ms) for task in tasks}
    ended_with_host = sum(text.startswith("ended with its host") for text in by_task.values())
    summary = (
        f"{len(tasks)} tasks in the cell log; {len(witness.launches)} launches and "
        f"{len(witness.starts)} started processes in the dev cluster's journals: "
        f"{len(unaccounted)} unaccounted for, {len(twice)} twice, {len(lost)} lost; "
        f"{ended_with_host} ended with their host"
    )
    return Account(by_task, summary, (*unaccounted, *twice, *lost))


def _twice(
    tasks: Sequence[Task], launches: Mapping[str, int], of_task: Mapping[str, Sequence[Start]]
) -> list[str]:
    """Tasks that were launched or started twice, and places at which two lived at once."""
    faults = [f"{task_id} was launched {n} times" for task_id, n in launches.items() if n > 1]
    faults += [
        f"{task_id} was started {len(starts)} times"
        for task_id, starts in of_task.items()
        if len(starts) > 1
    ]
    places: dict[tuple[str, int], list[Start]] = defaultdict(list)
    for task in tasks:
        places[task.job_id, task.index] += of_task.get(task.id, [])
    for (job, index), starts in places.items():
        starts.sort(key=lambda each: each.at_ms)
        for first, second in pairwise(starts):
            if first.task_id != second.task_id and (
                first.ended_at_ms is None or first.ended_at_ms > second.at_ms
            ):
                faults.append(
                    f"{first.task_id} and {second.task_id} lived at once at {index} of {job}"
                )
    return faults


def _lost(task: Task, starts: Sequence[Start]) -> Iterable[str]:
    """What the cell log says of a task and the journals do not, or the other way round."""
    has_run = any(each.state == "Started" for each in (*task.status_history, task.status))
    runs = any(each.ended_at_ms is None for each in starts)
    if has_run and not starts:
        yield f"{task.id} has run by the cell log, and no agent has started it"
    elif task.status.state == "Started" and not runs:
        yield f"{task.id} runs by the cell log, and its process has ended"
    elif task.is_finished and runs:
        yield f"{task.id} has ended by the cell log, and its process runs"


def _told(task: Task, starts: Sequence[Start], lost_at_ms: Mapping[str, int]) -> str:
    """A task's life by the journals, in a few words."""
    if not starts:
        return "never started"
    last = starts[-1]
    if last.exit is not None:
        return f"exit {last.exit} on {last.agent}"
    if last.agent in lost_at_ms and last.ended_at_ms is not None:
        return f"ended with its host {last.agent}"
    return f"runs on {last.agent}" if not task.is_finished else f"still runs on {last.agent}"
