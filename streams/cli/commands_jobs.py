"""`submit`, `jobs`, `tasks`, `scale`, `kill`: asking the cell for things, and what there is.

The one thing to know: every command is one or two requests to the REST API, which anybody may make
without us; `docs/rest.md` has them.
"""

import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connectors.client.shapes import Job, Task
from streams.cli import completing
from streams.cli.calls import ANY, JOBS, TASKS, Api, Query, path_of
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import clock, errors, out, print_json, show, state_text, table
from streams.cli.waiting import wait_for_job
from streams.errors import OperatorError

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's id.", autocompletion=completing.job_ids)
]
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOB|TASK", help="The id of a job or task.", autocompletion=completing.names
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Also those that have ended.")]


def submit(  # noqa: PLR0917 - typer gives every option by its name
    file: Annotated[str, typer.Argument(metavar="FILE", help="A job in JSON; - reads stdin.")],
    job_id: Annotated[
        str | None, typer.Option("--id", metavar="NAME", help="The job's id; default a new one.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether the cell would take it.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until a service runs, or a batch job has ended.")
    ] = False,
    timeout_s: Annotated[
        float | None,
        typer.Option("--timeout", min=0, help="Seconds that --wait takes at most; default any."),
    ] = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Submit a job from a file.

    The same file under the same --id is the same submission, however often it is sent.

    Example: flumina submit docs/examples/batch-20.json --id hello --wait
    """
    descriptor = read_job_file(file)
    with api_here(api, data_dir) as there:
        if dry_run:
            answer = orjson.loads(there.dry_run(descriptor, job_id))
            if as_json:
                print_json(answer)
            else:
                out().print("The cell would take this job; nothing was submitted.", markup=False)
            return
        taken = there.submit(descriptor, job_id, uuid.uuid4().hex)
        if not as_json:
            out().print(taken.id, markup=False)
        if wait:
            wait_for_job(there, taken.id, errors(), timeout_s)
        if as_json:
            print_json({"id": taken.id})


def read_job_file(file: str) -> bytes:
    """The file's bytes, or what stands on standard input; raises `OperatorError`."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise OperatorError(
            f"{file} cannot be read: {error.strerror}.",
            "The name is misspelt, or the file is not yours.",
            "Name a file that holds a job in JSON; docs/examples has some.",
        ) from error


def jobs(
    with_ended: AllOption = False,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the jobs, oldest first.

    Example: flumina jobs --all
    """
    with api_here(api, data_dir) as there:
        query = {"jobState": ANY} if with_ended else {}
        if as_json:
            print_json(_merged(there, JOBS, query))
            return
        found = there.jobs(query)
        counted = _counts(there, with_ended)
        columns = ("job", "kind", "state", "wanted #", "running #", "waiting #", "owner", "since")
        rows = [_job_row(each, counted[each.id]) for each in found]
        _show_list("jobs", columns, rows, with_ended=with_ended)


def _counts(there: Api, with_ended: bool) -> dict[str, Counter[str]]:
    query = {"fields": "jobId,status.state", **({"taskStates": ANY} if with_ended else {})}
    counted: dict[str, Counter[str]] = {}
    for task in there.tasks(query):
        counted.setdefault(task.job_id, Counter())[task.status.state] += 1
    return _Counts(counted)


class _Counts(dict[str, Counter[str]]):
    def __missing__(self, key: str) -> Counter[str]:
        return Counter()


def _job_row(job: Job, counted: Counter[str]) -> tuple[object, ...]:
    descriptor = job.job_descriptor
    return (
        job.id,
        descriptor.kind,
        state_text(job.status.state, job.status.reason_code),
        descriptor.desired,
        counted["Started"],
        counted["Accepted"],
        descriptor.owner.team_email,
        clock(job.status.timestamp),
    )


def tasks(
    job: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="Only of this job.")
    ] = None,
    with_ended: AllOption = False,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List the tasks, oldest first.

    Example: flumina tasks --job hello --all
    """
    with api_here(api, data_dir) as there:
        query = {"jobIds": job, "taskStates": ANY if with_ended else None}
        if as_json:
            print_json(_merged(there, TASKS, query))
            return
        found = there.tasks(query)
        if job and not found:
            there.job(job)  # Says so if there is no such job.
        columns = ("task", "state", "host", "since", "address")
        rows = [_task_row(each) for each in found]
        _show_list("tasks", columns, rows, with_ended=with_ended)


def _task_row(task: Task) -> tuple[object, ...]:
    return (
        task.id,
        state_text(task.status.state, task.status.reason),
        task.host or "-",
        clock(task.status.timestamp),
        task.address,
    )


def _show_list(
    what: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, with_ended: bool
) -> None:
    if rows:
        show(out(), table("", columns, rows))
        return
    more = "" if with_ended else f" (--all shows {what} that have ended)"
    out().print(f"There are no {what}{more}.", markup=False)


def _merged(there: Api, path: str, query: Query) -> dict[str, list[object]]:
    """All pages as one, each item as the API wrote it."""
    pages = (orjson.loads(body)["items"] for body in there.pages(path, query))
    return {"items": [item for page in pages for item in page]}


def scale(  # noqa: PLR0917 - typer gives every option by its name
    job: JobArgument,
    desired: Annotated[
        int | None, typer.Argument(metavar="[N]", min=0, help="How many tasks are wanted.")
    ] = None,
    minimum: Annotated[int | None, typer.Option("--min", min=0, help="The lower bound.")] = None,
    maximum: Annotated[int | None, typer.Option("--max", min=0, help="The upper bound.")] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Change the size of a service, its bounds, or both.

    Example: flumina scale hello 8 --max 20
    """
    given = {"desired": desired, "min": minimum, "max": maximum}
    sizes = {name: value for name, value in given.items() if value is not None}
    if not sizes:
        raise OperatorError(
            "No size was given.",
            "A service is scaled to a number of tasks, or gets new bounds.",
            f"Write for example: flumina scale {job} 8",
        )
    with api_here(api, data_dir) as there:
        taken = there.scale(job, sizes, why)
        if as_json:
            print_json({"id": taken.id})
            return
        capacity = there.job(taken.id).job_descriptor.service
        if capacity is not None:
            now = capacity.capacity
            text = f"{taken.id} wants {now.desired} tasks (from {now.min} to {now.max})."
            out().print(text, markup=False)


def kill(  # noqa: PLR0917 - typer gives every option by its name
    name: NameArgument,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="Of a task: its service becomes one smaller.")
    ] = False,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """End a job with all its tasks, or one task (which is replaced, unless with --shrink).

    Example: flumina kill hello-worker-3-4 --why "looks stuck"
    """
    if shrink and path_of(name).startswith(JOBS):
        raise OperatorError(
            f"--shrink was given, but {name} is no task.",
            "A job that ends as a whole does not become smaller.",
            "Name a task (JOB-worker-INDEX-NUMBER), or leave --shrink out.",
        )
    with api_here(api, data_dir) as there:
        taken = there.kill(name, why, is_shrink=shrink)
        if as_json:
            print_json({"id": taken.id})
        else:
            out().print(f"The end of {taken.id} is under way.", markup=False)
