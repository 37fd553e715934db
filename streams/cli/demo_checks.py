"""What must have happened in a demo, as statements about what the API and the log say.

The one thing to know: every function answers with sentences about what did *not* happen; an empty
list is a success. They look at the end only, so they do not depend on how fast anything was.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from connectors.client.shapes import History, Job, Task, Why
from scheduler.model.address import Address, parse_address
from streams.cli.log_look import LogMap

ADDRESS: Final = re.compile(r"[a-z0-9][a-z0-9-]*/[0-9a-f]{8}:\d{1,19}\[\d{1,4}\]")
"""An address anywhere in a text; what names a whole record is no event's address."""
SOURCE: Final = re.compile(r"(jobs|commands|mesos)/([0-9a-f]{8}):(\d+):(\d+)")
"""The place of an inbound record: topic, generation, partition, offset."""

Ends = Mapping[str, tuple[str, int]]
"""Generation and end offset of each inbound topic's partition 0."""


def current_tasks(tasks: Iterable[Task]) -> list[Task]:
    """The newest task of each index, which is the one that counts."""
    newest: dict[tuple[str, int], Task] = {}
    for task in tasks:
        newest[task.job_id, task.index] = task  # The API lists them in the order of creation.
    return list(newest.values())


def batch_faults(job: Job, tasks: Sequence[Task], size: int) -> list[str]:
    """What is missing for a batch job of so many tasks to have gone well."""
    current = current_tasks(tasks)
    faults = [
        f"index {task.index} of {job.id} is {_standing(task)} and not Finished normal"
        for task in current
        if not (task.is_finished and task.status.reason_code == "normal")
    ]
    if len(current) != size:
        faults.append(f"{job.id} has {len(current)} indexes instead of {size}")
    if (job.status.state, job.status.reason_code) != ("Finished", "normal"):
        faults.append(f"{job.id} is {job.status.state} and not Finished normal")
    return faults


def _standing(task: Task) -> str:
    return f"Finished {task.status.reason_code}" if task.is_finished else task.status.state


def service_faults(job: Job, tasks: Sequence[Task], size: int) -> list[str]:
    """What is missing for a service to run with so many tasks."""
    running = [task for task in tasks if task.status.state == "Started"]
    indexes = {task.index for task in running}
    faults = []
    if len(running) != size or len(indexes) != size:
        faults.append(
            f"{job.id} has {len(running)} tasks Started, on {len(indexes)} of {size} indexes"
        )
    if job.status.state != "Accepted":
        faults.append(f"{job.id} is {job.status.state} and not Accepted")
    return faults


def retry_faults(job: Job, tasks: Sequence[Task]) -> list[str]:
    """What is missing for a job to have failed, been tried again, and ended well."""
    faults = batch_faults(job, tasks, size=1)
    if not any(task.is_finished and task.status.reason_code == "failed" for task in tasks):
        faults.append(f"{job.id} never failed, so nothing was tried again")
    return faults


def replacement_faults(dead: Sequence[Task], tasks: Sequence[Task], host_id: str) -> list[str]:
    """What is missing for these tasks of a dead host to have come back on others."""
    by_id = {task.id: task for task in tasks}
    successors = {task.resubmit_of: task for task in tasks if task.resubmit_of}
    faults = []
    for task in dead:
        first = last = by_id[task.id]
        while last.id in successors:
            last = successors[last.id]
        if last is first and last.is_finished and last.status.reason_code == "normal":
            continue  # It had ended well just before its host died.
        if last is not first and last.host_id != host_id and _has_run(last):
            continue
        if last is first:
            faults.append(f"{first.id} was on {first.host}, and nothing took its place")
        else:
            faults.append(
                f"{last.id}, in place of {first.id}, is {last.status.state} on {last.host}"
            )
    return faults


def steady_faults(before: Sequence[Task], tasks: Sequence[Task]) -> list[str]:
    """Which of these tasks, that nothing should have touched, did not simply go on."""
    by_id = {task.id: task for task in tasks}
    faults = []
    for task in before:
        now = by_id[task.id]
        is_well = now.is_finished and now.status.reason_code == "normal"
        if now.host_id != task.host_id or not (is_well or now.status.state == "Started"):
            faults.append(f"{now.id} ran on {task.host}, and is {_standing(now)} on {now.host}")
    return faults


def _has_run(task: Task) -> bool:
    return task.status.state == "Started" or (
        task.is_finished and task.status.reason_code == "normal"
    )


def why_faults(found: Sequence[Why]) -> list[str]:
    """Which answers to "why" say nothing."""
    return [
        f"why {each.id}: no sentence, or no chain"
        for each in found
        if not each.sentences or not each.chain
    ]


def address_faults(texts: Iterable[str], log: LogMap, ends: Ends) -> list[str]:
    """Which of the addresses in these texts name nothing that exists."""
    addresses, sources = addresses_in(texts)
    faults = [f"{address} names no event" for address in sorted(addresses) if not log.has(address)]
    for topic, generation, offset in sorted(sources):
        known, end = ends.get(topic, ("", 0))
        if generation != known or offset >= end:
            faults.append(f"{topic}/{generation}:0:{offset} names no record")
    if not addresses:
        faults.append("no answer names any address")
    return faults


def addresses_in(texts: Iterable[str]) -> tuple[set[Address], set[tuple[str, str, int]]]:
    """Every event's address and every inbound record's place that the texts name."""
    addresses: set[Address] = set()
    sources: set[tuple[str, str, int]] = set()
    for text in texts:
        addresses.update(parse_address(each) for each in ADDRESS.findall(text))
        for topic, generation, _, offset in SOURCE.findall(text):
            sources.add((topic, generation, int(offset)))
    return addresses, sources


def texts_of(whys: Iterable[Why], histories: Iterable[History]) -> list[str]:
    """Everything that answers say, as texts to look for addresses in."""
    texts: list[str] = []
    for why in whys:
        texts += why.sentences
        texts += [f"{link.address} {link.text} {link.cause}" for link in why.chain]
    for history in histories:
        texts += [
            f"{line.address} {line.cause} {line.source} {line.proposal} {line.last_address} "
            f"{line.message}"
            for line in history.lines
        ]
    return texts
