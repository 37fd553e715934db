"""What the file of a policy says about each of its parts.

The one thing to know: a test holds these against the document, so that no number of a policy is
without an explanation and no explanation without its number.
"""

from collections.abc import Mapping
from typing import Final

HEADINGS: Final[Mapping[str, str]] = {
    "profiles": "What makes a host good. Weights count by their ratio; each function answers 0 to "
    "1000.",
    "tiers": "Classes of urgency: the first in this list is served first.",
    "groups": "Capacity groups. A guarantee is kept free of others' work, a limit is never passed;"
    "\nwhat is left out is not counted. Jobs of a group that is not listed are of DEFAULT."
    "\nUnits: cpu in cores; memory and disk in MiB, GiB, TiB; network in Mbit/s, Gbit/s.",
    "guards": "Guard rails: what one host or one job may do to the others. 0: no limit, "
    "but of\npreemptions none.",
    "selectors": "Operators' rules on top of what jobs ask for, by name.",
    "plugins": "Functions of others, from packages that are installed where the cell runs.\n"
    "`flumina policy apply` fills in distribution and version from what is installed here.",
    "limits": "Limits and time-outs of the cell. Units: ms, s, min, h, d.",
}
WORDS: Final[Mapping[str, str]] = {
    "mode": "normal; failover packs everything, to take over another cell's work",
    "lost_zones": "these get no work and count in no balance",
    "lend": "idle guaranteed room is lent for so long at a time; 0: until its owner comes",
    "aging": "who has waited this long goes first, and room is kept for it; 0: never",
    "gpu_hosts_take_all": "whether jobs without GPUs may use hosts with them",
    "attributes": "which attribute of a host says ...",
    "attributes.zone": "its zone",
    "attributes.machine_type": "its machine type",
    "attributes.machine_group": "its group of machines",
    "attributes.taints": "its taints, separated by commas",
    "profiles.*.soft_weight": "of all soft constraints of a job together",
    "profiles.*.good_enough": "take the first host this good (1 to 1000); left out: look at all",
    "tiers[].service_profile": "profile of its services",
    "tiers[].batch_profile": "profile of its batch jobs",
    "tiers[].may_preempt": "whose tasks may end for this tier's guaranteed work",
    "groups.*.weight": "its share of what nobody is guaranteed",
    "groups.*.parent": "whose guarantee it shares",
    "guards.launching_per_host_max": "tasks launched and not yet started",
    "guards.launches_per_host_per_minute": "",
    "guards.launches_per_job_per_minute": "",
    "guards.quality_window": "failures count for this long, less with each fifth of it",
    "guards.quality_least": "a worse host gets no tasks; 0 to 1",
    "guards.preemptions_per_hour": "tasks ended for others, in the whole cell",
    "guards.preemptions_per_job_per_hour": "",
    "guards.address_reuse": "a freed address is not given out again for this long",
    "selectors.*.strength": "must refuses other hosts, should prefers these",
    "selectors.*.for": "jobs of these tiers, groups, applications; empty is all",
    "limits.active_jobs_max": "",
    "limits.queued_tasks_max": "tasks that wait, in all",
    "limits.batch_size_max": "tasks of one batch job",
    "limits.service_size_max": "tasks of one service",
    "limits.task_cpu_max": "one task may ask for; the same of memory, disk, ports",
    "limits.task_memory_max": "",
    "limits.task_disk_max": "",
    "limits.task_ports_max": "",
    "limits.launches_per_round_max": "tasks placed in one round",
    "limits.offers_held_max": "",
    "limits.offer_hold": "an unused offer goes back after this",
    "limits.offer_refuse": "and Mesos keeps its host from us for so long",
    "limits.suppress_after": "with nothing waiting so long, no offers are asked for",
    "limits.launch_timeout": "launched and not heard of",
    "limits.start_timeout": "starting and not started",
    "limits.unreachable_timeout": "a task on an unreachable host is replaced after this",
    "limits.kill_retry": "a kill is repeated after this",
    "limits.call_retry": "pause after a call to Mesos that failed",
    "limits.reconcile_retry": "first wait before silent tasks are asked for again",
    "limits.reconcile_retry_max": "longest such wait",
    "limits.reconcile_all": "how often Mesos is asked for all tasks it holds",
    "limits.reconcile_tasks_max": "tasks in one question",
    "limits.inferred_kills_per_hour": "kills that no user asked for",
    "limits.stuck_kills_per_hour": "kills of tasks that did not start in time",
    "limits.kills_per_s_max": "the pace of all kills",
    "limits.actor_kills_per_hour": "one who ends more running tasks is paged for",
    "limits.orphans_tolerated": "one more makes the cell safe",
    "limits.missing_tasks_tolerated": "that ran and Mesos does not have; one more: safe",
    "limits.missing_of_job_min": "so many, and all that a job has: safe as well",
    "limits.zone_cut_percent": "of a zone's busy hosts out of reach: it is cut off",
    "limits.zone_cut_hosts_min": "fewer busy hosts are no zone",
    "limits.zone_hold": "so long a cut-off zone's tasks are waited for",
    "limits.finished_tasks_max": "ended tasks that are remembered",
    "limits.finished_jobs_max": "ended jobs that are remembered",
    "limits.orphans_max": "",
    "limits.hosts_max": "hosts that are remembered; those in use are beyond it",
    "limits.refusals_per_round_max": "waiting jobs that one round explains",
    "limits.mark_records": "folds compare their digests after so many records",
}
