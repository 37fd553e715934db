"""The health of hosts: what is said against them, and what follows for placement.

The one thing to know: whoever says that a host is sick (a detector, an active check, the fold's own
look at tasks) only keeps new tasks away; what runs there stays. A host is back once nothing has
spoken against it for a while, the longer the more often it was away lately, and is then on trial.
And never are more hosts of a group kept away than the policy allows: where more are sick the fault
is elsewhere, and a cell that places nothing helps nobody. Those beyond it are spared and paged for.
"""

from collections.abc import Iterable, Sequence
from heapq import heappush
from typing import Final, Literal

from msgspec.structs import replace

from scheduler.fold.context import LAUNCHING, Fold
from scheduler.fold.health_early import heard_early
from scheduler.fold.instance_groups import group_name_of
from scheduler.fold.safe import page_once
from scheduler.model.address import Source
from scheduler.model.changes import HostHealthChanged
from scheduler.model.health import EVIDENCE_TEXT_MAX, Evidence, HostJudged, HostProbed, Probe
from scheduler.model.host_health import (
    DETECTORS_MAX,
    EVIDENCE_KEPT_MAX,
    OWN_DETECTORS,
    HeardProbe,
    HeardVerdict,
    HostHealth,
)
from scheduler.model.ids import HostId
from scheduler.model.policy import Policy
from scheduler.model.task import Started
from scheduler.state import State

DEADLINE: Final = "health"
PROBES_KEPT_MAX: Final = 16
FALLS_MAX: Final = 16
"""More doublings would be years."""
QUICK_MS: Final = 10_000
"""What ran longer and then failed, failed for a reason of its own."""
NOTHING: Final = HostHealth()


# What placement asks.


def keeping_away(state: State, host_id: HostId) -> str:
    """Why the host gets no task for its health, in words; empty where it may have some."""
    known = state.health.get(host_id)
    if known is None:
        return ""
    if known.away_since_ms:
        return f"host {host_id} is away for its health: {known.why}"
    most = launching_max(state, host_id)
    if most and launching(state, host_id) >= most:
        return f"host {host_id} is on trial, and {most} of its tasks have not started yet"
    return ""


def launching_max(state: State, host_id: HostId) -> int:
    """How many tasks may be launched and not started on the host at a time; 0: any number."""
    return state.policy.trial_launching_max if host_id in state.on_trial else 0


def launching(state: State, host_id: HostId) -> int:
    """How many tasks are launched on the host and have not started yet."""
    tasks = state.tasks
    return sum(type(tasks[each].state) in LAUNCHING for each in state.host_tasks.get(host_id, ()))


# What is heard.


def host_judged(fold: Fold, source: Source, body: HostJudged) -> None:
    """Remember what a detector makes of a host; it holds until the same one says otherwise."""
    now_ms = fold.state.clock.now_ms
    verdict = HeardVerdict(
        detector=body.detector,
        standing=body.standing,
        score_milli=body.score_milli,
        evidence=body.evidence,
        heard_ms=now_ms,
        since_ms=now_ms,
        until_ms=now_ms + fold.state.policy.verdict_keep_ms,
        observed_at_ms=body.observed_at_ms,
        address=str(source),
    )
    hosts = hosts_meant(fold.state, body.host_id)
    for host_id in hosts:
        heard(fold, host_id, verdict)
    if not hosts:
        heard_early(fold, body.host_id, verdict)


def heard(fold: Fold, host_id: HostId, verdict: HeardVerdict) -> None:
    """Take a verdict in place of the one of the same detector."""
    known = fold.state.health.get(host_id, NOTHING)
    others = {each.detector: each for each in known.verdicts}
    before = others.pop(verdict.detector, None)
    if verdict.standing == "well":
        _settle(fold, host_id, replace(known, verdicts=_sorted(others.values())))
        return
    if before is not None and before.standing == verdict.standing:
        verdict = replace(verdict, since_ms=before.since_ms)
    if len(others) >= DETECTORS_MAX:
        foreign = [each for each in others.values() if each.detector not in OWN_DETECTORS]
        oldest = min(foreign or others.values(), key=lambda each: (each.heard_ms, each.detector))
        del others[oldest.detector]
    verdict = replace(verdict, evidence=_cut(verdict.evidence))
    found = replace(known, verdicts=_sorted([*others.values(), verdict]))
    _settle(fold, host_id, found)


def _sorted(verdicts: Iterable[HeardVerdict]) -> tuple[HeardVerdict, ...]:
    return tuple(sorted(verdicts, key=lambda each: each.detector))


def _cut(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    return tuple(
        replace(each, text=each.text[:EVIDENCE_TEXT_MAX]) for each in evidence[:EVIDENCE_KEPT_MAX]
    )


def host_probed(fold: Fold, source: Source, body: HostProbed) -> None:
    """Remember what active checks found; one that is bad keeps tasks away at once."""
    state = fold.state
    for host_id in hosts_meant(state, body.host_id):
        known = state.health.get(host_id, NOTHING)
        probes = {each.name: each for each in known.probes}
        for probe in body.probes[:PROBES_KEPT_MAX]:
            after = _looked_at(state, probes.get(probe.name), probe, str(source))
            if after is not None:
                probes[probe.name] = after
            else:
                probes.pop(probe.name, None)
        kept = sorted(probes.values(), key=lambda each: (not each.is_failing, each.name))
        kept = sorted(kept[:PROBES_KEPT_MAX], key=lambda each: each.name)
        _settle(fold, host_id, replace(known, probes=tuple(kept)))


def _looked_at(
    state: State, before: HeardProbe | None, probe: Probe, address: str
) -> HeardProbe | None:
    """Where the check stands after one more look; None where there is nothing to remember."""
    now_ms, detail = state.clock.now_ms, probe.detail[:EVIDENCE_TEXT_MAX]
    is_failing = before is not None and before.is_failing
    if probe.state == "unknown":  # No evidence for either: it neither fails nor heals.
        return before
    looks = before.looks + 1 if before is not None and before.state == probe.state else 1
    if probe.state == "bad":
        is_failing = True
    elif looks >= state.policy.probe_good_looks_min or not is_failing:
        return None
    return HeardProbe(
        name=probe.name,
        state=probe.state,
        detail=detail,
        heard_ms=now_ms,
        is_failing=is_failing,
        looks=looks,
        address=address,
    )


def hosts_meant(state: State, name: str) -> list[HostId]:
    """The host of this id, or those of this name that are there; none where nobody knows it.

    Who reads a host's lines knows its name, and not always the id that Mesos gave its agent.
    """
    if name in state.hosts:
        return [HostId(name)]
    named = [each for each, facts in state.hosts.items() if facts.hostname == name]
    there = [each for each in named if is_there(state, each)]
    newest = max(named, key=lambda each: (state.hosts_seen_at_ms.get(each, 0), each), default=None)
    return sorted(there) or ([newest] if newest is not None else [])


def is_there(state: State, host_id: HostId) -> bool:
    """Whether the host offers or runs something; others are remembered, and mostly gone."""
    return host_id in state.host_offers or host_id in state.host_tasks


# What follows.


def is_in_question(state: State, host_id: HostId) -> bool:
    """Whether so many tasks failed on the host lately that it is looked at closely."""
    least, known = state.policy.fast_failures_min, state.host_failures.get(host_id)
    return bool(least) and known is not None and len(known.failures) >= least


def settle_again(fold: Fold, host_id: HostId) -> None:
    """Judge the host anew, for something beside what was heard has changed."""
    known = fold.state.health.get(host_id, NOTHING)
    _settle(fold, host_id, replace(known, is_spared=False) if known.is_spared else known)


def trial_passed(fold: Fold, host_id: HostId) -> None:
    """The host is on trial no more: a task of it ran well."""
    known = fold.state.health.get(host_id)
    if known is not None and known.back_ms:
        _settle(fold, host_id, replace(known, back_ms=0))


def look_at_trials(fold: Fold) -> None:
    """End the trials of hosts on which a task has run well since they are back."""
    state = fold.state
    now_ms = state.clock.now_ms
    for host_id in list(state.on_trial):
        back_ms = state.health[host_id].back_ms
        for task_id in state.host_tasks.get(host_id, ()):
            task_state = state.tasks[task_id].state
            if type(task_state) is Started and back_ms <= task_state.since_ms <= now_ms - QUICK_MS:
                trial_passed(fold, host_id)
                break


def let_back(
    fold: Fold, host_id: HostId, *, is_on_trial: bool = True, actor: str = "", why: str = ""
) -> None:
    """Forget what was said against the host: it was healed, or an operator says so."""
    known = fold.state.health.get(host_id)
    if known is None:
        return
    cleared = replace(known, verdicts=(), probes=(), losses=())
    if known.away_since_ms:
        _returned(fold, host_id, cleared, is_on_trial=is_on_trial, actor=actor, said=why)
    else:
        _settle(fold, host_id, replace(cleared, back_ms=0 if not is_on_trial else cleared.back_ms))


def _settle(fold: Fold, host_id: HostId, health: HostHealth) -> None:
    """Keep what still holds of it, and let the host be away, spared, or back by that."""
    state = fold.state
    policy, now_ms = state.policy, state.clock.now_ms
    keep_ms = policy.verdict_keep_ms
    health = replace(
        health,
        verdicts=tuple(each for each in health.verdicts if each.until_ms > now_ms),
        probes=tuple(each for each in health.probes if each.heard_ms + keep_ms > now_ms),
        losses=tuple(each for each in health.losses if each > now_ms - policy.host_losses_ms),
    )
    if health.falls and health.fell_ms + policy.health_memory_ms <= now_ms:
        health = replace(health, falls=0)
    if health.back_ms and health.back_ms + policy.health_trial_ms <= now_ms:
        health = replace(health, back_ms=0)
    against = reasons_against(health)
    if against:
        _keep_away(fold, host_id, replace(health, good_since_ms=0, why="; ".join(against)))
    elif not health.away_since_ms:
        _put(fold, host_id, replace(health, is_spared=False, why=""))
    elif now_ms >= (health.good_since_ms or now_ms) + _hold_ms(policy, health):
        _returned(fold, host_id, health, is_on_trial=True)
    else:
        _put(fold, host_id, replace(health, good_since_ms=health.good_since_ms or now_ms))


def reasons_against(health: HostHealth) -> list[str]:
    """What keeps tasks away from the host, in words; verdicts before checks."""
    sick = [each for each in health.verdicts if each.standing == "sick"]
    failing = [each for each in health.probes if each.is_failing]
    return [
        *(f"{each.detector}: {_first(each.evidence) or 'sick'}" for each in sick),
        *(f"check {each.name}: {each.detail or each.state}" for each in failing),
    ]


def _first(evidence: Sequence[Evidence]) -> str:
    return evidence[0].text if evidence else ""


def _hold_ms(policy: Policy, health: HostHealth) -> int:
    """For how long nothing may speak against the host before it is back."""
    doublings = min(max(health.falls - 1, 0), FALLS_MAX)
    return min(policy.health_return_ms << doublings, policy.health_return_ms_max)


def _keep_away(fold: Fold, host_id: HostId, health: HostHealth) -> None:
    state, now_ms = fold.state, fold.state.clock.now_ms
    if health.away_since_ms:
        _put(fold, host_id, health)
        return
    if not _has_room(state, host_id):
        known = state.health.get(host_id, NOTHING)
        spared = replace(health, is_spared=True)
        _put(fold, host_id, spared)
        if not known.is_spared:
            _report(fold, host_id, spared, "spared")
            _page_spared(fold, host_id)
        return
    falls = min(health.falls + 1, FALLS_MAX)
    gone = replace(
        health, away_since_ms=now_ms, is_spared=False, falls=falls, fell_ms=now_ms, back_ms=0
    )
    _put(fold, host_id, gone)
    _steer(fold, host_id)
    _report(fold, host_id, gone, "away")


def _returned(
    fold: Fold,
    host_id: HostId,
    health: HostHealth,
    *,
    is_on_trial: bool,
    actor: str = "",
    said: str = "",
) -> None:
    state = fold.state
    back = replace(
        health,
        away_since_ms=0,
        good_since_ms=0,
        is_spared=False,
        why="",
        back_ms=state.clock.now_ms if is_on_trial else 0,
    )
    _put(fold, host_id, back)
    _steer(fold, host_id)
    _report(fold, host_id, replace(back, why=said), "back", actor)
    group = group_name_of(state, host_id)
    for other in sorted(each for each, known in state.health.items() if known.is_spared):
        if group_name_of(state, other) == group:
            settle_again(fold, other)


def _has_room(state: State, host_id: HostId) -> bool:
    """Whether one more host of its group may be kept away; hosts that are gone count nowhere."""
    group, percent = group_name_of(state, host_id), state.policy.health_away_percent
    away = sum(
        group_name_of(state, each) == group for each in state.away_hosts if is_there(state, each)
    )
    if not away:
        return True
    if away >= len(state.hosts) * percent // 100:
        return False  # Not even were all hosts of the group.
    wanted = -(-(away + 1) * 100 // percent)
    return any(
        count >= wanted
        for count, _ in enumerate(
            (
                each
                for each in state.hosts
                if group_name_of(state, each) == group and is_there(state, each)
            ),
            start=1,
        )
    )


def _page_spared(fold: Fold, host_id: HostId) -> None:
    state = fold.state
    group = group_name_of(state, host_id)
    page_once(
        fold,
        "sick hosts",
        group,
        what=f"too many hosts of {f'group {group}' if group else 'the cell'} seem sick",
        why=f"host {state.hostname(host_id)} goes on getting tasks, for "
        f"{state.policy.health_away_percent} % of them are kept away already "
        "(health_away_percent). Look at what they have in common: `flumina host health`",
    )


def _steer(fold: Fold, host_id: HostId) -> None:
    fold.state.hosts_changed[host_id] = None
    fold.wake_placement()


def _put(fold: Fold, host_id: HostId, health: HostHealth) -> None:
    """Keep what is left to say of the host, and see that it is looked at again in time."""
    state = fold.state
    was_on_trial = host_id in state.on_trial
    due_ms = _due_ms(state, host_id, health)
    health = replace(health, look_ms=due_ms)
    if due_ms or _is_worth_keeping(health):
        known = state.health.get(host_id)
        state.health[host_id] = health
        if due_ms and (known is None or known.look_ms != due_ms):
            heappush(fold.deadlines, (due_ms, DEADLINE, host_id))
    else:
        state.health.pop(host_id, None)
    if health.away_since_ms:
        state.away_hosts[host_id] = None
    else:
        state.away_hosts.pop(host_id, None)
    if health.back_ms and not health.away_since_ms:
        state.on_trial[host_id] = None
    else:
        state.on_trial.pop(host_id, None)
    if was_on_trial != (host_id in state.on_trial):
        _steer(fold, host_id)
    fold.touch("health", host_id)


def _is_worth_keeping(health: HostHealth) -> bool:
    return bool(
        health.verdicts or health.probes or health.away_since_ms or health.falls or health.losses
    )


def _due_ms(state: State, host_id: HostId, health: HostHealth) -> int:
    """When something of it is over, or it is looked at again; 0: at no time."""
    policy, now_ms = state.policy, state.clock.now_ms
    times = [each.until_ms for each in health.verdicts]
    times += [each.heard_ms + policy.verdict_keep_ms for each in health.probes]
    times += [each + policy.host_losses_ms for each in health.losses[:1]]
    if health.falls:
        times.append(health.fell_ms + policy.health_memory_ms)
    if health.back_ms:
        times.append(health.back_ms + policy.health_trial_ms)
    if health.good_since_ms:
        times.append(health.good_since_ms + _hold_ms(policy, health))
    if not health.away_since_ms and is_in_question(state, host_id):
        times.append(now_ms + QUICK_MS)
    return max(now_ms + 1, min(times)) if times else 0


def _report(
    fold: Fold,
    host_id: HostId,
    health: HostHealth,
    standing: Literal["away", "spared", "back"],
    actor: str = "",
) -> None:
    sick = [each for each in health.verdicts if each.standing == "sick"]
    probes = [
        Evidence("probe", f"{each.name}: {each.detail or each.state}", each.address, each.looks)
        for each in health.probes
        if each.is_failing
    ]
    evidence = [piece for each in sick for piece in each.evidence]
    fold.report(
        HostHealthChanged(
            host_id=host_id,
            hostname=fold.state.hostname(host_id),
            standing=standing,
            why=health.why,
            evidence=tuple([*evidence, *probes][:EVIDENCE_KEPT_MAX]),
            falls=health.falls,
            actor=actor,
        )
    )
