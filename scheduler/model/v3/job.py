"""A whole v3 job descriptor, from its JSON value to a `JobSpec`.

The one thing to know: one of `KINDS` makes the job; all else is common to both.
"""

from typing import Final

from scheduler.model.attributes import UnreadableAttribute
from scheduler.model.job import Batch, JobKind, JobSpec, RetryPolicy, Service, desired_of
from scheduler.model.manner import manner_of
from scheduler.model.reading.checks import Complaint, name_check, words_check
from scheduler.model.reading.faults import shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.sla import sla_of
from scheduler.model.v3 import limits, names
from scheduler.model.v3.container import Pairs, read_attributes, read_container
from scheduler.model.v3.disruption import read_budget
from scheduler.model.v3.kinds import read_cron, read_sets, read_stream
from scheduler.model.v3.storage import read_storage
from scheduler.model.v3.switches import pass_over, read_switches

_NAME: Final = name_check(limits.NAME_BYTES_MAX)
_GROUP_PART: Final = name_check(limits.GROUP_BYTES_MAX)
_EMAIL: Final = words_check(limits.EMAIL_BYTES_MAX)

KINDS: Final = ("batch", "service", "stream", "cron")

NO_RETRIES: Final = RetryPolicy(kind="immediate", retries=0)


def read_job(fields: Fields) -> JobSpec:
    """The job that ``fields`` describe; it counts only where no fault was found."""
    owner = fields.inner("owner")
    email = owner.text("teamEmail", _email)
    owner.close()
    application = fields.text("applicationName", _NAME)
    capacity_group = fields.text("capacityGroup", _NAME, default="DEFAULT")
    stack, detail, sequence = _group(fields.inner_if_given("jobGroupInfo"))
    attributes = _manner(fields, read_attributes(fields))
    inside = fields.inner("container")
    container = read_container(inside)
    kind, retry = _kind(fields)
    storage = read_storage(fields, inside, kind, attributes)
    sets = read_sets(fields, desired_of(kind))
    switches = read_switches(fields)
    budget = read_budget(fields)
    fields.refuse_known(names.JOB_FIELDS_OF_TITUS_ONLY)
    fields.close()
    return JobSpec(
        owner_email=email,
        application_name=application,
        container=container,
        kind=kind,
        retry=retry,
        capacity_group=capacity_group,
        stack=stack,
        detail=detail,
        sequence=sequence,
        attributes=attributes,
        sets=sets,
        **switches,
        **storage,
        budget=budget,
    )


def _manner(fields: Fields, attributes: Pairs) -> Pairs:
    """The attributes, those checked by which placement is told how to treat the job."""
    try:
        manner_of(attributes)
        sla_of(attributes)
    except UnreadableAttribute as error:
        fields.fault_below("attributes", error.name, "cannot be read", str(error))
    return attributes


def _email(text: str) -> Complaint | None:
    if "@" not in text:
        return (f"is {shown_text(text)}, no address", "like team@example.com")
    return _EMAIL(text)


def _group(fields: Fields | None) -> tuple[str, str, str]:
    if fields is None:
        return "", "", ""
    stack = fields.text("stack", _GROUP_PART, default="")
    detail = fields.text("detail", _GROUP_PART, default="")
    sequence = fields.text("sequence", _GROUP_PART, default="")
    fields.close()
    return stack, detail, sequence


def _kind(fields: Fields) -> tuple[JobKind, RetryPolicy]:
    """The one of the four that the job is."""
    given = [(name, fields.inner_if_given(name)) for name in KINDS]
    there = [(name, inside) for name, inside in given if inside is not None]
    for name, _ in there[1:]:
        fields.fault(name, f"is given beside {there[0][0]}", "keep the one that the job is")
    if not there:
        text = "is missing, and so are service, stream and cron"
        fields.fault("batch", text, "a job is one of these")
        return Batch(1, 0), NO_RETRIES
    name, inside = there[0]
    match name:
        case "batch":
            return _batch(inside)
        case "service":
            return _service(inside)
        case "stream":
            return read_stream(inside, _retry)
        case _:
            return read_cron(inside, _batch)


def _batch(fields: Fields) -> tuple[Batch, RetryPolicy]:
    size = fields.whole("size", 1, limits.BATCH_SIZE_MAX)
    seconds = fields.whole(
        "runtimeLimitSec",
        limits.RUNTIME_LIMIT_SECONDS_MIN,
        limits.RUNTIME_LIMIT_SECONDS_MAX,
        default=limits.RUNTIME_LIMIT_SECONDS_DEFAULT,
        unit=" seconds",
    )
    is_retried = fields.truth("retryOnRuntimeLimit", default=False)
    retry = _retry(fields.inner_if_given("retryPolicy"))
    fields.close()
    return Batch(size, seconds * 1000, is_retried), retry


def _service(fields: Fields) -> tuple[Service, RetryPolicy]:
    capacity = fields.inner("capacity")
    minimum = capacity.whole("min", 0, limits.SERVICE_SIZE_MAX, default=0)
    maximum = capacity.whole("max", 0, limits.SERVICE_SIZE_MAX)
    desired = capacity.whole("desired", 0, limits.SERVICE_SIZE_MAX)
    capacity.close()
    _check_order(capacity)
    pass_over(fields)
    retry = _retry(fields.inner_if_given("retryPolicy"))
    fields.close()
    return Service(minimum, desired, maximum), retry


def _check_order(capacity: Fields) -> None:
    """Demand min <= desired <= max where all are numbers, be they allowed ones or not."""
    minimum = capacity.whole_given("min") or 0
    maximum = capacity.whole_given("max")
    desired = capacity.whole_given("desired")
    if maximum is None or desired is None or minimum <= desired <= maximum:
        return
    capacity.fault(
        "desired",
        f"is {shown(desired)}, outside of min {shown(minimum)} and max {shown(maximum)}",
        "give min <= desired <= max",
    )


def _retry(fields: Fields | None) -> RetryPolicy:
    if fields is None:
        return NO_RETRIES
    immediate = fields.inner_if_given("immediate")
    delayed = fields.inner_if_given("delayed")
    backing_off = fields.inner_if_given("exponentialBackOff")
    fields.close()
    given = [each for each in (immediate, delayed, backing_off) if each is not None]
    if len(given) != 1:
        fields.fault_here(
            "must hold exactly one of immediate, delayed and exponentialBackOff",
            'like {"immediate": {"retries": 3}}',
        )
        return NO_RETRIES
    retries = given[0].whole("retries", 0, limits.RETRIES_MAX, default=0)
    policy = RetryPolicy(kind="immediate", retries=retries)
    if delayed is not None:
        delay = _delay(delayed, "delayMs")
        policy = RetryPolicy("delayed", retries, delay, delay)
    elif backing_off is not None:
        policy = _back_off(backing_off, retries)
    given[0].close()
    return policy


def _back_off(fields: Fields, retries: int) -> RetryPolicy:
    first = _delay(fields, "initialDelayMs")
    longest = _delay(fields, "maxDelayIntervalMs")
    pair = (fields.whole_given("initialDelayMs"), fields.whole_given("maxDelayIntervalMs"))
    if pair == (first, longest) and longest < first:
        text = f"is {longest}, below initialDelayMs {first}"
        fields.fault("maxDelayIntervalMs", text, "give at least initialDelayMs")
    return RetryPolicy("exponentialBackOff", retries, first, longest)


def _delay(fields: Fields, name: str) -> int:
    return fields.whole(name, 0, limits.RETRY_DELAY_MS_MAX, unit=" ms")
