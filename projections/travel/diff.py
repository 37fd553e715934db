"""What is different between two states of one cell: what appeared, went, and changed.

The one thing to know: the two states alone say what is different; which events made it so is
looked up afterwards, in the notes between them (`streams.travel`). Lists are cut at a limit and
counted in full.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from scheduler.model.ids import HostId, JobId
from scheduler.model.task import Task, place_of, titus_state
from scheduler.state import Job, State

ENTITIES_MAX: Final = 10_000
"""Entities that one answer lists; more are only counted."""
FIELDS_MAX: Final = 40
TEXT_CHARACTERS_MAX: Final = 200


class FieldChange(msgspec.Struct, frozen=True, rename="camel"):
    """One field of an entity: what it was, and what it is."""

    field: str
    before: str
    after: str


class EntityChange(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One entity that is not as it was."""

    kind: str
    """``job``, ``task``, ``host``, ``group``, ``policy``, ``orphan``, ``decision`` or ``cell``."""
    id: str
    change: str
    """``appeared``, ``went`` or ``changed``."""
    before: str = ""
    """In a few words, what it was."""
    after: str = ""
    fields: tuple[FieldChange, ...] = ()
    addresses: tuple[str, ...] = ()
    """Events between the two states that say something of it; the newest last."""
    has_older: bool = False
    """There are more, older than those addresses."""


class Side(msgspec.Struct, frozen=True, rename="camel"):
    """One of the two states."""

    address: str
    """Of the last record that was folded."""
    offset: int
    at_ms: int
    digest: str


class Difference(msgspec.Struct, frozen=True, rename="camel"):
    """All that is different, cut at a limit."""

    before: Side
    after: Side
    counts: dict[str, dict[str, int]]
    """By kind: how many appeared, went, changed; of all, also those that are not listed."""
    entities: tuple[EntityChange, ...]
    dropped: int = 0


def difference(
    before: State, after: State, sides: tuple[Side, Side], limit: int = ENTITIES_MAX
) -> Difference:
    """What is different between the two states, without the events that made it so."""
    counts: dict[str, dict[str, int]] = {}
    entities: list[EntityChange] = []
    dropped = 0
    for each in _changes(before, after):
        of_kind = counts.setdefault(each.kind, {})
        of_kind[each.change] = of_kind.get(each.change, 0) + 1
        if len(entities) < limit:
            entities.append(each)
        else:
            dropped += 1
    return Difference(sides[0], sides[1], counts, tuple(entities), dropped)


def _changes(before: State, after: State) -> Iterator[EntityChange]:
    yield from _cell(before, after)
    yield from _policy(before, after)
    yield from _of("group", _groups(before), _groups(after), _group_words)
    yield from _of("job", _jobs(before, after), after.jobs, _job_words)
    yield from _of("task", before.tasks, after.tasks, _task_words)
    yield from _of("orphan", before.orphans, after.orphans, lambda each: str(each.state))
    decided_before = {key: type(each.proposal).__name__ for key, each in before.decisions.items()}
    decided_after = {key: type(each.proposal).__name__ for key, each in after.decisions.items()}
    yield from _of("decision", decided_before, decided_after, str)
    # Last, for offers come and go on all of them, and a page of an answer has an end.
    yield from _of("host", _hosts(before), _hosts(after), _host_words)


def _jobs(before: State, after: State) -> dict[JobId, Job]:
    """The jobs before, with their places as the log of the state after counts them."""
    if before.generation == after.generation:
        return before.jobs
    return {
        job_id: replace(job, accepted_offset=after.jobs[job_id].accepted_offset)
        if job_id in after.jobs
        else job
        for job_id, job in before.jobs.items()
    }


def _of(
    kind: str,
    before: Mapping[Any, Any],
    after: Mapping[Any, Any],
    words: Callable[[Any], str],
) -> Iterator[EntityChange]:
    """One change for each entity that is not the same in both, in the order of their ids."""
    gone = [key for key in before if key not in after]
    rest = [
        key
        for key, value in after.items()
        if (was := before.get(key)) is not value and (was is None or was != value)
    ]
    for key in sorted([*gone, *rest]):
        was, now = before.get(key), after.get(key)
        if was is None:
            yield EntityChange(kind, str(key), "appeared", after=words(now))
        elif now is None:
            yield EntityChange(kind, str(key), "went", before=words(was))
        else:
            yield EntityChange(
                kind, str(key), "changed", words(was), words(now), tuple(_fields(was, now))
            )


def _cell(before: State, after: State) -> Iterator[EntityChange]:
    was, now = _cell_facts(before), _cell_facts(after)
    if was != now:
        fields = tuple(
            FieldChange(name, was[name], now[name]) for name in was if was[name] != now[name]
        )
        yield EntityChange("cell", str(after.cell), "changed", fields=fields)


def _cell_facts(state: State) -> dict[str, str]:
    """What is of the cell itself and no clock, by name."""
    stream = state.stream
    return {
        "leader": state.leader,
        "epoch": str(state.epoch),
        "stream": stream.stream_id or "",
        "frameworkId": stream.framework_id,
        "fatal": stream.is_fatal,
        "isSuppressed": str(stream.is_suppressed),
        "foldVersion": str(state.fold_version),
        "queuedTasks": str(state.queued_tasks),
        "unanswered": str(len(state.unanswered)),
        "isQualitySuspended": str(state.is_quality_suspended),
    }


def _policy(before: State, after: State) -> Iterator[EntityChange]:
    if before.policy == after.policy and before.policy_version == after.policy_version:
        return
    fields = tuple(_fields(before.policy, after.policy))
    words = (f"version {before.policy_version}", f"version {after.policy_version}")
    yield EntityChange("policy", str(after.cell), "changed", *words, fields)


def _groups(state: State) -> dict[str, tuple[int, int, int]]:
    """Jobs, tasks that wait and tasks on hosts of each capacity group."""
    found: dict[str, list[int]] = {}
    for job_id, job in state.jobs.items():
        if job.state == "Finished":
            continue
        numbers = found.setdefault(job.spec.capacity_group, [0, 0, 0])
        numbers[0] += 1
        numbers[1] += len(state.queue.get(job_id, ()))
        numbers[2] += state.on_hosts.get(job_id, 0)
    return {name: (jobs, waiting, there) for name, (jobs, waiting, there) in found.items()}


def _group_words(numbers: tuple[int, int, int]) -> str:
    return f"{numbers[0]} jobs, {numbers[1]} tasks wait, {numbers[2]} on hosts"


class HostThen(msgspec.Struct, frozen=True, rename="camel"):
    """A host as a state has it: what it is, what runs there, what it may be used for."""

    hostname: str
    attributes: dict[str, str]
    tasks: tuple[str, ...]
    offers: int
    standing: str
    failures: int
    noise_milli: int
    marks: dict[str, str] = {}
    """Operators' attributes of it."""


def _hosts(state: State) -> dict[HostId, HostThen]:
    host_ids = {*state.hosts, *state.host_tasks, *state.host_offers, *state.host_orders}
    return {host_id: _host(state, host_id) for host_id in host_ids}


def _host(state: State, host_id: HostId) -> HostThen:
    facts, order = state.hosts.get(host_id), state.host_orders.get(host_id)
    failures = state.host_failures.get(host_id)
    return HostThen(
        hostname=state.hostname(host_id),
        attributes=dict(facts.attributes) if facts else {},
        tasks=tuple(sorted(state.host_tasks.get(host_id, ()))),
        offers=len(state.host_offers.get(host_id, ())),
        standing=order.standing if order else "enabled",
        failures=len(failures.failures) if failures else 0,
        noise_milli=state.host_noise.get(host_id, 0),
        marks=dict(state.host_marks.get(host_id, ())),
    )


def _host_words(host: HostThen) -> str:
    standing = "" if host.standing == "enabled" else f", {host.standing}"
    tasks = f"{len(host.tasks)} task{'' if len(host.tasks) == 1 else 's'}"
    return f"{host.hostname}: {tasks}, {host.offers} offers{standing}"


def _job_words(job: Job) -> str:
    reason = f" ({job.reason})" if job.reason else ""
    return f"{job.state}{reason}, wants {job.spec.desired}"


def _task_words(task: Task) -> str:
    place = place_of(task.state)
    reason = getattr(task.state, "reason", "")
    where = f" on {place.host_id}" if place else ""
    return f"{titus_state(task.state)}{f' ({reason})' if reason else ''}{where}"


def _fields(was: object, now: object, path: str = "") -> Iterator[FieldChange]:
    """The fields that differ, by their path; values that are no structs are compared whole."""
    found = list(_field_changes(was, now, path))
    yield from found[:FIELDS_MAX]
    if len(found) > FIELDS_MAX:
        yield FieldChange("…", f"{len(found) - FIELDS_MAX} more fields differ", "")


def _field_changes(was: object, now: object, path: str) -> Iterator[FieldChange]:
    if isinstance(was, msgspec.Struct) and type(was) is type(now):
        for field in msgspec.structs.fields(was):
            of_was, of_now = getattr(was, field.name), getattr(now, field.name)
            if of_was != of_now:
                below = f"{path}.{field.name}" if path else field.name
                yield from _field_changes(of_was, of_now, below)
        return
    yield FieldChange(path or "value", _text(was), _text(now))


def _text(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[: TEXT_CHARACTERS_MAX - 1]}…"
