"""What operators' orders about placement do: the whole policy, single switches, one host.

The one thing to know: each order is judged here, by the policy as it is at the order's own place in
the log. What does not hold changes nothing, and is answered with everything that is wrong.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.policy import change_policy
from scheduler.model.address import Source
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.inbound import Fault, HostOrdered, PolicyAsked, RulesAsked, RulesChangeAsked
from scheduler.model.policy import Policy, changed_policy
from scheduler.model.rules_document.changing import changed_rules, version_fault
from scheduler.model.rules_document.checks import rules_faults
from scheduler.state import HostOrder, State

HOST_ORDERS_MAX = 50_000
"""More hosts than a master takes; an operator's orders must not fill the memory either."""


def policy_asked(fold: Fold, source: Source, body: PolicyAsked) -> None:
    """Change some numbers of the policy."""
    try:
        policy = changed_policy(fold.state.policy, body.values)
    except ValueError as error:
        _refuse(fold, source, (_number_fault(error),))
        return
    change_policy(fold, policy, fold.state.policy_version + 1)
    fold.report(RequestAccepted(source=source, what="set policy"))


def rules_asked(fold: Fold, source: Source, body: RulesAsked) -> None:
    """Set the whole policy; the same again is taken and changes nothing."""
    state = fold.state
    faults = list(_version_faults(state, body.if_version))
    policy = state.policy
    try:
        policy = changed_policy(policy, body.values)
    except ValueError as error:
        faults.append(_number_fault(error))
    faults += rules_faults(body.rules)
    if faults:
        _refuse(fold, source, tuple(faults))
        return
    _set(fold, source, replace(policy, placement=body.rules), "set rules")


def rules_change_asked(fold: Fold, source: Source, body: RulesChangeAsked) -> None:
    """Turn switches of placement; what is not named stays as it is."""
    state = fold.state
    faults = _version_faults(state, body.if_version)
    found = changed_rules(state.policy.placement, body)
    if isinstance(found, tuple):
        faults = (*faults, *found)
    if faults or isinstance(found, tuple):
        _refuse(fold, source, faults)
        return
    _set(fold, source, replace(state.policy, placement=found), "change rules")


def host_ordered(fold: Fold, source: Source, body: HostOrdered) -> None:
    """Let a host be used, or used no longer; its tasks stay where they are."""
    state, host_id = fold.state, body.host_id
    fault = None
    if host_id not in state.hosts:
        hint = "see `flumina state`; give the host's id"
        fault = Fault("hostId", f"no host {host_id}", hint, code="unknown")
    elif len(state.host_orders) >= HOST_ORDERS_MAX and host_id not in state.host_orders:
        fault = Fault("hostId", f"{HOST_ORDERS_MAX} hosts have orders", "enable some of them")
    if fault is not None:
        _refuse(fold, source, (fault,))
        return
    if body.standing == "enabled":
        state.host_orders.pop(host_id, None)
    else:
        now_ms = state.clock.now_ms
        state.host_orders[host_id] = HostOrder(body.standing, body.actor, body.why, now_ms)
    fold.touch("order", host_id)
    state.hosts_changed[host_id] = None
    fold.wake_placement()
    fold.report(RequestAccepted(source=source, what=f"host {body.standing}"))


def _set(fold: Fold, source: Source, policy: Policy, what: str) -> None:
    state = fold.state
    if policy != state.policy:
        change_policy(fold, policy, state.policy_version + 1)
    fold.report(RequestAccepted(source=source, what=what))


def _refuse(fold: Fold, source: Source, faults: tuple[Fault, ...]) -> None:
    fold.report(JobRejected(source=source, faults=faults))


def _version_faults(state: State, wanted: int | None) -> tuple[Fault, ...]:
    fault = version_fault(state.policy_version, wanted)
    return () if fault is None else (fault,)


def _number_fault(error: ValueError) -> Fault:
    return Fault(field="values", text=str(error), hint="see `flumina policy numbers`")
