"""The table of paths: what there is, by which method, with which parameters.

The one thing to know: this is the whole interface; ``docs/rest.md`` describes each row, and a test
holds both against each other.
"""

from dataclasses import replace
from typing import Any, Final

from connectors.web import (
    agents,
    autoscaling,
    balancers,
    campaigns,
    capacity_groups,
    cell_status,
    changing,
    cost,
    evictions,
    lifecycle,
    logs,
    policy,
    reading,
    relocation,
    submitting,
    supervisor,
    system_selectors,
    travel,
)
from connectors.web.alerts import ALERT_ROUTES
from connectors.web.call import Handler
from connectors.web.exec_routes import EXEC_ROUTES
from connectors.web.fleet import FLEET_ROUTES
from connectors.web.glance import GLANCE_ROUTES
from connectors.web.healing import HEALING_ROUTES
from connectors.web.incident import INCIDENT_ROUTES
from connectors.web.observe import OBSERVE_ROUTES
from connectors.web.openapi.described import described
from connectors.web.resource import Operation
from connectors.web.rewinding import REWOUND
from connectors.web.secrets import SECRET_ROUTES
from connectors.web.shapes import agents as agent_shapes
from connectors.web.shapes import autoscaling as scaling_shapes
from connectors.web.shapes import balancers as balancer_shapes
from connectors.web.shapes import base, capacity, cell, descriptor, jobs
from connectors.web.shapes import campaigns as campaign_shapes
from connectors.web.shapes import disruption as disruption_shapes
from connectors.web.updates_routes import UPDATE_ROUTES
from connectors.web.v2.routes import V2_ROUTES
from connectors.web.volumes import VOLUME_ROUTES
from connectors.web.webhooks import WEBHOOK_ROUTES
from projections.cost.ledger import Costs
from projections.finding import Finding
from projections.history import HistoryOf
from projections.summary import Summary
from projections.travel.causes import Trace
from projections.travel.diff import Difference
from projections.v3_query import CRITERIA
from projections.why import Why


def _change(handler: Handler, *parameters: str, body: type[Any] | None = None) -> Operation:
    """What a user changes of a job or task, of the version that ``If-Match`` names."""
    return Operation(
        handler,
        (*parameters, "why"),
        body=body,
        answer=base.Written,
        required=parameters,
        is_versioned=True,
    )


def _order(handler: Handler, *parameters: str, body: type[Any] | None = None) -> Operation:
    """The same of an operator, who says who he is."""
    return replace(_change(handler, *parameters, body=body), is_actor_required=True)


def _command(handler: Handler, body: type[Any]) -> Operation:
    """An operator's order: a body with a reason, and an actor in the header."""
    return Operation(handler, body=body, answer=base.Written, is_actor_required=True)


def _quota(handler: Handler) -> Operation:
    """How many tasks may be evicted now."""
    return Operation(handler, is_read=True, answer=disruption_shapes.EvictionQuota)


_STOP_BEING_LEADER: Final = replace(_order(supervisor.stop_being_leader), is_versioned=False)

ROUTES: Final[dict[str, dict[str, Operation]]] = {
    "/api/v3/jobs": {
        "GET": Operation(reading.list_jobs, CRITERIA, is_read=True, answer=jobs.Jobs),
        "POST": Operation(
            submitting.submit_job,
            ("jobId", "dryRun", "why"),
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
    "/api/v3/jobs/{id}/jobprocesses": {
        "PUT": _change(lifecycle.set_processes, body=jobs.JobProcessesBody)
    },
    "/api/v3/jobs/{id}/attributes": {
        "PUT": _change(lifecycle.set_job_attributes, body=jobs.AttributesBody),
        "DELETE": _change(lifecycle.remove_job_attributes, "keys"),
    },
    "/api/v3/jobs/{id}/disruptionBudget": {
        "PUT": _change(evictions.set_budget, body=disruption_shapes.DisruptionBudgetBody)
    },
    f"{evictions.PATH}/quotas/system": {"GET": _quota(evictions.show_system_quota)},
    f"{evictions.PATH}/quotas/tiers/{{id}}": {"GET": _quota(evictions.show_tier_quota)},
    f"{evictions.PATH}/quotas/capacityGroups/{{id}}": {"GET": _quota(evictions.show_group_quota)},
    f"{evictions.PATH}/quotas/jobs/{{id}}": {"GET": _quota(evictions.show_job_quota)},
    f"{evictions.PATH}/quotas/tasks/{{id}}": {"GET": _quota(evictions.show_task_quota)},
    f"{evictions.PATH}/tasks/{{id}}": {
        "DELETE": Operation(
            evictions.evict_task, ("reason",), answer=disruption_shapes.Eviction, errors=(409,)
        )
    },
    f"{relocation.PATH}/plans": {
        "GET": Operation(
            relocation.list_plans,
            relocation.CRITERIA,
            is_read=True,
            answer=disruption_shapes.Plans,
        )
    },
    f"{relocation.PATH}/plans/{{id}}": {
        "GET": Operation(relocation.show_plan, is_read=True, answer=disruption_shapes.Plan)
    },
    f"{relocation.PATH}/executions": {
        "GET": Operation(
            relocation.list_executions,
            relocation.CRITERIA,
            is_read=True,
            answer=disruption_shapes.Executions,
        )
    },
    f"{relocation.PATH}/executions/{{id}}": {
        "GET": Operation(
            relocation.show_execution, is_read=True, answer=disruption_shapes.Execution
        )
    },
    relocation.DRAINS: {
        "GET": Operation(relocation.list_drains, is_read=True, answer=disruption_shapes.Drains)
    },
    "/api/v3/jobs/{id}/enable": {"POST": _change(lifecycle.enable_job)},
    "/api/v3/jobs/{id}/disable": {"POST": _change(lifecycle.disable_job)},
    "/api/v3/jobs/{id}/events": {
        "GET": Operation(reading.job_events, ("tasks", "at"), is_read=True, answer=HistoryOf)
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
    "/api/v3/tasks/{id}/attributes": {
        "PUT": _change(lifecycle.set_task_attributes, body=jobs.AttributesBody),
        "DELETE": _change(lifecycle.remove_task_attributes, "keys"),
    },
    "/api/v3/tasks/move": {"POST": _change(lifecycle.move_task, body=jobs.MoveBody)},
    "/api/v3/tasks/{id}/events": {
        "GET": Operation(reading.task_events, ("at",), is_read=True, answer=HistoryOf)
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
        "GET": Operation(system_selectors.show_selector, is_read=True, answer=cell.SystemSelector),
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
    f"{autoscaling.PATH}/scalingPolicies": {
        "GET": Operation(
            autoscaling.list_policies, is_read=True, answer=scaling_shapes.ScalingPolicies
        )
    },
    f"{autoscaling.PATH}/scalingPolicies/{{id}}": {
        "GET": Operation(
            autoscaling.policies_of_job, is_read=True, answer=scaling_shapes.ScalingPolicies
        )
    },
    f"{autoscaling.PATH}/scalingPolicy": {
        "POST": Operation(
            autoscaling.add_policy,
            ("why",),
            body=scaling_shapes.PutPolicyBody,
            answer=base.Written,
            success=(201,),
        ),
        "PUT": Operation(
            autoscaling.put_policy,
            ("why",),
            body=scaling_shapes.UpdatePolicyBody,
            answer=base.Written,
            is_versioned=True,
        ),
    },
    f"{autoscaling.PATH}/scalingPolicy/{{id}}": {
        "GET": Operation(
            autoscaling.show_policy, is_read=True, answer=scaling_shapes.ScalingPolicy
        ),
        "DELETE": Operation(
            autoscaling.remove_policy, ("why",), answer=base.Written, is_versioned=True
        ),
    },
    f"{autoscaling.PATH}/scalingActivities/{{id}}": {
        "GET": Operation(
            autoscaling.activities_of_job, is_read=True, answer=scaling_shapes.ScalingActivities
        )
    },
    balancers.PATH: {
        "GET": Operation(
            balancers.list_load_balancers, is_read=True, answer=balancer_shapes.AllLoadBalancers
        ),
        "POST": _change(balancers.add_load_balancer, "jobId", "loadBalancerId"),
        "DELETE": _change(balancers.remove_load_balancer, "jobId", "loadBalancerId"),
    },
    f"{balancers.PATH}/{{id}}": {
        "GET": Operation(
            balancers.load_balancers_of_job, is_read=True, answer=balancer_shapes.JobLoadBalancers
        )
    },
    balancers.ENDPOINTS: {
        "GET": Operation(
            balancers.list_endpoints,
            ("services",),
            is_read=True,
            answer=balancer_shapes.Endpoints,
        )
    },
    "/api/v3/agent/instanceGroups": {
        "GET": Operation(agents.list_groups, is_read=True, answer=agent_shapes.InstanceGroups)
    },
    "/api/v3/agent/instanceGroups/{id}": {
        "GET": Operation(agents.show_group, is_read=True, answer=agent_shapes.InstanceGroup)
    },
    "/api/v3/agent/instanceGroups/{id}/tier": {
        "PUT": _order(agents.set_tier, body=agent_shapes.TierBody)
    },
    "/api/v3/agent/instanceGroups/{id}/lifecycle": {
        "PUT": _order(agents.set_lifecycle, body=agent_shapes.LifecycleBody)
    },
    "/api/v3/agent/instanceGroups/{id}/attributes": {
        "PUT": _order(agents.set_group_attributes, body=agent_shapes.GroupAttributesBody),
        "DELETE": _order(agents.remove_group_attributes, "keys"),
    },
    "/api/v3/agent/instances": {
        "GET": Operation(agents.list_instances, is_read=True, answer=agent_shapes.Instances)
    },
    "/api/v3/agent/instances/{id}": {
        "GET": Operation(agents.show_instance, is_read=True, answer=agent_shapes.Instance)
    },
    "/api/v3/agent/instances/{id}/attributes": {
        "PUT": replace(
            _order(agents.set_instance_attributes, body=agent_shapes.InstanceAttributesBody),
            is_versioned=False,
        ),
        "DELETE": replace(_order(agents.remove_instance_attributes, "keys"), is_versioned=False),
    },
    "/api/v3/supervisor/instances": {
        "GET": Operation(supervisor.list_masters, is_read=True, answer=cell.MasterInstances)
    },
    "/api/v3/supervisor/instances/leader": {
        "GET": Operation(
            supervisor.show_leader, is_read=True, answer=cell.MasterInstance, errors=(404,)
        )
    },
    "/api/v3/supervisor/instances/{id}": {
        "GET": Operation(supervisor.show_master, is_read=True, answer=cell.MasterInstance)
    },
    "/api/v3/supervisor/self/stopBeingLeader": {"DELETE": _STOP_BEING_LEADER},
    "/api/v3/clustermembership/members": {
        "GET": Operation(supervisor.list_members, is_read=True, answer=cell.Members)
    },
    "/api/v3/clustermembership/members/{id}": {
        "GET": Operation(supervisor.show_member, is_read=True, answer=cell.Member)
    },
    "/api/v3/clustermembership/members/{id}/labels": {
        "POST": replace(
            _order(supervisor.set_member_labels, body=cell.LabelsBody), is_versioned=False
        ),
        "DELETE": replace(_order(supervisor.remove_member_labels, "keys"), is_versioned=False),
    },
    "/api/v3/clustermembership/members/{id}/stopBeingLeader": {"POST": _STOP_BEING_LEADER},
    "/api/v2/leader": {
        "GET": Operation(supervisor.leader_of_v2, is_read=True, answer=cell.LeaderV2, errors=(404,))
    },
    "/api/v2/status": {"GET": Operation(cell_status.status, is_read=True, answer=cell.Status)},
    "/api/v3/status": {"GET": Operation(cell_status.status, is_read=True, answer=cell.Status)},
    "/api/flumina/state": {
        "GET": Operation(cell_status.state, ("at",), is_read=True, answer=Summary, errors=(404,))
    },
    "/api/flumina/diff": {
        "GET": Operation(
            travel.diff,
            ("from", "to", "limit", "skip"),
            is_read=True,
            answer=Difference,
            required=("from",),
            errors=(404,),
        )
    },
    "/api/flumina/timeline/{id}": {
        "GET": Operation(
            travel.timeline, ("from", "to", "limit", "skip"), is_read=True, answer=cell.Timeline
        )
    },
    capacity_groups.PATH: {
        "GET": Operation(
            capacity_groups.list_groups,
            ("extended",),
            is_read=True,
            answer=list[capacity.CapacityGroup],
        ),
        "POST": Operation(
            capacity_groups.add_group,
            ("why",),
            body=capacity.CapacityGroupBody,
            answer=base.Written,
            success=(201,),
        ),
    },
    f"{capacity_groups.PATH}/{{id}}": {
        "GET": Operation(
            capacity_groups.show_group,
            ("extended",),
            is_read=True,
            answer=capacity.CapacityGroup,
        ),
        "PUT": Operation(
            capacity_groups.put_group,
            ("why",),
            body=capacity.CapacityGroupChange,
            answer=base.Written,
        ),
        "DELETE": Operation(capacity_groups.remove_group, ("why",), answer=base.Written),
    },
    capacity_groups.CONSUMPTION: {
        "GET": Operation(capacity_groups.consumption, is_read=True, answer=capacity.Consumption)
    },
    capacity_groups.CAPACITY: {
        "GET": Operation(capacity_groups.capacity, is_read=True, answer=capacity.Capacity)
    },
    campaigns.CANDIDATES: {
        "GET": Operation(
            campaigns.list_candidates,
            ("match", "name"),
            is_read=True,
            answer=campaign_shapes.Candidates,
            required=("match",),
        )
    },
    campaigns.PATH: {
        "GET": Operation(
            campaigns.show_campaign,
            is_read=True,
            answer=campaign_shapes.Progress,
        )
    },
    cost.PATH: {
        "GET": Operation(cost.cost, ("from", "to", "by", "limit"), is_read=True, answer=Costs)
    },
    "/api/flumina/trace": {
        "GET": Operation(
            travel.trace,
            ("address", "direction"),
            is_read=True,
            answer=Trace,
            required=("address",),
            errors=(404,),
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
    "/api/flumina/commands/forget-orphan": {
        "POST": _command(changing.forget_orphan, cell.OrphanBody)
    },
    "/api/flumina/commands/registry-health": {
        "POST": _command(changing.note_registry_health, balancer_shapes.RegistryHealthBody)
    },
    "/api/flumina/commands/confirm-finding": {
        "POST": _command(changing.confirm_finding, cell.ConfirmBody)
    },
    "/api/flumina/commands/reject-finding": {
        "POST": _command(changing.reject_finding, cell.RejectBody)
    },
    "/health": {
        "GET": Operation(
            cell_status.health,
            answer=cell.Standing,
            success=(200, 503),
            is_published=False,
        )
    },
    "/metrics": {"GET": Operation(cell_status.metrics, media="text/plain", is_published=False)},
}
ROUTES.update(V2_ROUTES)
ROUTES.update(UPDATE_ROUTES)
ROUTES.update(OBSERVE_ROUTES)
ROUTES.update(VOLUME_ROUTES)
ROUTES.update(WEBHOOK_ROUTES)
ROUTES.update(SECRET_ROUTES)
ROUTES.update(EXEC_ROUTES)
ROUTES.update(ALERT_ROUTES)
ROUTES.update(FLEET_ROUTES)
ROUTES.update(HEALING_ROUTES)
ROUTES.update(INCIDENT_ROUTES)
ROUTES.update(GLANCE_ROUTES)
for _path in REWOUND:
    ROUTES[_path]["GET"] = replace(ROUTES[_path]["GET"], is_rewound=True)
ROUTES["/api/openapi.json"] = {"GET": Operation(described(ROUTES), answer=base.Json, is_read=True)}
