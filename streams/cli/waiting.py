"""Waiting for a job: until a service runs, or until a batch job has ended.

The one thing to know: what counts is the job's state as the cell tells it, asked again and again;
nothing is concluded from silence.
"""

import time
from collections import Counter
from typing import Final

from rich.console import Console

from connectors.client.shapes import Job, Task
from streams.cli.calls import ANY, Api
from streams.cli.render import plain
from streams.errors import OperatorError

POLL_S: Final = 0.3


def wait_for_job(there: Api, job_id: str, console: Console, timeout_s: float | None = None) -> None:
    """Return once the job is as it should be; with no limit of time unless one is given.

    Raises `OperatorError` when it ended otherwise, or is still under way after that time.
    """
    told = ""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        job = there.job(job_id)
        tasks = there.tasks({"jobIds": job_id, "taskStates": ANY})
        text = counts_text(tasks)
        if text != told:
            console.print(f"{plain(job_id)}: {text}", markup=False)
            told = text
        if is_reached(job, tasks):
            return
        if job.status.state == "Finished":
            raise OperatorError(
                f"{job_id} has ended: {job.status.reason_code}.",
                "Tasks of it failed more often than it allows, or somebody ended it.",
                f"`flumina why {job_id}` tells more.",
            )
        if deadline is not None and time.monotonic() >= deadline:
            raise OperatorError(
                f"{job_id} is not as it should be after {timeout_s:g} s: {text}.",
                "Its tasks wait for room or take longer to start or to end; the job goes on.",
                f"`flumina why {job_id}` tells what it waits for; --timeout S waits longer.",
            )
        time.sleep(POLL_S)


def is_reached(job: Job, tasks: list[Task]) -> bool:
    """Whether the service runs as it wants to, or the batch job has ended well."""
    if job.job_descriptor.kind == "batch":
        return job.status.state == "Finished" and job.status.reason_code == "normal"
    started = sum(task.status.state == "Started" for task in tasks)
    return job.status.state == "Accepted" and started >= job.job_descriptor.desired


def counts_text(tasks: list[Task]) -> str:
    """How many tasks are in which state."""
    counted = Counter(
        f"Finished {task.status.reason_code}" if task.is_finished else task.status.state
        for task in tasks
    )
    return ", ".join(f"{number} {state}" for state, number in sorted(counted.items())) or "no tasks"
