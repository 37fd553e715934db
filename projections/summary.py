"""A cell at a glance: who leads, how far it is folded, what runs where, what waits.

The one thing to know: everything is counted from the fold's state at one offset, so the numbers of
one summary fit together. Lists are cut at documented lengths and say how long they would be.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from projections.cell_view import CellView
from projections.glance.failing import looping
from projections.host_health import is_lost
from scheduler.digest import Digest
from scheduler.fold.guards import quality
from scheduler.machine import Machine
from scheduler.model.ids import HostId
from scheduler.model.policy import NUMBERS
from scheduler.model.resources import Resources, added, port_count
from scheduler.model.task import Queued, titus_state
from scheduler.state import NO_OFFSET, State
from scheduler.versions import container_of

HOSTS_MAX: Final = 1_000
ORPHANS_MAX: Final = 100
DECISIONS_MAX: Final = 100
DIGESTED_MAX: Final = 5_000
"""Changed entities that a summary brings into the digest; each takes some 20 µs."""


class LaneSummary(msgspec.Struct, frozen=True, rename="camel"):
    """How far one partition of an inbound topic is folded."""

    topic: str
    partition: int
    generation: str
    offset: int


class HostSummary(msgspec.Struct, frozen=True, rename="camel"):
    """One host: what of ours is there, and what it offers beside."""

    host_id: str
    hostname: str
    zone: str
    tasks: int
    used_cpu_milli: int
    used_memory_mib: int
    offers: int
    offered_cpu_milli: int
    offered_memory_mib: int
    offered_disk_mib: int
    offered_ports: int
    standing: str = "enabled"
    """What operators let it be used for: enabled, lastChoice, draining or disabled."""
    quality_milli: int = 1_000
    """1,000 less what failed on it lately, see `scheduler.fold.guards`."""
    is_lost: bool = False
    """Mesos lost it, and nothing was heard of it since."""


class OrphanSummary(msgspec.Struct, frozen=True, rename="camel"):
    """A task that runs without history in the log."""

    task_id: str
    hostname: str
    state: str
    first_seen_at_ms: int
    address: str


class DecisionSummary(msgspec.Struct, frozen=True, rename="camel"):
    """An accepted proposal that has not ended."""

    proposal: str
    kind: str
    accepted_at_ms: int
    is_started: bool


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """A cell at one offset."""

    cell: str
    cell_uuid: str
    generation: str
    at_ms: int
    """The log's clock."""
    next_offset: int
    stale: str
    leader: str
    epoch: int
    elected_at: str
    """The address of the election; empty before there was one."""
    is_judging: bool
    stream_id: str
    framework_id: str
    is_suppressed: bool
    fatal: str
    """Why the framework id can never be used again; empty while it can."""
    jobs: dict[str, int]
    tasks: dict[str, int]
    crash_loops: int
    """Jobs whose tasks fail again and again; `projections.glance.failing` names them."""
    queue_length: int
    """Tasks without a host, those that wait for a retry included."""
    retries_waiting: int
    unanswered: int
    """Tasks that Mesos has been asked for and has not spoken of on this stream."""
    hosts: tuple[HostSummary, ...]
    hosts_total: int
    orphans: tuple[OrphanSummary, ...]
    orphans_total: int
    decisions: tuple[DecisionSummary, ...]
    decisions_total: int
    watermarks: tuple[LaneSummary, ...]
    published_offset: int
    policy_version: int
    mode: str
    lost_zones: tuple[str, ...]
    policy: dict[str, int]
    fold_version: int
    digest_version: int
    digest: str
    """Of the state at ``next_offset``: what two folds of one log agree on. Empty where more has
    changed since the last mark than can be digested in passing; then compare the mark's."""
    mark_offset: int
    mark_digest: str
    """The digest at the last `Mark`, -1 and empty before there was one."""
    histories_dropped: int
    """Jobs and tasks whose history is only in the log by now."""


def summary(view: CellView) -> Summary:
    """The cell as it is at the view's offset."""
    state = view.state
    hosts = _hosts(state)
    histories = view.timeline.histories
    mark_offset = max(view.machine.marks, default=NO_OFFSET)
    return Summary(
        cell=state.cell,
        cell_uuid=state.cell_uuid,
        generation=state.generation,
        at_ms=state.clock.now_ms,
        next_offset=state.next_offset,
        stale=view.stale,
        leader=state.leader,
        epoch=state.epoch,
        elected_at="" if state.epoch == NO_OFFSET else view.address((state.epoch, 0)),
        is_judging=state.clock.is_judging,
        stream_id=state.stream.stream_id or "",
        framework_id=state.stream.framework_id,
        is_suppressed=state.stream.is_suppressed,
        fatal=state.stream.is_fatal,
        jobs=_counts(job.state for job in state.jobs.values()),
        tasks=_counts(titus_state(task.state) for task in state.tasks.values()),
        crash_loops=sum(1 for _ in looping(state)),
        queue_length=state.queued_tasks,
        retries_waiting=_retries_waiting(state),
        unanswered=len(state.unanswered),
        hosts=hosts[:HOSTS_MAX],
        hosts_total=len(hosts),
        orphans=_orphans(view),
        orphans_total=len(state.orphans),
        decisions=_decisions(view),
        decisions_total=len(state.decisions),
        watermarks=tuple(
            LaneSummary(topic, partition, mark.generation, mark.offset)
            for (topic, partition), mark in sorted(state.watermarks.items())
        ),
        published_offset=state.published_offset,
        policy_version=state.policy_version,
        mode=state.policy.placement.mode,
        lost_zones=state.policy.placement.lost_zones,
        policy={name: getattr(state.policy, name) for name in NUMBERS},
        fold_version=state.fold_version,
        digest_version=Digest.version,
        digest=cheap_digest(view.machine),
        mark_offset=mark_offset,
        mark_digest=view.machine.marks.get(mark_offset, ""),
        histories_dropped=histories.jobs_dropped + histories.tasks_dropped,
    )


def cheap_digest(machine: Machine) -> str:
    """The digest of the state, or empty where it would take long; see `Summary.digest`."""
    if sum(map(len, machine.state.dirty.values())) > DIGESTED_MAX:
        return ""
    return machine.digest.value()


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _retries_waiting(state: State) -> int:
    now_ms = state.clock.now_ms
    waiting = (state.tasks[task_id].state for there in state.queue.values() for task_id in there)
    return sum(isinstance(each, Queued) and each.ready_at_ms > now_ms for each in waiting)


def _hosts(state: State) -> tuple[HostSummary, ...]:
    """Every host of the log; those with tasks or offers first, then by name."""
    host_ids = {*state.hosts, *state.host_tasks, *state.host_offers}
    found = [_host(state, host_id) for host_id in host_ids]
    found.sort(key=lambda host: (not (host.tasks or host.offers), host.hostname, host.host_id))
    return tuple(found)


def _host(state: State, host_id: HostId) -> HostSummary:
    used_cpu_milli = used_memory_mib = 0
    there = state.host_tasks.get(host_id, {})
    for task_id in there:
        need = container_of(state, state.tasks[task_id]).need
        used_cpu_milli += need.cpu_milli
        used_memory_mib += need.memory_mib
    offer_ids = state.host_offers.get(host_id, {})
    offered = Resources()
    for offer_id in offer_ids:
        offered = added(offered, state.offers[offer_id].resources)
    facts, order = state.hosts.get(host_id), state.host_orders.get(host_id)
    return HostSummary(
        host_id=host_id,
        hostname=state.hostname(host_id),
        zone=dict(facts.attributes).get("zone", "") if facts else "",
        tasks=len(there),
        used_cpu_milli=used_cpu_milli,
        used_memory_mib=used_memory_mib,
        offers=len(offer_ids),
        offered_cpu_milli=offered.cpu_milli,
        offered_memory_mib=offered.memory_mib,
        offered_disk_mib=offered.disk_mib,
        offered_ports=port_count(offered.ports),
        standing=order.standing if order else "enabled",
        quality_milli=quality(state, host_id),
        is_lost=is_lost(state, host_id),
    )


def _orphans(view: CellView) -> tuple[OrphanSummary, ...]:
    found = []
    for orphan in list(view.state.orphans.values())[:ORPHANS_MAX]:
        place = view.timeline.orphans.get(orphan.task_id)
        found.append(
            OrphanSummary(
                task_id=orphan.task_id,
                hostname=view.hostname(orphan.host_id),
                state=orphan.state,
                first_seen_at_ms=orphan.first_seen_at_ms,
                address=view.address(place.spot) if place else "",
            )
        )
    return tuple(found)


def _decisions(view: CellView) -> tuple[DecisionSummary, ...]:
    return tuple(
        DecisionSummary(
            proposal=view.proposal_address(each.proposal_id),
            kind=type(each.proposal).__name__,
            accepted_at_ms=each.accepted_at_ms,
            is_started=each.is_started,
        )
        for each in list(view.state.decisions.values())[:DECISIONS_MAX]
    )
