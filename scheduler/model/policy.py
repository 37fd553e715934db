"""The numbers that the fold decides by; they are in the log, set by `PolicySet`.

The one thing to know: a setting of the environment never reaches the fold. A recorded day can be
replayed under another policy because the policy is an event like any other.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.model.base import Ours
from scheduler.model.rules import PlacementRules


class Policy(Ours, frozen=True, omit_defaults=False):
    """Limits and time-outs of a cell. Times in milliseconds of the log's clock.

    Every number is written out in the log: a default left out would be decided by the build that
    reads it, not by the log.
    """

    active_jobs_max: int = 20_000
    """Titus' limit of active jobs."""
    queued_tasks_max: int = 200_000
    batch_size_max: int = 1_000
    """Titus: batch size 1 to 1,000."""
    service_size_max: int = 10_000
    """Titus: service maximum 10,000."""
    stream_size_max: int = 200
    """Each worker is told the names of all: with 200 that is up to 16 KiB of its environment."""
    cron_late_ms: int = 60_000
    """A firing that nobody looked at for longer was missed."""
    unstarted_tasks_per_job_max: int = 300
    """Titus: so many tasks of a job at most wait for a host or start, delayed retries included."""
    retry_delay_ms_min: int = 1_000
    """Titus waits at least a second before any retry."""
    system_retry_delay_ms_max: int = 30_000
    """Titus' system retryer backs off from the least delay to 30 s, whatever the job's policy."""
    retry_reset_ms: int = 300_000
    """Titus: a task that ran for five minutes starts its back-off anew."""
    task_cpu_milli_max: int = 96_000
    task_memory_mib_max: int = 1_152_000
    task_disk_mib_max: int = 1_550_000
    task_network_mbps_max: int = 400_000
    """Titus S22; S19 has 40,000."""
    task_gpus_max: int = 16
    task_cpu_milli_min: int = 0
    """A task that asks for less is given so much. Titus raises cpu to 1, disk to 10,000 MB and
    network to 128 Mbps; here nothing is raised by default, for small tasks on small hosts are
    meant: `docs/titus.md` says how to have it as Titus does."""
    task_disk_mib_min: int = 0
    task_network_mbps_min: int = 0
    task_memory_mib_min: int = 0
    """A task that asks for less is refused. Titus: 512 MB; here 16 MiB, by the format."""
    task_ports_max: int = 100
    launches_per_round_max: int = 300
    """Titus places batches of 300."""
    offers_held_max: int = 20_000
    offer_hold_ms: int = 120_000
    """An unused offer goes back after this; Fenzo's lease expiry is 120 s."""
    offer_refuse_ms: int = 5_000
    """How long Mesos keeps a declined host from us; its own default is 5 s."""
    suppress_after_ms: int = 600_000
    """With nothing waiting for this long, offers are given back and no more are asked for."""
    launch_timeout_ms: int = 300_000
    """Launched and silent: Titus S22 calls it stuck after 300 s."""
    start_timeout_ms: int = 720_000
    """Starting and not started: Titus' 720 s for batch jobs."""
    service_start_timeout_ms: int = 300_000
    """The same for services and streams: Titus' 300 s."""
    killing_timeout_ms: int = 1_200_000
    """Killed and not ended: Titus tries twice for 600 s, and then calls it finished. Here its host
    is taken out of use and paged for; the task goes on being killed and holds what it has."""
    healing_hosts_max: int = 10
    """Hosts that may be taken out of use so at once; one more is only paged for."""
    stuck_actions_per_s_max: int = 1
    """Titus acts on one stuck task a second, so that a mass stall is no storm."""
    unreachable_timeout_ms: int = 60_000
    """How long a task on an unreachable host is waited for before it is replaced."""
    kill_retry_ms: int = 10_000
    """A kill is repeated until the task has ended."""
    call_retry_ms: int = 1_000
    """After a call that did not go through nothing is proposed for so long, on the same stream."""
    reconcile_retry_ms: int = 10_000
    """First wait before silent tasks are asked for again; doubles up to the next number."""
    reconcile_retry_ms_max: int = 300_000
    reconcile_all_ms: int = 900_000
    """How often the master is asked for every task it holds, which is how orphans are found."""
    reconcile_tasks_max: int = 1_000
    """Tasks in one question."""
    inferred_kills_per_hour: int = 10
    """Kills that no user asked for (a replaced task that came back) share this budget."""
    stuck_kills_per_hour: int = 100
    """Kills of tasks that did not start in time: a budget of their own, for they are many more."""
    kills_per_round_max: int = 300
    """Titus: kills in a pass."""
    kills_per_s_max: int = 500
    """Kills in a second of the log's clock, whoever wants them: 12,000 take 24 s and are seen."""
    actor_kills_per_hour: int = 1_000
    """An actor who ends more running tasks than this within an hour is paged for, not stopped."""
    orphans_tolerated: int = 2
    """One more that nobody has confirmed makes the cell safe."""
    missing_tasks_tolerated: int = 10
    """Tasks that ran and that Mesos does not have, at once: one more makes the cell safe."""
    missing_of_job_min: int = 3
    """So many of a job make it safe as well, where they are all that the job has on hosts."""
    zone_cut_percent: int = 55
    """With so many of a zone's busy hosts unreachable it is cut off, and nothing there is replaced
    at once. Kubernetes' controller stops its evictions at 55 per cent, too."""
    zone_cut_hosts_min: int = 5
    """Fewer busy hosts are no zone."""
    zone_hold_ms: int = 1_800_000
    """A cut-off zone's tasks are waited for so long, unless an operator declares the zone lost."""
    finished_tasks_max: int = 20_000
    finished_jobs_max: int = 5_000
    finished_tasks_per_job_max: int = 10_000
    """Titus keeps 10,000 archived tasks of a job; the archive here is the log and its history."""
    finished_keep_ms: int = 1_296_000_000
    """Ended jobs and replaced tasks are in the state for 360 h at most, as in Titus' API v2."""
    collect_every_ms: int = 900_000
    """Titus: what is too old is looked for every 15 minutes."""
    collected_per_pass_max: int = 10_000
    """Titus: so many are dropped in one pass."""
    orphans_max: int = 10_000
    hosts_max: int = 20_000
    """Hosts that are remembered; those in use are beyond any limit of ours."""
    refusals_per_round_max: int = 20
    """Classes of waiting tasks that a round's record explains."""
    mark_records: int = 10_000
    """A `Mark` is written after so many records, and every fold compares its digest there."""
    eviction_tokens_max: int = 500
    """Evictions at once in the whole cell; the bucket starts empty with each leader. Titus' 500."""
    eviction_tokens_per_s: int = 50
    """So many more each second, as Titus has it; 0 stops all evictions."""
    evictions_waiting_max: int = 200
    """Evicted tasks of which the kill has not left yet; Titus' queue of evictions takes 200."""
    relocation_ms: int = 30_000
    """How often it is looked which tasks must leave their hosts; Titus' relocation loop."""
    descheduling_ms: int = 120_000
    """How often those whose time is up are evicted; Titus' descheduling loop."""
    relocation_stale_ms: int = 30_000
    """With no tick for so long nothing is moved: what is known of tasks is too old. Titus' 30 s."""
    relocations_kept_max: int = 1_000
    """Relocations that are over and remembered."""
    self_managed_healthy_percent: int = 90
    """What holds where owners of self-managed tasks did not move them in time: Titus' 90 % ..."""
    self_managed_percent_per_hour: int = 20
    """... and 20 % of the job an hour."""
    service_notice_ms: int = 60_000
    """Notice for services without a budget: Titus injects self-managed ones of a minute."""
    self_managed_notice_ms: int = 604_800_000
    """The same where the older migration policy says self-managed: seven days."""
    batch_notice_ms_min: int = 60_000
    """For batch jobs it is 1.2 times their runtime limit, and not less than this."""
    load_balancers_of_job_max: int = 30
    """Titus' 30."""
    registry_health_ms: int = 180_000
    """What a registry said of a task's health holds so long; the registrar says it each 60 s."""
    scaling_policies_max: int = 10_000
    scaling_policies_of_job_max: int = 10
    scaling_deleted_ms: int = 3_600_000
    """A deleted scaling policy is shown for so long."""
    metric_lateness_ms: int = 10_000
    """A period of a metric is looked at so long after its end, or after half of it."""
    cloudwatch_lateness_ms: int = 120_000
    """The same of CloudWatch, which has the values of a minute up to two minutes later."""
    metric_silence_ms: int = 300_000
    """A metric that is silent for longer (and for three periods) puts its policy in error."""
    target_out_periods: int = 3
    """Periods above a target before it scales out: AWS makes its alarms of three minutes."""
    target_in_periods: int = 15
    """Periods below it before it scales in: AWS takes fifteen minutes."""
    target_in_percent: int = 90
    """Below means below so much of it, as with AWS."""
    crash_loop_failures_min: int = 5
    """So many failures of a job's tasks within the window are a crash loop; 0: nothing is."""
    crash_loop_percent: int = 50
    """Of the tasks that the job wants, where that is more."""
    crash_loop_window_ms: int = 600_000
    """Ten minutes: with retries a minute apart five failures still fall into one."""
    crash_loop_delay_ms: int = 10_000
    """A replacement waits so long in a loop, at least; doubled with as many failures again."""
    crash_loop_delay_ms_max: int = 300_000
    """Five minutes, as Kubernetes' CrashLoopBackOff has it."""
    crash_loop_restart_ms: int = 1_000
    """Between two restarts of one job in a loop, whatever its size; 0: no pause."""
    volumes_max: int = 10_000
    """Of the cell; AWS lets an account have 5,000 EBS volumes in a region, and raises that."""
    volume_snapshots_max: int = 20
    """Of one volume."""
    volume_attempts_max: int = 5
    """A volume that cannot be made or attached so often in a row waits for an operator."""
    volume_retry_ms: int = 10_000
    """The first pause after a failure, doubled by each; an EBS volume is attached in some 10 s."""
    volume_retry_ms_max: int = 300_000
    volume_grace_ms: int = 604_800_000
    """Between an order to delete (or the end of a job that wants it) and the deletion: a week."""
    verdict_keep_ms: int = 3_600_000
    """A verdict or an active check that is not said again for so long holds no more."""
    probe_good_looks_min: int = 3
    """A check that was bad is good again after so many good looks in a row."""
    health_away_percent: int = 10
    """Of a group's hosts, at most so many get no tasks for their health; one may always be."""
    health_return_ms: int = 60_000
    """Nothing may speak against a host for so long before it gets tasks again; each time that it
    was away lately doubles this, up to the next number."""
    health_return_ms_max: int = 3_600_000
    health_memory_ms: int = 21_600_000
    """How long it is remembered that a host was away: six hours."""
    health_trial_ms: int = 600_000
    """A host that is back is on trial for so long ..."""
    trial_launching_max: int = 1
    """... and has so many tasks at most that have not started yet: Titus' number for all."""
    fast_failures_min: int = 4
    """So many tasks that fail at once on a host, and not elsewhere, make it sick; 0: none do."""
    slow_start_ms: int = 180_000
    """A task that takes longer to start speaks against its host; 0: none does."""
    host_losses_max: int = 5
    """A host that Mesos loses more often within the next number is sick."""
    host_losses_ms: int = 600_000
    failing_kind_hosts_min: int = 3
    """Tasks of several jobs that fail alike on so many hosts are one trouble of them all ..."""
    failing_kind_jobs_min: int = 3
    failing_kind_failures_min: int = 10
    """... with so many failures within the window of crash loops; 0: nothing is."""
    maintenance_lead_ms: int = 3_600_000
    """A host is emptied from so long before its maintenance on; 0: windows are not acted on."""
    maintenance_margin_ms: int = 300_000
    """Its tasks should have left so long before the window begins, whatever notice they have."""
    maintenance_answer_ms: int = 60_000
    """Mesos asks again so long after an inverse offer was answered."""
    image_tags_tolerated: int = 1
    """0: a job whose image has a tag and no digest is refused; the API adds digests by itself."""
    placement: PlacementRules = PlacementRules()


NUMBERS: Final = tuple(name for name in Policy.__struct_fields__ if name != "placement")
"""The fields that are one number each; the rules of placement are set by a policy file."""

_LEAST: Final[Mapping[str, int]] = {
    "kill_retry_ms": 100,
    "retry_delay_ms_min": 1,
    "call_retry_ms": 100,
    "reconcile_retry_ms": 100,
    "reconcile_retry_ms_max": 100,
    "reconcile_all_ms": 1_000,
    "mark_records": 1,
    "target_out_periods": 1,
    "target_in_periods": 1,
    "relocation_ms": 1_000,
    "descheduling_ms": 1_000,
    "maintenance_answer_ms": 1_000,
}
"""What is done again and again must have a pause; the others may be 0."""


def changed_policy(policy: Policy, values: Mapping[str, int]) -> Policy:
    """``policy`` with some numbers changed.

    Raises ValueError, naming the field, for a name that is no policy or a number below zero.
    """
    names = set(NUMBERS)
    for name, value in sorted(values.items()):
        if name not in names:
            raise ValueError(f"{name}: no such policy; known are {', '.join(sorted(names))}")
        if value < 0:
            raise ValueError(f"{name}: {value} is negative; give 0 or more")
        if name.endswith("_max") and value == 0:
            raise ValueError(f"{name}: a limit of 0 would stop the cell; give 1 or more")
        least = _LEAST.get(name, 0)
        if value < least:
            raise ValueError(f"{name}: {value} would repeat without a pause; give {least} or more")
    return msgspec.structs.replace(policy, **dict(values))
