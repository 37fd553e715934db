"""Titan's job specs of 2015 at the paths that API v2 has as well.

The one thing to know: both specs are posted to the same paths; the fields tell them apart
(`scheduler.model.v3.titan`). What was made is shown in v2's shapes, as every job is.
"""

import uuid
from typing import Any

from connectors.web.call import Call
from connectors.web.problems import refused
from connectors.web.requests import actor_of
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec
from scheduler.model.v3.titan import titan_job


def job_of_titan(call: Call, raw: dict[str, Any]) -> tuple[JobId, JobSpec]:
    """A new id that begins with the spec's name, and its job; raises `Problem` for its faults."""
    found = titan_job(raw, call.api.titan, actor_of(call.request))
    if isinstance(found, tuple):
        raise refused(found)
    return JobId(f"{found.name}-{uuid.uuid4().hex[:12]}"), found.spec
