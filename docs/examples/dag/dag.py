"""Runs a file of steps on flumina: each step is a job, begun when those before it have succeeded.

    python docs/examples/dag/dag.py docs/examples/dag/pipeline.yaml --run 2026-11-22

The one thing to know: this program keeps nothing. What has been done stands in the cell: a step's
job has a name made of the file's name, the run and the step, and attributes that say the same.
Killed and started again, it reads the jobs of its run from the event stream and goes on; and
because a job's name is its idempotency key, asking for a step twice, by two runners even, is asking
for it once.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from connectors.client.errors import ClientError
from connectors.client.shapes import Job
from connectors.client.sync import Client

RUN, STEP = "dag.run", "dag.step"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,39}")


class Step(NamedTuple):
    """One job, and the steps that must have succeeded before it."""

    after: tuple[str, ...]
    descriptor: Mapping[str, Any]


class Dag(NamedTuple):
    """A file, for one run."""

    name: str
    run: str
    steps: Mapping[str, Step]

    def job_id(self, step: str) -> str:
        """The same for the same step of the same run, whoever asks for it."""
        return f"{self.name}-{self.run}-{step}"

    @property
    def mark(self) -> str:
        """By which the jobs of this run are found again."""
        return f"{self.name}-{self.run}"


def dag_of(document: Any, run: str) -> Dag:
    """The steps of a file; raises `ValueError` with what is wrong."""
    steps = {}
    for name, step in document["steps"].items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"step {name!r}: write letters, digits, '_' and '.', 40 at most")
        after = tuple(step.get("after", ()))
        if unknown := [each for each in after if each not in document["steps"]]:
            raise ValueError(f"step {name} is after {unknown[0]}, and there is no such step")
        steps[name] = Step(after, _merged(document.get("defaults", {}), step["job"]))
    try:
        TopologicalSorter({name: step.after for name, step in steps.items()}).prepare()
    except CycleError as error:
        raise ValueError(f"steps wait for each other: {' after '.join(error.args[1])}") from error
    return Dag(document["name"], run, steps)


def _merged(below: Any, above: Any) -> Any:
    """Objects joined, field by field; anything else of ``above`` takes the place of ``below``."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {name: _merged(below.get(name), value) for name, value in above.items()}


def standing(job: Job | None) -> str:
    """How a step stands: waiting, running, succeeded, failed."""
    if job is None:
        return "waiting"
    if job.status.state != "Finished":
        return "running"
    return "succeeded" if job.status.reason_code == "normal" else "failed"


def ready(dag: Dag, jobs: Mapping[str, Job]) -> list[str]:
    """The steps that may begin: not asked for yet, and all before them have succeeded."""
    return [
        name
        for name, step in dag.steps.items()
        if name not in jobs and all(standing(jobs.get(each)) == "succeeded" for each in step.after)
    ]


def run(client: Client, dag: Dag) -> bool:
    """Whether every step has succeeded, once nothing is running and nothing more may begin."""
    jobs: dict[str, Job] = {}
    asked: set[str] = set()
    is_whole = False
    criteria = {"attributes": f"{RUN}:{dag.mark}", "jobState": "Any"}
    for event in client.observe_jobs(criteria):
        if event.kind == "restart":
            jobs, is_whole = {}, False  # A snapshot follows, and tells all of it again.
        is_whole = is_whole or event.kind == "SnapshotEnd"
        if (job := event.job) is not None and job.id.startswith(f"{dag.mark}-"):
            step = job.id.removeprefix(f"{dag.mark}-")
            if standing(job) != standing(jobs.get(step)):
                print(f"{step} {standing(job)}", flush=True)
            jobs[step] = job
        if not is_whole:
            continue  # Who acts on half of what is there does things twice.
        for step in ready(dag, jobs):
            if step not in asked:
                submit(client, dag, step)
                asked.add(step)
        under_way = asked - jobs.keys()
        if not under_way and all(standing(each) != "running" for each in jobs.values()):
            return told_end(dag, jobs)
    raise AssertionError("the stream of all jobs has no end")


def submit(client: Client, dag: Dag, step: str) -> None:
    """Ask for the step's job; it is there once, however often this is done."""
    descriptor = dag.steps[step].descriptor
    attributes = descriptor.get("attributes", {}) | {RUN: dag.mark, STEP: step}
    client.submit(
        {**descriptor, "attributes": attributes}, dag.job_id(step), why=f"step of {dag.mark}"
    )


def told_end(dag: Dag, jobs: Mapping[str, Job]) -> bool:
    """Say what was never begun, and whether all is well."""
    for step in dag.steps.keys() - jobs.keys():
        print(f"{step} not begun: a step before it failed", flush=True)
    return all(standing(jobs.get(each)) == "succeeded" for each in dag.steps)


def main() -> None:
    """0 where every step succeeded, 1 where one failed, 2 where the file has a mistake."""
    parser = argparse.ArgumentParser(description="Run a file of steps as jobs of flumina.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--run", required=True, help="its name; the same name goes on with it")
    parser.add_argument("--api", default=os.environ.get("FLUMINA_API", "http://127.0.0.1:7100"))
    given = parser.parse_args()
    try:
        dag = dag_of(YAML(typ="safe").load(given.file), given.run)
    except (OSError, YAMLError, KeyError, ValueError) as error:
        sys.exit(f"{given.file} cannot be run: {error}")
    try:
        with Client(given.api, "dag") as client:
            sys.exit(0 if run(client, dag) else 1)
    except ClientError as error:
        sys.exit(f"{dag.mark} stops here; start it again to go on: {error}")


if __name__ == "__main__":
    main()
