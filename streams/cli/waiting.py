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


def wait_for_job(there: Api, job_id: str, console: Console) -> None:
    """Return once the job is as it should be; raises `OperatorError` when it ended otherwise."""
    told = ""
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
