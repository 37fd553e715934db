"""`flumina run`: a job file without a cluster, on this computer and in this terminal.

The one thing to know: the file is the one that `flumina submit` takes, read by the same code; what
decides about its tasks is the machine of a cell. There is no Kafka, nothing listens, and nothing is
left when the command ends.
"""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from scheduler.model.descriptor import decode_descriptor
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.reading.checks import job_id_check
from streams.cli.commands_jobs import read_job_file
from streams.cli.common import settings_here
from streams.cli.interrupts import EXIT_INTERRUPTED
from streams.errors import OperatorError

FRAMEWORK: Final = "flumina-local"
PORTS: Final = "[31000-31999]"
"""As the development cluster's agents offer them."""


def run(  # noqa: PLR0917 - typer gives every option by its name
    file: Annotated[str, typer.Argument(metavar="FILE", help="A job in JSON; - reads stdin.")],
    job_id: Annotated[
        str | None, typer.Option("--id", metavar="NAME", help="The job's id; default by the file.")
    ] = None,
    resources: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help='What this computer counts as: "cpus:4;mem:8192;…".'),
    ] = None,
    attributes: Annotated[
        str, typer.Option(metavar="TEXT", help='What constraints see of it: "zone:a;rack:7".')
    ] = "zone:local",
    directory: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep the tasks' directories, in this new one."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, of output and states alike.")
    ] = False,
) -> None:
    """Run a job's tasks here, without a cluster, until it ends; Ctrl-C ends them.

    Leaves with 0 where every task succeeded, 1 where not, 130 where it was interrupted.

    Example: flumina run docs/examples/fails-and-retries.json
    """
    spec = _spec_of(file)
    named = JobId(job_id or _id_of(file))
    if (complaint := job_id_check(named)) is not None:
        raise OperatorError(
            f"{named!r} cannot be a job's id: it {complaint[0]}.",
            "It becomes part of the tasks' names.",
            "Name another with --id.",
        )
    given = resources or resources_here()
    _check_fitting(file, spec, given)
    with _home(directory) as home:
        left = asyncio.run(_run(spec, named, home, given, attributes, as_json=as_json))
    sys.exit(left)


def _spec_of(file: str) -> JobSpec:
    found = decode_descriptor(read_job_file(file))
    if isinstance(found, tuple):
        raise _refused(f"{file} is no job", found)
    return found


def _refused(what: str, faults: Sequence[Fault]) -> OperatorError:
    lines = [f"  {each.field or 'the whole'} {each.text}: {each.hint}" for each in faults]
    reasons = "one reason" if len(faults) == 1 else f"{len(faults)} reasons"
    return OperatorError(f"{what}, for {reasons}.", "\n".join(lines), "")


def _check_fitting(file: str, spec: JobSpec, resources: str) -> None:
    """Refuse what cannot run here, whatever happens; raises `OperatorError`."""
    from connectors.devcluster.resources import ResourceError  # noqa: PLC0415 - of this command
    from streams.local.fitting import faults_here, notes_here, room_of  # noqa: PLC0415 - the same

    try:
        room = room_of(resources)
    except ResourceError as error:
        raise OperatorError(
            f"--resources cannot be read: {error}.",
            "It is written as `flumina dev-cluster` takes it.",
            "Write for example --resources 'cpus:4;mem:8192;disk:10000;ports:[31000-31999]'.",
        ) from error
    if faults := faults_here(spec, room):
        raise _refused(f"{file} cannot run on this computer alone", faults)
    for note in notes_here(spec):
        print(f"note: {note}", file=sys.stderr)


def _id_of(file: str) -> str:
    """An id by the file's name, where that makes one."""
    stem = re.sub("[^A-Za-z0-9._-]+", "-", Path(file).stem).strip("-._")
    return "job" if file == "-" or job_id_check(stem) is not None else stem


def resources_here() -> str:
    """All that this computer has, as a host would offer it."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    disk = shutil.disk_usage(tempfile.gettempdir()).free
    cpus = len(os.sched_getaffinity(0))
    return f"cpus:{cpus};mem:{pages >> 20};disk:{disk >> 20};ports:{PORTS}"


@contextmanager
def _home(directory: Path | None) -> Iterator[Path]:
    """Where the tasks' directories are: a new directory that is kept, or one that is not."""
    if directory is None:
        home = Path(tempfile.mkdtemp(prefix="flumina-run-"))
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)
        return
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise OperatorError(
            f"{directory} cannot be made: {error.strerror}.",
            "It is there already, or the directory above it is not yours.",
            "Name a directory that is not there yet.",
        ) from error
    yield directory.absolute()


async def _run(
    spec: JobSpec, job_id: JobId, home: Path, resources: str, attributes: str, *, as_json: bool
) -> int:
    """The exit code, once the job has ended and nothing of it runs."""
    from connectors.devcluster.resources import ResourceError  # noqa: PLC0415 - of this command
    from connectors.local.cluster import LocalCluster  # noqa: PLC0415 - the same
    from connectors.mesos.settings import MesosSettings  # noqa: PLC0415 - the same
    from streams.local.run import LocalRun, StoppedAtOnce  # noqa: PLC0415 - the same
    from streams.local.telling import JsonTeller, TextTeller  # noqa: PLC0415 - the same

    mesos = MesosSettings(masters=("localhost",), framework_id=FRAMEWORK, framework_name=FRAMEWORK)
    try:
        cluster = LocalCluster(home, resources, attributes, mesos)
    except ResourceError as error:
        raise OperatorError(
            f"--attributes cannot be read: {error}.",
            "It is written as `flumina dev-cluster` takes it.",
            "Write for example --attributes 'zone:a;rack:7'.",
        ) from error
    teller = JsonTeller() if as_json else TextTeller(job_id)
    running = LocalRun(cluster, job_id, spec, teller, actor=settings_here().actor)
    try:
        await cluster.begin()
        reason = await running.until_ended()
    except StoppedAtOnce:
        return EXIT_INTERRUPTED
    finally:
        await cluster.close()
    if running.is_interrupted:
        return EXIT_INTERRUPTED
    return 0 if reason == "normal" else 1
