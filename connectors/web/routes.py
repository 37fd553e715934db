"""The table of paths: what there is, by which method, with which parameters.

The one thing to know: this is the whole interface; ``docs/rest.md`` describes each row, and a test
holds both against each other.
"""

from typing import Any, Final

from connectors.web import (
    capacity_groups,
    cell_status,
    changing,
    cost,
    logs,
    policy,
    reading,
    submitting,
    system_selectors,
    travel,
)
from connectors.web.call import Handler
from connectors.web.openapi.described import described
from connectors.web.resource import Operation
from connectors.web.shapes import base, cell, descriptor, jobs
from projections.finding import Finding
from projections.history import HistoryOf
from projections.summary import Summary
from projections.travel.causes import Trace
from projections.travel.diff import Difference
from projections.v3_query import CRITERIA
from projections.why import Why



def _command(handler: Handler, body: type[Any]) -> Operation:
    """An operator's order: a body with a reason, and an actor in the header."""
    return Operation(handler, body=body, answer=base.Written, is_actor_required=True)


ROUTES: Final[dict[str, dict[str, Operation]]] = {
    "/api/v3/jobs": {
        "GET": Operation(reading.list_jobs, CRITERIA, is_read=True, answer=jobs.Jobs),
        "POST": Operation(
            submitting.submit_job,
            ("jobId", "dryRun"),
            body=descriptor.JobDescriptor,
            answer=(descriptor.DryRun, base.Written),
            success=(200, 201),
        ),
    },
    "/api/v3/jobs/{id}": {
        "GET": Operation(reading.show_job, is_read=True, answer=jobs.Job),
        "DELETE": Operation(changing.kill_job, ("why",), answer=base.Written, is_versioned=True),
    },
    "/api/v3/jobs/{id}/instances": {
        "PUT": Operation(
            changing.set_capacity,
            ("why",),
            body=jobs.CapacityBody,
            answer=base.Written,
            is_versioned=True,
        )
    },
    "/api/v3/jobs/{id}/capacityAttributes": {
        "PUT": Operation(
            changing.change_capacity,
            ("why",),
            body=jobs.CapacityAttributesBody,
            answer=base.Written,
            is_versioned=True,
        )
    },
    "/api/v3/jobs/{id}/events": {
        "GET": Operation(reading.job_events, ("tasks",), is_read=True, answer=HistoryOf)
    },
    "/api/v3/jobs/{id}/why": {"GET": Operation(reading.why_job, ("at",), is_read=True, answer=Why)},
    "/api/v3/tasks": {
        "GET": Operation(reading.list_tasks, CRITERIA, is_read=True, answer=jobs.Tasks)
    },
    "/api/v3/tasks/{id}": {
        "GET": Operation(reading.show_task, is_read=True, answer=jobs.Task),
        "DELETE": Operation(
            changing.kill_task,
            ("shrink", "preventMinSizeUpdate", "why"),
            answer=base.Written,
            is_versioned=True,
        ),
    },
    "/api/v3/tasks/{id}/events": {
        "GET": Operation(reading.task_events, is_read=True, answer=HistoryOf)
    },
    "/api/v3/tasks/{id}/why": {
        "GET": Operation(reading.why_task, ("at",), is_read=True, answer=Why)
    },
    "/api/v3/tasks/{id}/log": {
        "GET": Operation(
            logs.task_log,
            ("file", "offset", "length", "tail", "since"),
            is_read=True,
            media="application/octet-stream",
            errors=(502,),
        )
    },
    "/api/v3/scheduler/results/{id}": {
        "GET": Operation(
            reading.scheduling_result, ("round",), is_read=True, answer=cell.SchedulingResult
        )
    },
    system_selectors.PATH: {
        "GET": Operation(
            system_selectors.list_selectors, is_read=True, answer=cell.SystemSelectors
        ),
        "POST": Operation(
            system_selectors.add_selector,
            ("why",),
            body=cell.SystemSelector,
            answer=base.Written,
            success=(201,),
            is_actor_required=True,
        ),
    },
    f"{system_selectors.PATH}/{{id}}": {
        "GET": Operation(
            system_selectors.show_selector, is_read=True, answer=cell.SystemSelector
        ),
        "PUT": Operation(
            system_selectors.put_selector,
            ("ifVersion", "why"),
            body=cell.SystemSelectorBody,
            answer=base.Written,
            is_actor_required=True,
        ),
        "DELETE": Operation(
            system_selectors.remove_selector,
            ("ifVersion", "why"),
            answer=base.Written,
            is_actor_required=True,
        ),
    },
    "/api/v3/status": {
        "GET": Operation(cell_status.status, is_read=True, answer=cell.Status)
    },
    "/api/flumina/state": {
        "GET": Operation(cell_status.state, ("at",), is_read=True, answer=Summary)
    },
    "/api/flumina/diff": {
        "GET": Operation(
            travel.diff,
            ("from", "to", "limit", "skip"),
            is_read=True,
            answer=Difference,
            required=("from",),
        )
    },
    "/api/flumina/timeline/{id}": {
        "GET": Operation(
            travel.timeline, ("from", "to", "limit", "skip"), is_read=True, answer=cell.Timeline
        )
    },
    capacity_groups.PATH: {
        "GET": Operation(capacity_groups.list_groups, ("extended",), is_read=True),
        "POST": Operation(capacity_groups.add_group, ("why",)),
    },
    f"{capacity_groups.PATH}/{{id}}": {
        "GET": Operation(capacity_groups.show_group, ("extended",), is_read=True),
        "PUT": Operation(capacity_groups.put_group, ("why",)),
        "DELETE": Operation(capacity_groups.remove_group, ("why",)),
    },
    capacity_groups.CONSUMPTION: {"GET": Operation(capacity_groups.consumption, is_read=True)},
    capacity_groups.CAPACITY: {"GET": Operation(capacity_groups.capacity, is_read=True)},
    cost.PATH: {"GET": Operation(cost.cost, ("from", "to", "by", "limit"), is_read=True)},
    "/api/flumina/trace": {
        "GET": Operation(
            travel.trace,
            ("address", "direction"),
            is_read=True,
            answer=Trace,
            required=("address",),
        )
    },
    "/api/flumina/safe": {"GET": Operation(cell_status.safe, is_read=True, answer=Finding)},
    "/api/flumina/orphans": {
        "GET": Operation(cell_status.orphans, is_read=True, answer=cell.Orphans)
    },
    policy.PATH: {
        "GET": Operation(policy.show_policy, is_read=True, answer=cell.PolicyShown),
        "PUT": Operation(
            policy.put_policy,
            ("dryRun", "ifVersion", "why"),
            body=base.Json,
            answer=(cell.PolicyWould, base.Written),
            is_actor_required=True,
        ),
    },
    "/api/flumina/commands/rules": {"POST": _command(changing.change_rules, cell.RulesBody)},
    "/api/flumina/commands/host": {"POST": _command(changing.set_host, cell.HostBody)},
    "/api/flumina/commands/policy": {"POST": _command(changing.set_policy, cell.PolicyNumbersBody)},
    "/api/flumina/commands/skip": {"POST": _command(changing.skip_record, cell.SkipBody)},
    "/api/flumina/commands/forget-orphan": {"POST": _command(changing.forget_orphan, cell.OrphanBody)},
    "/api/flumina/commands/confirm-finding": {"POST": _command(changing.confirm_finding, cell.ConfirmBody)},
    "/api/flumina/commands/reject-finding": {"POST": _command(changing.reject_finding, cell.RejectBody)},
    "/health": {
        "GET": Operation(
            cell_status.health,
            answer=cell.Standing,
            success=(200, 503),
            is_published=False,
        )
    },
    "/metrics": {
        "GET": Operation(cell_status.metrics, media="text/plain", is_published=False)
    },
}
ROUTES["/api/openapi.json"] = {
    "GET": Operation(described(ROUTES), answer=base.Json, is_read=True)
}
