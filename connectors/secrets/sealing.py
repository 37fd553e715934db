"""Jobs with their secrets sealed, and tasks with theirs opened.

The one thing to know: a value is bound to its job and variable. What a job has already is sealed
again under the key that it has, so the same submission gives the same texts.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from msgspec.structs import replace

from connectors.secrets.envelope import Place, misplaced, opened_value, sealed_text
from connectors.secrets.errors import SecretError, SecretForgotten, SecretsUnavailable
from connectors.secrets.ring import KeyRing, Tenant
from scheduler.model.effects import AcceptOffers, TaskToRun
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec
from scheduler.model.sealed import SEALED, is_sealed, is_secret, parts_of, secret_names

EXIT_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h: what a task ends with whose secrets cannot be opened."""
SEALED_IN_DRY_RUN: Final = f"{SEALED}dry-run"
"""What a dry run shows of a value: nothing is sealed, for no job may come of it."""


class Variable(NamedTuple):
    """A variable of a job."""

    tenant: Tenant
    job_id: str
    name: str


def seal(ring: KeyRing, variable: Variable, value: str, like: str = "") -> str:
    """The value sealed for a variable; ``like`` is the sealed one that the job has now."""
    tenant, job_id, name = variable
    parts = parts_of(like)
    if parts is not None:
        with suppress(SecretForgotten):
            key = ring.job_key(parts[0], job_id, parts[1])
            if sealed_text(key, Place(parts[0], parts[1], job_id, name), value) == like:
                return like
    version, key = ring.newest_job_key(tenant, job_id)
    return sealed_text(key, Place(tenant.name, version, job_id, name), value)


def open_sealed(ring: KeyRing, job_id: str, name: str, value: str) -> str:
    """The value inside a sealed text; raises a `SecretError`."""
    parts = parts_of(value)
    if parts is None:
        raise misplaced(job_id, name)
    tenant, version, content = parts
    key = ring.job_key(tenant, job_id, version)
    return opened_value(key, Place(tenant, version, job_id, name), content)


def sealed_spec(ring: KeyRing, job_id: JobId, spec: JobSpec, known: JobSpec | None) -> JobSpec:
    """The job with every marked value sealed, and every sealed one looked at.

    Raises a `SecretError`: of a sealed value that is none of this job, too.
    """
    tenant = Tenant(spec.owner_email, spec.application_name)
    marked = secret_names(spec.container.attributes)
    there = {} if known is None else dict(known.container.environment)

    def of(name: str, value: str) -> str:
        if is_sealed(value):
            if there.get(name) != value:  # What the job has already was looked at then.
                open_sealed(ring, job_id, name, value)
            return value
        if is_secret(name, marked):
            return seal(ring, Variable(tenant, job_id, name), value, there.get(name, ""))
        return value

    environment = tuple((name, of(name, value)) for name, value in spec.container.environment)
    return replace(spec, container=replace(spec.container, environment=environment))


def unshown_spec(spec: JobSpec) -> JobSpec:
    """The job as a dry run shows it: without any marked value."""
    marked = secret_names(spec.container.attributes)
    environment = tuple(
        (name, SEALED_IN_DRY_RUN if is_secret(name, marked) and not is_sealed(value) else value)
        for name, value in spec.container.environment
    )
    return replace(spec, container=replace(spec.container, environment=environment))


def opened_launch(
    ring: KeyRing | None, effect: AcceptOffers
) -> tuple[AcceptOffers, Mapping[str, str]]:
    """The launch with its values opened, and why those tasks cannot run whose values are lost.

    Such a task runs one line that says why, and fails: so its job's own rules of retries apply, and
    the reason stands where its owner looks. Raises `SecretsUnavailable` where another attempt may
    help.
    """
    failed: dict[str, str] = {}
    tasks = []
    for task in effect.tasks:
        if not any(is_sealed(value) for _, value in task.environment):
            tasks.append(task)
            continue
        try:
            tasks.append(_opened_task(ring, task))
        except SecretsUnavailable:
            raise
        except SecretError as error:
            failed[task.task_id] = str(error)
            tasks.append(_failing(task, str(error)))
    return replace(effect, tasks=tuple(tasks)), failed


def _opened_task(ring: KeyRing | None, task: TaskToRun) -> TaskToRun:
    if ring is None:
        raise SecretError(
            "This cell has no key ring: FLUMINA_SECRET_KEYS and FLUMINA_SECRET_PROVIDER are not "
            "set for its cell processes. Set them as for the api process."
        )
    environment = tuple(
        (name, open_sealed(ring, task.job_id, name, value) if is_sealed(value) else value)
        for name, value in task.environment
    )
    return replace(task, environment=environment)


def _failing(task: TaskToRun, why: str) -> TaskToRun:
    """A task in the place of this one that says why it cannot run."""
    line = f'printf "%s\\n" "$0" >&2; exit {EXIT_CONFIG}'
    command = ("/bin/sh", "-c", line, why)
    environment = tuple(pair for pair in task.environment if not is_sealed(pair[1]))
    container = task.container
    if container is not None:
        container = replace(container, command=command, entry_point_words=1)
    return replace(task, command=command, environment=environment, container=container)
