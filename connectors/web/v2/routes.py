"""The paths of API v2 as of 2017.

The one thing to know: jobs and tasks stand under ``/v2`` as well, where clients of 2015 look.
Capacity groups, the leader and the status, which are still v2 in Titus of 2022, have their rows in
`connectors.web.routes`.
"""

from dataclasses import replace
from typing import Any, Final

from connectors.web.call import Handler
from connectors.web.resource import Operation
from connectors.web.shapes import v2 as shapes
from connectors.web.v2 import changing, reading


def _get(handler: Handler, answer: Any, *parameters: str) -> Operation:  # noqa: ANN401 - a shape
    return Operation(handler, parameters, is_read=True, answer=answer)


def _post(handler: Handler, body: type[Any]) -> Operation:
    return Operation(handler, body=body, success=(204,), media="")


_FILTERS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "type": ({"type": "string", "enum": ["batch", "service"]}, "the kind of job"),
    "taskState": ({"type": "array", "items": {"type": "string"}}, "states, of 2017"),
    "labels": ({"type": "array", "items": {"type": "string"}}, "`name` or `name:value`"),
    "labels.op": ({"type": "string", "enum": ["and", "or"]}, "all of the labels, or one"),
    "applicationName": ({"type": "string"}, "the image's name"),
    "appName": ({"type": "string"}, "the application's name"),
}
_JOBS: Final = {
    "GET": replace(
        _get(reading.list_jobs, list[shapes.JobOfV2], *reading.JOB_FILTERS), schemas=_FILTERS
    ),
    "POST": Operation(
        changing.submit_job, body=shapes.SpecBody, answer=shapes.Submitted, success=(201,)
    ),
}
_JOB: Final = {"GET": _get(reading.show_job, shapes.JobOfV2)}
_TASK: Final = {"GET": _get(reading.show_task, shapes.TaskOfV2)}
_VMS: Final = "/api/v2/vm/activevms"

V2_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    "/api/v2/jobs": _JOBS,
    "/v2/jobs": _JOBS,
    "/api/v2/jobs/setinstancecounts": {
        "POST": _post(changing.set_instance_counts, shapes.CountsBody)
    },
    "/api/v2/jobs/setinservice": {"POST": _post(changing.set_in_service, shapes.InServiceBody)},
    "/api/v2/jobs/kill": {"POST": _post(changing.kill_job, shapes.KillJobBody)},
    "/api/v2/jobs/{id}": _JOB,
    "/v2/jobs/{id}": _JOB,
    "/api/v2/tasks/kill": {"POST": _post(changing.kill_tasks, shapes.KillTasksBody)},
    "/api/v2/tasks/summary": {"GET": _get(reading.tasks_summary, shapes.TasksSummary)},
    "/api/v2/tasks/{id}": _TASK,
    "/v2/tasks/{id}": _TASK,
    "/api/v2/logs/{id}": {"GET": _get(reading.show_logs, shapes.Logs)},
    "/api/v2/scheduler/listq": {"GET": _get(reading.list_queue, list[shapes.Queued], "limit")},
    "/api/v2/scheduler/qsummary": {"GET": _get(reading.queue_summary, list[shapes.QueueCount])},
    "/api/v2/scheduler/failures/{id}": {"GET": _get(reading.task_failures, shapes.Failures)},
    f"{_VMS}/listserverinfos": {"GET": _get(reading.list_hosts, list[shapes.HostOfV2])},
    f"{_VMS}/listagents": {"GET": _get(reading.list_hosts, list[shapes.HostOfV2])},
    f"{_VMS}/listjobsonvms": {"GET": _get(reading.list_jobs_on_hosts, list[shapes.JobsOnHost])},
}
