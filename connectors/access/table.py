"""What each path of each process needs: which action, and about what.

The one thing to know: what is not in here is refused to everybody once principals are set up. A
test asks every running application for its paths, and compares (tests/unit/access/test_matrix.py).
"""

from typing import Final, NamedTuple

from connectors.access.principals import Action, Reach


class Rule(NamedTuple):
    """What a request needs."""

    action: Action
    reach: Reach


Table = dict[tuple[str, str], Rule]
"""By method and path."""
_A3: Final = "/api/v3"
_A2: Final = "/api/v2"
_F: Final = "/api/flumina"

_OPEN = Rule("look", "open")
_LOOK = Rule("look", "cell")
_LOOK_ALL = Rule("look", "all")
_JOB = Rule("look", "job")
_TASK = Rule("look", "task")
_LIST = Rule("look", "list")
_RUN = Rule("run", "named")
_RUN_JOB = Rule("run", "job")
_RUN_TASK = Rule("run", "task")
_OPERATE = Rule("operate", "cell")
_ADMINISTER = Rule("administer", "cell")


def _of(rule: Rule, methods: str, *paths: str) -> Table:
    return {(method, path): rule for path in paths for method in methods.split()}


_READS: Final[Table] = {
    **_of(_OPEN, "GET", "/health"),
    **_of(
        _LOOK,
        "GET",
        "/metrics",
        "/api/openapi.json",
        f"{_A2}/leader",
        f"{_A2}/status",
        f"{_A3}/status",
        f"{_A3}/supervisor/instances",
        f"{_A3}/supervisor/instances/leader",
        f"{_A3}/supervisor/instances/{{id}}",
        f"{_A3}/clustermembership/members",
        f"{_A3}/clustermembership/members/{{id}}",
        f"{_A3}/clustermembership/observe",
        f"{_A3}/agent/instanceGroups",
        f"{_A3}/agent/instanceGroups/{{id}}",
        f"{_A3}/agent/instances",
        f"{_A3}/agent/instances/{{id}}",
        f"{_A3}/observe/agents",
        f"{_A3}/eviction/quotas/system",
        f"{_A3}/eviction/quotas/tiers/{{id}}",
        f"{_A3}/eviction/quotas/capacityGroups/{{id}}",
        f"{_A3}/scheduler/systemSelectors",
        f"{_A3}/scheduler/systemSelectors/{{id}}",
        f"{_A2}/management/applications",
        f"{_A2}/management/applications/{{id}}",
        f"{_F}/policy",
        f"{_F}/safe",
        f"{_F}/state",
        f"{_F}/capacity",
        f"{_F}/fleet/groups",
        f"{_F}/fleet/groups/{{id}}",
        f"{_F}/fleet/maintenance",
        f"{_F}/fleet/plan",
        f"{_F}/fleet/rules",
        f"{_F}/fleet/deployments",
        f"{_F}/fleet/deployments/{{id}}",
    ),
    **_of(
        _LIST, "GET", f"{_A3}/jobs", f"{_A3}/tasks", f"{_A3}/observe/jobs", f"{_F}/glance/failing"
    ),
    **_of(
        _JOB,
        "GET",
        f"{_A3}/jobs/{{id}}",
        f"{_A3}/jobs/{{id}}/events",
        f"{_A3}/jobs/{{id}}/why",
        f"{_A3}/jobs/{{id}}/observe",
        f"{_A3}/autoscaling/scalingPolicies/{{id}}",
        f"{_A3}/autoscaling/scalingActivities/{{id}}",
        f"{_A3}/loadBalancers/{{id}}",
        f"{_A3}/eviction/quotas/jobs/{{id}}",
        f"{_F}/jobs/{{id}}/cron",
        f"{_F}/jobs/{{id}}/updates",
        f"{_F}/jobs/{{id}}/updates/{{number}}",
        f"{_A2}/jobs/{{id}}",
        "/v2/jobs/{id}",
    ),
    **_of(
        _TASK,
        "GET",
        f"{_A3}/tasks/{{id}}",
        f"{_A3}/tasks/{{id}}/events",
        f"{_A3}/tasks/{{id}}/why",
        f"{_A3}/tasks/{{id}}/log",
        f"{_A3}/scheduler/results/{{id}}",
        f"{_A3}/eviction/quotas/tasks/{{id}}",
        f"{_A3}/relocation/plans/{{id}}",
        f"{_A3}/relocation/executions/{{id}}",
        f"{_A2}/tasks/{{id}}",
        "/v2/tasks/{id}",
        f"{_A2}/logs/{{id}}",
        f"{_A2}/scheduler/failures/{{id}}",
    ),
    **_of(
        _LOOK_ALL,
        "GET",
        f"{_F}/incident/tasks/{{id}}",
        f"{_A2}/jobs",
        "/v2/jobs",
        f"{_A2}/tasks/summary",
        f"{_A2}/scheduler/listq",
        f"{_A2}/scheduler/qsummary",
        f"{_A2}/vm/activevms/listserverinfos",
        f"{_A2}/vm/activevms/listagents",
        f"{_A2}/vm/activevms/listjobsonvms",
        f"{_A2}/resource/consumption",
        f"{_A3}/autoscaling/scalingPolicies",
        f"{_A3}/autoscaling/scalingPolicy/{{id}}",
        f"{_A3}/loadBalancers",
        f"{_A3}/relocation/plans",
        f"{_A3}/relocation/executions",
        f"{_A3}/relocation/observe",
        f"{_A3}/eviction/observe",
        f"{_A3}/scheduler/observe",
        f"{_F}/addresses",
        f"{_F}/alerts",
        f"{_F}/alerts/measures",
        f"{_F}/alerts/rules",
        f"{_F}/campaign",
        f"{_F}/campaigns/{{id}}",
        f"{_F}/cost",
        f"{_F}/diff",
        f"{_F}/drains",
        f"{_F}/endpoints",
        f"{_F}/event",
        f"{_F}/glance/hosts",
        f"{_F}/glance/hosts/{{id}}",
        f"{_F}/glance/lines",
        f"{_F}/glance/marks",
        f"{_F}/glance/waiting",
        f"{_F}/glance/waits",
        f"{_F}/healing/runbooks",
        f"{_F}/healing/runs",
        f"{_F}/healing/runs/{{id}}",
        f"{_F}/health",
        f"{_F}/health/hosts/{{id}}",
        f"{_F}/incident",
        f"{_F}/incident/notes",
        f"{_F}/incident/page",
        f"{_F}/incident/slice",
        f"{_F}/orphans",
        f"{_F}/secrets",
        f"{_F}/slo",
        f"{_F}/timeline/{{id}}",
        f"{_F}/trace",
        f"{_F}/volumes",
        f"{_F}/volumes/{{id}}",
        f"{_F}/webhooks",
        f"{_F}/webhooks/{{id}}",
    ),
}
_RUNS: Final[Table] = {
    **_of(_RUN, "POST", f"{_A3}/jobs", f"{_A2}/jobs", "/v2/jobs", f"{_A3}/tasks/move"),
    **_of(_RUN, "POST", f"{_A2}/jobs/kill", f"{_A2}/jobs/setinservice", f"{_A2}/tasks/kill"),
    **_of(_RUN, "POST", f"{_A2}/jobs/setinstancecounts"),
    # A value is sealed for whoever may submit; what was sealed is nobody's to read here.
    **_of(Rule("run", "list"), "POST", f"{_F}/secrets/seal"),
    **_of(_RUN, "POST DELETE", f"{_A3}/loadBalancers"),
    **_of(_RUN, "POST PUT", f"{_A3}/autoscaling/scalingPolicy"),
    **_of(_RUN, "DELETE", f"{_A3}/autoscaling/scalingPolicy/{{id}}"),
    **_of(_RUN_JOB, "DELETE", f"{_A3}/jobs/{{id}}"),
    **_of(_RUN_JOB, "PUT DELETE", f"{_A3}/jobs/{{id}}/attributes"),
    **_of(
        _RUN_JOB,
        "PUT",
        f"{_A3}/jobs/{{id}}/instances",
        f"{_A3}/jobs/{{id}}/capacityAttributes",
        f"{_A3}/jobs/{{id}}/jobprocesses",
        f"{_A3}/jobs/{{id}}/disruptionBudget",
    ),
    **_of(
        _RUN_JOB,
        "POST",
        f"{_A3}/jobs/{{id}}/enable",
        f"{_A3}/jobs/{{id}}/disable",
        f"{_F}/jobs/{{id}}/updates",
        f"{_F}/jobs/{{id}}/updates/{{number}}/pause",
        f"{_F}/jobs/{{id}}/updates/{{number}}/resume",
        f"{_F}/jobs/{{id}}/updates/{{number}}/rollback",
    ),
    **_of(_RUN_TASK, "DELETE", f"{_A3}/tasks/{{id}}", f"{_A3}/eviction/tasks/{{id}}"),
    **_of(_RUN_TASK, "PUT DELETE", f"{_A3}/tasks/{{id}}/attributes"),
    # A shell in a task is its owner's; a session is its actor's alone.
    **_of(
        _RUN_TASK, "POST", f"{_F}/tasks/{{id}}/exec", f"{_F}/tasks/{{id}}/exec/{{session}}/input"
    ),
    **_of(_RUN_TASK, "GET", f"{_F}/tasks/{{id}}/exec/{{session}}/output"),
    **_of(_RUN_TASK, "DELETE", f"{_F}/tasks/{{id}}/exec/{{session}}"),
}
_ORDERS: Final[Table] = {
    **_of(
        _OPERATE,
        "PUT",
        f"{_A3}/agent/instanceGroups/{{id}}/tier",
        f"{_A3}/agent/instanceGroups/{{id}}/lifecycle",
        f"{_F}/fleet/groups/{{id}}/size",
        f"{_F}/fleet/groups/{{id}}/warm-pool",
    ),
    **_of(
        _OPERATE,
        "PUT DELETE",
        f"{_A3}/agent/instanceGroups/{{id}}/attributes",
        f"{_A3}/agent/instances/{{id}}/attributes",
        f"{_F}/alerts/silences/{{id}}",
    ),
    **_of(_OPERATE, "DELETE", f"{_A3}/supervisor/self/stopBeingLeader"),
    **_of(_OPERATE, "POST DELETE", f"{_A3}/clustermembership/members/{{id}}/labels"),
    **_of(
        _OPERATE,
        "POST",
        f"{_A3}/clustermembership/members/{{id}}/stopBeingLeader",
        f"{_F}/alerts/acknowledge",
        f"{_F}/commands/host",
        f"{_F}/commands/confirm-finding",
        f"{_F}/commands/reject-finding",
        f"{_F}/commands/registry-health",
        f"{_F}/commands/release-holds",
        f"{_F}/fleet/deployments",
        f"{_F}/fleet/deployments/{{id}}/pause",
        f"{_F}/fleet/deployments/{{id}}/resume",
        f"{_F}/fleet/deployments/{{id}}/rollback",
        f"{_F}/healing/runs",
        f"{_F}/healing/runs/{{id}}/approve",
        f"{_F}/healing/runs/{{id}}/stop",
        f"{_F}/healing/runbooks/{{id}}/resume",
        f"{_F}/health/hosts/{{id}}/release",
        f"{_F}/incident/notes",
        f"{_F}/volumes/{{id}}",
        f"{_F}/webhooks/{{id}}/pause",
        f"{_F}/webhooks/{{id}}/resume",
        f"{_F}/webhooks/{{id}}/test",
    ),
    **_of(
        _ADMINISTER,
        "POST",
        f"{_A3}/scheduler/systemSelectors",
        f"{_A2}/management/applications",
        f"{_F}/commands/rules",
        f"{_F}/commands/policy",
        f"{_F}/commands/skip",
        f"{_F}/commands/forget-orphan",
        f"{_F}/webhooks",
        f"{_F}/secrets/rotate",
        f"{_F}/secrets/forget",
    ),
    **_of(
        _ADMINISTER,
        "PUT DELETE",
        f"{_A3}/scheduler/systemSelectors/{{id}}",
        f"{_A2}/management/applications/{{id}}",
        f"{_F}/webhooks/{{id}}",
    ),
    **_of(_ADMINISTER, "PUT", f"{_F}/policy", f"{_F}/fleet/rules", f"{_F}/healing/runbooks"),
}
API: Final[Table] = {**_READS, **_RUNS, **_ORDERS}
"""Of the api process."""

QUERY: Final[Table] = {
    **_of(_OPEN, "POST", f"{_F}/access/login", f"{_F}/access/logout"),
    **_of(_OPEN, "GET", f"{_F}/access/me"),
    **_of(
        _LOOK_ALL,
        "GET",
        f"{_F}/query/stream",
        f"{_F}/query/saved",
        f"{_F}/query/saved/{{name}}",
        f"{_F}/query/streams",
        f"{_F}/query/streams/{{name}}",
    ),
    **_of(
        _LOOK,
        "GET",
        f"{_F}/query/sources",
        f"{_F}/query/status",
        f"{_F}/query/metrics",
        f"{_F}/dashboards",
        f"{_F}/dashboards/{{name}}",
    ),
    **_of(_LOOK, "POST", f"{_F}/query/check"),
    **_of(Rule("run", "all"), "PUT DELETE", f"{_F}/query/saved/{{name}}"),
    # What a stream writes goes to a topic, for whoever reads it there.
    **_of(_OPERATE, "PUT DELETE", f"{_F}/query/streams/{{name}}"),
}
"""Of the query process; what it passes on, the api decides, and the console's files are open."""

FEDERATION: Final[Table] = {
    **_of(_OPEN, "GET", "/health"),
    **_of(_LOOK, "GET", f"{_F}/federation"),
}
"""Of the federation's front, where it answers by itself. Everything else has to prove who it is
here, and is asked of each cell by the same principal, which decides."""

METRICS: Final[Table] = _of(_LOOK, "GET", "/metrics")
"""Of the pages of metrics of processes that serve nothing else."""
