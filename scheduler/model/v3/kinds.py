"""What a descriptor can be beside ``batch`` and ``service``: ``stream`` and ``cron``; and ``sets``.

The one thing to know: Titus has none of these, they are our own extension of its descriptor. A cron
job's ``batch`` is read by the same reader as everybody's. The rule of its time zone is looked up
here, once, and goes into the log beside the zone's name.
"""

from collections.abc import Callable
from typing import Any, Final, cast, get_args

from scheduler.model.cron import SCHEDULE_BYTES_MAX, BadSchedule, schedule_of
from scheduler.model.job import (
    Batch,
    CatchUp,
    Cron,
    JobSpec,
    Overlap,
    RetryPolicy,
    Stream,
    TaskSet,
)
from scheduler.model.reading.checks import name_check, words_check
from scheduler.model.reading.faults import nearest_name, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.time_zones import UTC_RULE, zone_names, zone_rule
from scheduler.model.v3 import limits

CATCH_UP_MAX: Final = 100
RUNS_KEPT_MAX: Final = 100
DEADLINE_SECONDS_MAX: Final = 7 * 24 * 3_600
SETS_MAX: Final = 100

_WORDS: Final = words_check(SCHEDULE_BYTES_MAX)
_NAME: Final = name_check(limits.ATTRIBUTE_NAME_BYTES_MAX)
_VALUE: Final = name_check(limits.ATTRIBUTE_VALUE_BYTES_MAX)

ReadRetry = Callable[[Fields | None], RetryPolicy]
ReadBatch = Callable[[Fields], tuple[Batch, RetryPolicy]]


def read_stream(fields: Fields, read_retry: ReadRetry) -> tuple[Stream, RetryPolicy]:
    """The stream that ``fields`` describe."""
    workers = fields.whole("workers", 1, limits.SERVICE_SIZE_MAX)
    is_ordered = fields.truth("orderedStart", default=False)
    retry = read_retry(fields.inner_if_given("retryPolicy"))
    fields.close()
    return Stream(workers, is_ordered), retry


def read_cron(fields: Fields, read_batch: ReadBatch) -> tuple[Cron, RetryPolicy]:
    """The schedule that ``fields`` describe, and the batch that each firing starts."""
    schedule = fields.text("schedule", _schedule)
    zone = fields.text("timeZone", _zone, default="UTC")
    catch_up = _choice(fields, "catchUp", get_args(CatchUp), "none")
    catch_up_max = fields.whole("catchUpLimit", 1, CATCH_UP_MAX, default=10)
    overlap = _choice(fields, "overlap", get_args(Overlap), "allow")
    deadline_s = fields.whole(
        "startingDeadlineSec", 0, DEADLINE_SECONDS_MAX, default=0, unit=" seconds"
    )
    kept = fields.whole("historyLimit", 0, RUNS_KEPT_MAX, default=10)
    batch, retry = read_batch(fields.inner("batch"))
    fields.close()
    cron = Cron(
        schedule=schedule,
        batch=batch,
        time_zone=zone,
        zone_rule=zone_rule(zone) or UTC_RULE,
        catch_up=cast("CatchUp", catch_up),
        catch_up_max=catch_up_max,
        overlap=cast("Overlap", overlap),
        starting_deadline_ms=deadline_s * 1_000,
        runs_kept_max=kept,
    )
    return cron, retry


def _choice(fields: Fields, name: str, choices: tuple[str, ...], default: str) -> str:
    def check(text: str) -> tuple[str, str] | None:
        if text in choices:
            return None
        return f"is {shown_text(text)}, none of {', '.join(choices)}", nearest_name(text, choices)

    return fields.text(name, check, default=default)


def _schedule(text: str) -> tuple[str, str] | None:
    complaint = _WORDS(text)
    if complaint is not None:
        return complaint
    try:
        schedule_of(text)
    except BadSchedule as error:
        return str(error), "minute, hour, day of the month, month, day of the week"
    return None


def _zone(text: str) -> tuple[str, str] | None:
    if zone_rule(text) is None:
        near = nearest_name(text, zone_names())
        hint = near if near.startswith("did you") else "like Europe/Berlin, or UTC"
        return f"is {shown_text(text)}, which no zone is called", hint
    return None


def read_sets(fields: Fields, desired: int) -> tuple[TaskSet, ...]:
    """The sets of a descriptor, of which the counts must add up to what the job wants."""
    raw = fields.raw("sets")
    if raw is None:
        return ()
    if not isinstance(raw, list) or not 1 <= len(raw) <= SETS_MAX:
        fields.fault("sets", f"is no list of 1 to {SETS_MAX} sets", "write [...]")
        return ()
    found = tuple(
        _set(Fields(each, f"{fields.path_of('sets')}[{place}]", fields.faults))
        for place, each in enumerate(raw)
    )
    total = sum(each.count for each in found)
    if total != desired:
        text = f"have {total} tasks together, and the job wants {desired}"
        fields.fault("sets", text, "let them add up")
    return found


def _set(fields: Fields) -> TaskSet:
    name = fields.text("name", _NAME)
    count = fields.whole("count", 1, limits.SERVICE_SIZE_MAX)
    attributes = fields.pairs(
        "hostAttributes",
        _NAME,
        _VALUE,
        count_max=limits.CONSTRAINTS_MAX,
        bytes_max=limits.ATTRIBUTES_BYTES_MAX,
    )
    if not attributes:
        fields.fault("hostAttributes", "is missing or empty", "name what hosts of the set have")
    fields.close()
    return TaskSet(name, count, attributes)


def written_stream(stream: Stream) -> dict[str, Any]:
    """What `read_stream` would read as this, without the retry policy."""
    return {"workers": stream.workers, "orderedStart": stream.is_start_ordered}


def written_cron(cron: Cron) -> dict[str, Any]:
    """What `read_cron` would read as this, without the batch."""
    return {
        "schedule": cron.schedule,
        "timeZone": cron.time_zone,
        "catchUp": cron.catch_up,
        "catchUpLimit": cron.catch_up_max,
        "overlap": cron.overlap,
        "startingDeadlineSec": cron.starting_deadline_ms // 1_000,
        "historyLimit": cron.runs_kept_max,
    }


def written_sets(spec: JobSpec) -> dict[str, Any]:
    """The field ``sets``, where the job has any."""
    if not spec.sets:
        return {}
    return {
        "sets": [
            {"name": each.name, "count": each.count, "hostAttributes": dict(each.attributes)}
            for each in spec.sets
        ]
    }
