"""The table of paths: what there is, by which method, with which parameters.

The one thing to know: this is the whole interface; ``docs/rest.md`` describes each row, and a test
holds both against each other.
"""

from typing import Final

from connectors.web import (
    cell_status,
    changing,
    logs,
    policy,
    reading,
    submitting,
    system_selectors,
    travel,
)
from connectors.web.resource import Operation
from connectors.web.views import CRITERIA

ROUTES: Final[dict[str, dict[str, Operation]]] = {
    "/api/v3/jobs": {
        "GET": Operation(reading.list_jobs, CRITERIA, is_read=True),
        "POST": Operation(submitting.submit_job, ("jobId", "dryRun")),
    },
    "/api/v3/jobs/{id}": {
        "GET": Operation(reading.show_job, is_read=True),
        "DELETE": Operation(changing.kill_job, ("why",)),
    },
    "/api/v3/jobs/{id}/instances": {"PUT": Operation(changing.set_capacity, ("why",))},
    "/api/v3/jobs/{id}/capacityAttributes": {"PUT": Operation(changing.change_capacity, ("why",))},
    "/api/v3/jobs/{id}/events": {"GET": Operation(reading.job_events, ("tasks",), is_read=True)},
    "/api/v3/jobs/{id}/why": {"GET": Operation(reading.why_job, ("at",), is_read=True)},
    "/api/v3/tasks": {"GET": Operation(reading.list_tasks, CRITERIA, is_read=True)},
    "/api/v3/tasks/{id}": {
        "GET": Operation(reading.show_task, is_read=True),
        "DELETE": Operation(changing.kill_task, ("shrink", "why")),
    },
    "/api/v3/tasks/{id}/events": {"GET": Operation(reading.task_events, is_read=True)},
    "/api/v3/tasks/{id}/why": {"GET": Operation(reading.why_task, ("at",), is_read=True)},
    "/api/v3/tasks/{id}/log": {
        "GET": Operation(logs.task_log, ("file", "offset", "length", "tail", "since"), is_read=True)
    },
    "/api/v3/scheduler/results/{id}": {
        "GET": Operation(reading.scheduling_result, ("round",), is_read=True)
    },
    system_selectors.PATH: {
        "GET": Operation(system_selectors.list_selectors, is_read=True),
        "POST": Operation(system_selectors.add_selector, ("why",)),
    },
    f"{system_selectors.PATH}/{{id}}": {
        "GET": Operation(system_selectors.show_selector, is_read=True),
        "PUT": Operation(system_selectors.put_selector, ("ifVersion", "why")),
        "DELETE": Operation(system_selectors.remove_selector, ("ifVersion", "why")),
    },
    "/api/v3/status": {"GET": Operation(cell_status.status, is_read=True)},
    "/api/flumina/state": {"GET": Operation(cell_status.state, ("at",), is_read=True)},
    "/api/flumina/diff": {
        "GET": Operation(travel.diff, ("from", "to", "limit", "skip"), is_read=True)
    },
    "/api/flumina/timeline/{id}": {
        "GET": Operation(travel.timeline, ("from", "to", "limit", "skip"), is_read=True)
    },
    "/api/flumina/trace": {"GET": Operation(travel.trace, ("address", "direction"), is_read=True)},
    "/api/flumina/safe": {"GET": Operation(cell_status.safe, is_read=True)},
    "/api/flumina/orphans": {"GET": Operation(cell_status.orphans, is_read=True)},
    policy.PATH: {
        "GET": Operation(policy.show_policy, is_read=True),
        "PUT": Operation(policy.put_policy, ("dryRun", "ifVersion", "why")),
    },
    "/api/flumina/commands/rules": {"POST": Operation(changing.change_rules)},
    "/api/flumina/commands/host": {"POST": Operation(changing.set_host)},
    "/api/flumina/commands/policy": {"POST": Operation(changing.set_policy)},
    "/api/flumina/commands/skip": {"POST": Operation(changing.skip_record)},
    "/api/flumina/commands/forget-orphan": {"POST": Operation(changing.forget_orphan)},
    "/api/flumina/commands/confirm-finding": {"POST": Operation(changing.confirm_finding)},
    "/api/flumina/commands/reject-finding": {"POST": Operation(changing.reject_finding)},
    "/health": {"GET": Operation(cell_status.health)},
    "/metrics": {"GET": Operation(cell_status.metrics)},
}
