"""Requests for updates of a job's spec, read from records of topic ``jobs``, and written.

The one thing to know: a number of tasks is written as a whole number or as a percentage such as
``"25%"``. The descriptor is read by the reader of every submission.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast, get_args

import msgspec

from scheduler.model.descriptor import spec_digest
from scheduler.model.ids import JobId
from scheduler.model.job_updates import (
    JobUpdateAsked,
    JobUpdateOrdered,
    Share,
    Strategy,
    UpdateOrder,
    UpdatePlan,
    UpdateRequest,
)
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.faults import nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_if_version, read_job_id, read_said
from scheduler.model.sealed import refuse_bare
from scheduler.model.v3 import limits
from scheduler.model.v3.job import read_job

SECONDS_MAX: Final = 7 * 24 * 3_600
FAILURES_MAX: Final = 1_000
NUMBER_MAX: Final = 10**9
CAMPAIGN_BYTES_MAX: Final = 100
_CAMPAIGN: Final = name_check(CAMPAIGN_BYTES_MAX)
_COUNT_DIGITS_MAX: Final = 9
_PERCENT: Final = re.compile("([0-9]{1,3})%")
_USUAL: Final = UpdatePlan()


def read_plan(fields: Fields | None) -> UpdatePlan:
    """The plan that ``fields`` describe; the usual one where there are none."""
    if fields is None:
        return _USUAL
    strategy = fields.text("strategy", _one_of(get_args(Strategy)), default=_USUAL.strategy)
    plan = UpdatePlan(
        strategy=cast("Strategy", strategy),
        batch=_share(fields, "batch", _USUAL.batch, least=1),
        max_unavailable=_share(fields, "maxUnavailable", _USUAL.max_unavailable),
        max_surge=_share(fields, "maxSurge", _USUAL.max_surge),
        health_wait_ms=_seconds(fields, "healthWaitSec", _USUAL.health_wait_ms),
        batch_deadline_ms=_seconds(fields, "batchDeadlineSec", _USUAL.batch_deadline_ms, least=1),
        failures_max=fields.whole("failuresMax", 1, FAILURES_MAX, default=_USUAL.failures_max),
        failure_window_ms=_seconds(fields, "failureWindowSec", _USUAL.failure_window_ms, least=1),
        is_rolled_back=fields.truth("automaticRollback", default=True),
        keep_ms=_seconds(fields, "keepSec", _USUAL.keep_ms),
        is_restart=fields.truth("restart", default=False),
        campaign=fields.text("campaign", _CAMPAIGN, default=""),
    )
    if not fields.is_faulty and plan.health_wait_ms >= plan.batch_deadline_ms:
        text = f"is {plan.batch_deadline_ms // 1_000} s, within which no task can count"
        fields.fault("batchDeadlineSec", text, "give more than healthWaitSec")
    fields.close()
    return plan


def _one_of(choices: tuple[str, ...]) -> Callable[[str], tuple[str, str] | None]:
    def check(text: str) -> tuple[str, str] | None:
        if text in choices:
            return None
        return f"is {shown_text(text)}, none of {', '.join(choices)}", nearest_name(text, choices)

    return check


def _seconds(fields: Fields, name: str, default_ms: int, least: int = 0) -> int:
    return 1_000 * fields.whole(name, least, SECONDS_MAX, default_ms // 1_000, unit=" seconds")


def _share(fields: Fields, name: str, default: Share, least: int = 0) -> Share:
    raw = fields.raw(name)
    if raw is None:
        return default
    if isinstance(raw, int) and not isinstance(raw, bool):
        return Share(count=fields.whole(name, least, limits.SERVICE_SIZE_MAX))
    share = share_of(raw) if isinstance(raw, str) else None
    if share is None or share.count + share.percent < least:
        hint = 'like 3, or "25%"'
        fields.fault(name, f"is {shown(raw)}, no number of tasks and no percentage", hint)
        return default
    return share


def share_of(text: str) -> Share | None:
    """What ``3`` or ``25%`` says; None where it says neither."""
    found = _PERCENT.fullmatch(text)
    if found is not None and int(found[1]) <= 100:
        return Share(percent=int(found[1]))
    is_count = text.isascii() and text.isdecimal() and len(text) <= _COUNT_DIGITS_MAX
    if is_count and int(text) <= limits.SERVICE_SIZE_MAX:
        return Share(count=int(text))
    return None


def written_plan(plan: UpdatePlan) -> dict[str, Any]:
    """What `read_plan` would read as this."""
    return {
        "strategy": plan.strategy,
        "batch": _written(plan.batch),
        "maxUnavailable": _written(plan.max_unavailable),
        "maxSurge": _written(plan.max_surge),
        "healthWaitSec": plan.health_wait_ms // 1_000,
        "batchDeadlineSec": plan.batch_deadline_ms // 1_000,
        "failuresMax": plan.failures_max,
        "failureWindowSec": plan.failure_window_ms // 1_000,
        "automaticRollback": plan.is_rolled_back,
        "keepSec": plan.keep_ms // 1_000,
        "restart": plan.is_restart,
        **({"campaign": plan.campaign} if plan.campaign else {}),
    }


def _written(share: Share) -> int | str:
    return f"{share.percent}%" if share.percent else share.count


def _update(fields: Fields) -> JobUpdateAsked:
    job_id = read_job_id(fields)
    spec = read_job(fields.inner("job", path=""))
    refuse_bare(fields, spec.container)
    plan = read_plan(fields.inner_if_given("plan"))
    digest = "" if fields.is_faulty else spec_digest(spec)  # A faulty text may have no bytes.
    actor, why = read_said(fields)
    if_version = read_if_version(fields)
    return JobUpdateAsked(job_id, spec, digest, plan, actor, why, if_version)


def _order(fields: Fields) -> JobUpdateOrdered:
    job_id = read_job_id(fields)
    order = fields.text("order", _one_of(get_args(UpdateOrder)))
    number = fields.whole("number", 1, NUMBER_MAX) if fields.has("number") else None
    said = read_said(fields)
    return JobUpdateOrdered(
        job_id, cast("UpdateOrder", order), number, *said, read_if_version(fields)
    )


UPDATE_REQUESTS: Final[Mapping[str, Callable[[Fields], UpdateRequest]]] = {
    "UpdateJob": _update,
    "OrderUpdate": _order,
}


def encode_update_job(
    job_id: JobId,
    descriptor: Mapping[str, Any],
    plan: Mapping[str, Any] | None = None,
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that gives a job another spec, by a plan."""
    record: dict[str, Any] = {"type": "UpdateJob", "jobId": job_id, "job": descriptor}
    if plan:
        record["plan"] = plan
    return _encoded(record, actor, why, if_version)


def encode_order_update(
    job_id: JobId,
    order: UpdateOrder,
    number: int | None = None,
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that pauses, resumes or rolls back an update."""
    record: dict[str, Any] = {"type": "OrderUpdate", "jobId": job_id, "order": order}
    if number is not None:
        record["number"] = number
    return _encoded(record, actor, why, if_version)


def _encoded(record: dict[str, Any], actor: str, why: str, if_version: int | None) -> bytes:
    if if_version is not None:
        record["ifVersion"] = if_version
    return msgspec.json.encode({**record, "actor": actor, "why": why})
