"""moto's groups as AWS' own behave: zones in balance, a life of states, hooks that hold.

The one thing to know: moto's instances are in service at once and gone at once. Here one is
`Pending` until its host is up and `Terminating` until its host is down; who keeps the hosts
(`agents.py`) says so by `host_is_up` and `host_is_down`. Whoever calls anything here holds `LOCK`.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

import moto.autoscaling.urls as moto_urls
from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import (
    AutoScalingBackend,
    FakeAutoScalingGroup,
    InstanceState,
    TerminateInstanceActivity,
)
from moto.core.exceptions import ServiceException
from moto.core.utils import utcnow
from werkzeug.exceptions import HTTPException

from connectors.cloud.loopback import checks
from connectors.cloud.loopback.checks import Refusal
from connectors.cloud.loopback.hooks import (
    LAUNCHING,
    TERMINATING,
    Action,
    Announce,
    Hook,
    Result,
    Waiting,
    announcement,
    waiting_for,
)
from connectors.cloud.loopback.pools import REUSE, Pool, wanted_in

LOCK: Final = threading.RLock()
"""moto's threads and ours: one at a time."""
LAUNCH_AGAIN_S: Final = 10.0
"""After a launch that failed; AWS takes longer each time."""
ACTIVITIES_MAX: Final = 100
"""AWS keeps those of six weeks, and gives a hundred at a time."""
_LEAVING: Final = "Terminating"
_ARRIVING: Final = "Pending"


def require(refusal: Refusal | None) -> None:
    """Refuse the call, if there is a refusal."""
    if refusal is not None:
        raise AutoscalingClientError(refusal.code, refusal.text)


class Group(FakeAutoScalingGroup):
    """A group that launches into the emptiest zone, and whose instances come and go by states."""

    launch_after_s = 0.0
    """After a launch that failed, by the steady clock."""

    @property
    def pool(self) -> Pool:
        """Who stands by; moto knows the rule of a pool, and nobody in it."""
        # moto's own beginning asks for it before it would be there.
        found = vars(self).setdefault("_pool", Pool())
        assert isinstance(found, Pool)
        return found

    @property
    def warm_pool_size(self) -> int | None:
        """How many stand by; what AWS says of a group that has a pool."""
        return None if self.warm_pool is None else len(self.pool.states)

    def active_instances(self) -> list[InstanceState]:
        """Instances that count for the desired capacity: in service, or on their way."""
        return [
            each
            for each in self.instance_states
            if each.lifecycle_state.startswith((_ARRIVING, "InService"))
        ]

    @property
    def instance_type(self) -> str:
        """The first of several types, as the strategy ``prioritized`` takes them."""
        policy: dict[str, Any] = self.mixed_instances_policy or {}
        overrides = policy.get("LaunchTemplate", {}).get("Overrides", ())
        types = [each["InstanceType"] for each in overrides if each.get("InstanceType")]
        return types[0] if types else super().instance_type

    def is_suspended(self, process: str) -> bool:
        """Whether a process of the group (Launch, Terminate, ...) was suspended."""
        return any(each["ProcessName"] == process for each in self.suspended_processes)

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        """Take a size, and launch or end instances until the group has it."""
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        missing = int(self.desired_capacity or 0) - len(self.active_instances())
        is_early = time.monotonic() < self.launch_after_s
        if missing > 0 and not self.is_suspended("Launch"):
            missing -= self._taken_out(missing)
        if missing > 0 and not is_early and not self.is_suspended("Launch"):
            self.replace_autoscaling_group_instances(missing, self.get_propagated_tags())
        elif missing < 0 and not self.is_suspended("Terminate"):
            for each in self.victims(-missing):
                self.pool.spare.add(each.instance_id)
                self.end(each)
        if self.name in self.autoscaling_backend.autoscaling_groups:
            self.autoscaling_backend.update_attached_elbs(self.name)
            self.autoscaling_backend.update_attached_target_groups(self.name)

    def update(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - moto's own, passed on
        """Take other bounds; several instance types stay if none are named (moto forgets)."""
        if not named.get("mixed_instances_policy") and not (
            named.get("launch_template") or named.get("launch_config_name")
        ):
            named["mixed_instances_policy"] = self.mixed_instances_policy
        super().update(*arguments, **named)

    def replace_autoscaling_group_instances(
        self, count_needed: int, propagated_tags: dict[str, str]
    ) -> None:
        """Launch so many, each into the zone that has fewest; less where a subnet is empty."""
        whole = self.availability_zones, self.vpc_zone_identifier
        subnets = self._subnets()
        try:
            for _ in range(count_needed):
                zone = self._emptiest(list(subnets) or whole[0])
                self.availability_zones = [zone]
                self.vpc_zone_identifier = subnets.get(zone)
                before = len(self.instance_states)
                super().replace_autoscaling_group_instances(1, dict(propagated_tags))
                for each in self.instance_states[before:]:
                    each.lifecycle_state = _ARRIVING
                    self._note(f"Launching a new EC2 instance: {each.instance_id}")
        except (HTTPException, ServiceException) as error:
            # AWS takes the size and tries again later; what it says is a failed activity.
            self.launch_after_s = time.monotonic() + LAUNCH_AGAIN_S
            self._note("Launching a new EC2 instance.", f"{error} Launching EC2 instance failed.")
        finally:
            self.availability_zones, self.vpc_zone_identifier = whole

    def _taken_out(self, count: int) -> int:
        """Have so many that stand by begin, those of the emptiest zones first; how many did."""
        taken = 0
        while taken < count and (ready := self.pool.ready()):
            held = Counter(each.availability_zone for each in self.active_instances())
            state = min(ready, key=lambda each: (held[each.availability_zone], each.instance_id))
            self.pool.states.remove(state)
            self.ec2_backend.start_instances([state.instance_id])
            state.lifecycle_state = _ARRIVING
            self.instance_states.append(state)
            self._note(f"Launching a new EC2 instance from warm pool: {state.instance_id}")
            taken += 1
        return taken

    def fill_pool(self) -> None:
        """Have as many stand by as the rule of the pool says; AWS starts one, and stops it then."""
        self.pool.settle(self.ec2_backend)
        count = wanted_in(self.warm_pool, int(self.desired_capacity or 0), int(self.max_size or 0))
        missing = count - len(self.pool.states)
        is_early = time.monotonic() < self.launch_after_s
        if missing > 0 and not is_early and not self.is_suspended("Launch"):
            there = len(self.instance_states)
            self.replace_autoscaling_group_instances(missing, self.get_propagated_tags())
            for state in self.instance_states[there:]:
                self.pool.enter(state)
            del self.instance_states[there:]
        if not self.is_suspended("Terminate"):
            for state in self.pool.states[count:]:
                self.pool.leave(state, self.ec2_backend)

    def takes_back(self, state: InstanceState) -> bool:
        """Whether an instance that made the group smaller stands by again."""
        rule = self.warm_pool
        is_reusing = rule is not None and bool((rule.instance_reuse_policy or {}).get(REUSE))
        is_well = state.health_status == "Healthy" and state.instance.state == "running"
        return is_reusing and is_well and self.pool.is_spare(state)

    def _subnets(self) -> dict[str, str]:
        """A subnet of each zone, where the group names subnets."""
        if not self.vpc_zone_identifier:
            return {}
        found = self.ec2_backend.describe_subnets(subnet_ids=self.vpc_zone_identifier.split(","))
        return {each.availability_zone: each.id for each in found}

    def _emptiest(self, zones: Iterable[str]) -> str:
        held = Counter(each.availability_zone for each in self.active_instances())
        return min(zones, key=lambda zone: (held[zone], zone))

    def victims(self, count: int) -> list[InstanceState]:
        """Who goes when the group shrinks: of the fullest zone the oldest; never the protected."""
        left = [each for each in self.active_instances() if not each.protected_from_scale_in]
        held = Counter(each.availability_zone for each in self.active_instances())
        found: list[InstanceState] = []
        while left and len(found) < count:
            one = max(left, key=lambda each: held[each.availability_zone])
            left.remove(one)
            held[one.availability_zone] -= 1
            found.append(one)
        return found

    def end(self, state: InstanceState) -> None:
        """Begin to end an instance: its hooks hold it first."""
        if state.lifecycle_state.startswith(_LEAVING):
            return
        backend = self.autoscaling_backend
        assert isinstance(backend, Account)
        self._note(f"Terminating EC2 instance: {state.instance_id}")
        is_held = backend.hold(self, state, TERMINATING)
        state.lifecycle_state = f"{_LEAVING}:Wait" if is_held else _LEAVING

    def _note(self, description: str, fault: str = "") -> None:
        """Write an activity down."""
        backend = self.autoscaling_backend
        assert isinstance(backend, Account)
        there = backend.activities.setdefault(self.name, deque(maxlen=ACTIVITIES_MAX))
        now = utcnow()
        there.appendleft(
            {
                "ActivityId": str(uuid5(NAMESPACE_OID, f"{self.name} {description} {now}")),
                "AutoScalingGroupName": self.name,
                "Description": description,
                "Cause": f"At {now:%Y-%m-%dT%H:%M:%SZ} the group was to have "
                f"{self.desired_capacity} instances.",
                "StartTime": now,
                "EndTime": now,
                "StatusCode": "Failed" if fault else "Successful",
                "StatusMessage": fault,
                "Progress": 100,
            }
        )


class Account(AutoScalingBackend):
    """The groups of one region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.waiting: dict[str, Waiting] = {}
        """What holds an instance, by its id."""
        self.activities: dict[str, deque[dict[str, Any]]] = {}
        """What the groups did, the last first."""
        self.announce: Announce | None = None
        self._is_policy = False

    @property
    def _url_module(self) -> Any:  # noqa: ANN401 - a module of moto's
        """Where moto finds the addresses of this service: it guesses by a class's module."""
        return moto_urls

    # Calls of AWS

    def create_auto_scaling_group(self, name: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - moto's
        """A new group, if its bounds are in order and no other has its name."""
        if name in self.autoscaling_groups:
            text = f"AutoScalingGroup by this name already exists - A group with the name {name} "
            require(Refusal("AlreadyExists", text + "already exists"))
        desired = named.get("desired_capacity")
        bounds = int(named.get("min_size") or 0), int(named.get("max_size") or 0)
        require(checks.of_creation(bounds[0], None if desired is None else int(desired), bounds[1]))
        return super().create_auto_scaling_group(name, *arguments, **named)

    def update_auto_scaling_group(self, name: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
        """Another size and bounds; a size beyond new bounds is brought within them."""
        group = self.group(name)
        least, most = named.get("min_size"), named.get("max_size")
        least = group.min_size if least is None else least
        most = group.max_size if most is None else most
        wanted = named.get("desired_capacity")
        require(checks.of_creation(int(least or 0), wanted, int(most or 0)))
        if wanted is None:
            now = int(group.desired_capacity or 0)
            named["desired_capacity"] = max(int(least or 0), min(now, int(most or 0)))
        return super().update_auto_scaling_group(name, *arguments, **named)

    def delete_auto_scaling_group(self, group_name: str, *, is_forced: bool = False) -> None:
        """Take a group away with all that is held in it."""
        group = self.group(group_name)
        there = len(group.instance_states) + len(group.pool.states)
        require(checks.of_deletion(there, is_forced=is_forced))
        require(None if is_forced or group.warm_pool is None else checks.has_pool())
        group.warm_pool = None
        group.pool.clear(self.ec2_backend)
        for each in list(group.instance_states):
            self._finish(group, each)
        group.min_size = 0  # Else the size of 0, which moto sets first, would be refused.
        super().delete_auto_scaling_group(group_name)

    def set_desired_capacity(self, group_name: str, desired_capacity: int | None) -> None:
        """A size within the bounds."""
        group = self.group(group_name)
        bounds = int(group.min_size or 0), int(group.max_size or 0)
        if desired_capacity is not None and self._is_policy:
            desired_capacity = max(bounds[0], min(desired_capacity, bounds[1]))
        elif desired_capacity is not None:
            require(checks.of_desired(desired_capacity, *bounds))
        super().set_desired_capacity(group_name, desired_capacity)

    def execute_policy(self, group_name: str) -> None:
        """Have a scaling policy do its work; what it wants is brought within the bounds."""
        self._is_policy = True
        try:
            super().execute_policy(group_name)
        finally:
            self._is_policy = False

    def terminate_instance(
        self, instance_id: str, should_decrement: bool
    ) -> TerminateInstanceActivity:
        """End this very instance; another comes in its place unless the size is lowered."""
        group, state = self._instance(instance_id)
        before = int(group.desired_capacity or 0)
        if not state.lifecycle_state.startswith(_LEAVING):
            if should_decrement:
                require(checks.of_decrement(before, int(group.min_size or 0)))
                group.desired_capacity = before - 1
                group.pool.spare.add(instance_id)
            group.end(state)
            group.set_desired_capacity(group.desired_capacity)
        return TerminateInstanceActivity(state.instance, before)

    def set_instance_protection(
        self, group_name: str, instance_ids: list[str], protected_from_scale_in: bool | None
    ) -> None:
        """Protect all of them, or none where one cannot be."""
        self.group(group_name)
        for each in instance_ids:
            group, state = self._instance(each)
            require(None if group.name == group_name else checks.no_instance(each))
            require(checks.of_protection(each, state.lifecycle_state))
        super().set_instance_protection(group_name, instance_ids, protected_from_scale_in)

    def put_warm_pool(
        self,
        group_name: str,
        max_group_prepared_capacity: int | None,
        min_size: int | None,
        pool_state: str | None,
        instance_reuse_policy: dict[str, bool] | None,
    ) -> None:
        """A rule for who stands by; what is left out stays as it was."""
        group = self.group(group_name)
        before = group.warm_pool
        if before is not None:
            if max_group_prepared_capacity is None:
                max_group_prepared_capacity = before.max_group_prepared_capacity
            min_size = before.min_size if min_size is None else min_size
            pool_state = pool_state or before.pool_state
            instance_reuse_policy = instance_reuse_policy or before.instance_reuse_policy
        most = max_group_prepared_capacity
        require(checks.of_pool(min_size or 0, most, pool_state or "Stopped"))
        require(checks.mixed_pool() if group.mixed_instances_policy else None)
        group.put_warm_pool(
            None if most is not None and most < 0 else most,
            min_size,
            pool_state,
            instance_reuse_policy,
        )

    def delete_warm_pool(self, group_name: str) -> None:
        """Nobody stands by any more."""
        group = self.group(group_name)
        require(checks.no_pool(group_name) if group.warm_pool is None else None)
        group.pool.clear(self.ec2_backend)
        group.warm_pool = None

    def set_instance_health(self, instance_id: str, health_status: str) -> None:
        """Note an instance's health; `tick` replaces the sick."""
        self._instance(instance_id)
        super().set_instance_health(instance_id, health_status)

    def detach_instances(
        self, group_name: str, instance_ids: list[str], should_decrement: bool
    ) -> Any:  # noqa: ANN401 - moto's
        """Take instances out of the group, which run on."""
        group = self.group(group_name)
        for each in instance_ids:
            self._instance(each)
            self.waiting.pop(each, None)
        if should_decrement:
            sizes = int(group.desired_capacity or 0), int(group.min_size or 0)
            require(checks.of_decrement(*sizes, len(instance_ids)))
        return super().detach_instances(group_name, instance_ids, should_decrement)

    def create_lifecycle_hook(self, name: str, as_name: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - moto's
        """A hook of a group that is there."""
        self.group(as_name)
        return super().create_lifecycle_hook(name, as_name, *arguments, **named)

    def suspend_processes(self, group_name: str, scaling_processes: list[str]) -> None:
        """Stop processes of a group that is there."""
        self.group(group_name)
        super().suspend_processes(group_name, scaling_processes)

    def resume_processes(self, group_name: str, scaling_processes: list[str]) -> None:
        """Let processes of a group that is there go on."""
        self.group(group_name)
        super().resume_processes(group_name, scaling_processes)

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        """EC2 ended instances by itself: no hook is asked, and others come in their place."""
        for group in self.groups():
            group.pool.forget(instance_ids)
            for state in [each for each in group.instances if each.instance_id in instance_ids]:
                self._finish(group, state)
            group.set_desired_capacity(group.desired_capacity)

    # Lifecycle actions

    def complete(self, group: str, hook: str, instance_id: str, token: str, result: Result) -> None:
        """``CompleteLifecycleAction``."""
        held, action = self._action(group, hook, instance_id, token)
        held.completed(action, result)
        self._go_on(held, result)

    def heartbeat(self, group: str, hook: str, instance_id: str, token: str) -> None:
        """``RecordLifecycleActionHeartbeat``."""
        held, action = self._action(group, hook, instance_id, token)
        held.heard(action, time.monotonic())

    def _action(
        self, group: str, hook: str, instance_id: str, token: str
    ) -> tuple[Waiting, Action]:
        """What waits by this hook, for the instance or by the token; one of them is enough."""
        self.group(group)
        for each in self.waiting.values():
            is_it = instance_id == each.instance_id if instance_id else bool(token)
            action = each.find(hook, token) if is_it and each.group == group else None
            if action is not None:
                return each, action
        require(checks.no_action(instance_id or token))
        raise AssertionError("a refusal is raised")

    def hold(self, group: Group, state: InstanceState, transition: str) -> bool:
        """Whether hooks hold the instance now; each is announced."""
        hooks = [
            Hook(
                each.name,
                transition,
                each.heartbeat_timeout,
                "CONTINUE" if each.default_result == "CONTINUE" else "ABANDON",
            )
            for each in self.describe_lifecycle_hooks(group.name)
            if each.lifecycle_transition == transition
        ]
        self.waiting.pop(state.instance_id, None)
        if not hooks:
            return False
        held = waiting_for(group.name, state.instance_id, hooks, time.monotonic())
        self.waiting[state.instance_id] = held
        if self.announce is not None:
            for action in held.actions:
                self.announce(*announcement(held, action))
        return True

    def _go_on(self, held: Waiting, result: Result) -> None:
        """Let an instance go on for which nothing waits any more."""
        if held.actions:
            return
        del self.waiting[held.instance_id]
        group, state = self._instance(held.instance_id)
        if state.lifecycle_state.startswith(_LEAVING):
            state.lifecycle_state = f"{_LEAVING}:Proceed"
        elif result == "CONTINUE":
            state.lifecycle_state = f"{_ARRIVING}:Proceed"
        else:
            # It could not be made ready: it goes, and the group launches another.
            state.lifecycle_state = _LEAVING
            group.set_desired_capacity(group.desired_capacity)

    # What the world tells

    def host_is_up(self, instance_id: str) -> None:
        """The instance's host runs: hooks hold it, or it is in service."""
        for group, state in self._known(instance_id):
            if state.lifecycle_state == _ARRIVING:
                is_held = self.hold(group, state, LAUNCHING)
                state.lifecycle_state = f"{_ARRIVING}:Wait" if is_held else "InService"

    def host_is_down(self, instance_id: str) -> None:
        """The instance's host has ended, as the group wanted it."""
        for group, state in self._known(instance_id):
            if state.lifecycle_state.startswith(_LEAVING):
                self._finish(group, state)

    def impaired(self, instance_id: str) -> None:
        """The instance does not answer EC2's status checks."""
        for _, state in self._known(instance_id):
            state.health_status = "Unhealthy"

    def tick(self) -> None:
        """What the cloud does by itself: time-outs, the sick replaced, what is missing launched."""
        for held in list(self.waiting.values()):
            result = held.expired(time.monotonic())
            if result is not None:
                self._go_on(held, result)
        for group in self.groups():
            for state in list(group.instances):
                if state.lifecycle_state == f"{_ARRIVING}:Proceed":
                    state.lifecycle_state = "InService"
                if state.instance.state in {"stopping", "stopped"}:
                    state.health_status = "Unhealthy"
                is_sick = state.health_status == "Unhealthy"
                if is_sick and not group.is_suspended("ReplaceUnhealthy"):
                    group.end(state)
            if len(group.active_instances()) != group.desired_capacity:
                group.set_desired_capacity(group.desired_capacity)
            group.fill_pool()

    def groups(self) -> list[Group]:
        """All groups."""
        return [each for each in self.autoscaling_groups.values() if isinstance(each, Group)]

    def _finish(self, group: Group, state: InstanceState) -> None:
        """The instance is over: EC2's, and the group's."""
        self.waiting.pop(state.instance_id, None)
        group.instance_states = [each for each in group.instance_states if each is not state]
        if group.takes_back(state):
            group.pool.enter(state)
            return
        group.pool.spare.discard(state.instance_id)
        if state.instance.state != "terminated":
            self.ec2_backend.terminate_instances([state.instance_id])

    def group(self, name: str) -> Group:
        """The group of this name; refuses one that is not there."""
        group = self.autoscaling_groups.get(name)
        if group is None:
            require(checks.no_group(name))
        assert isinstance(group, Group)
        return group

    def _known(self, instance_id: str) -> list[tuple[Group, InstanceState]]:
        """The group that has this instance, and how it stands there; nothing where none has."""
        return [
            (group, each)
            for group in self.groups()
            for each in group.instances
            if each.instance_id == instance_id
        ]

    def _instance(self, instance_id: str) -> tuple[Group, InstanceState]:
        found = self._known(instance_id)
        require(None if found else checks.no_instance(instance_id))
        return found[0]
