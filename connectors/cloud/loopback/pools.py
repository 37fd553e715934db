"""Who stands by beside a group: instances of a warm pool, which moto does not have.

The one thing to know: an instance enters ``Warmed:Pending`` and is ``Warmed:Stopped`` (or
``Running``, ``Hibernated``) from the next look on. No agent runs for it before its group takes it
out: AWS' guide wants machines to ask for their target state before they begin to work.
"""

from typing import Any, Final

from moto.autoscaling.models import FakeWarmPool, InstanceState

REUSE: Final = "ReuseOnScaleIn"
WARMED: Final = "Warmed"
_ENTERING: Final = f"{WARMED}:Pending"


class Pool:
    """The instances of one group that stand by."""

    def __init__(self) -> None:
        self.states: list[InstanceState] = []
        self.spare: set[str] = set()
        """Instances that go because the group is made smaller, and so may come here."""

    def enter(self, state: InstanceState) -> None:
        """Have an instance stand by, from the next look on."""
        state.lifecycle_state = _ENTERING
        state.protected_from_scale_in = False
        self.spare.discard(state.instance_id)
        self.states.append(state)

    def is_spare(self, state: InstanceState) -> bool:
        """Whether the instance goes only because the group is made smaller."""
        return state.instance_id in self.spare

    def ready(self) -> list[InstanceState]:
        """Those that can be taken out."""
        return [each for each in self.states if each.lifecycle_state != _ENTERING]

    def settle(self, ec2: Any) -> None:  # noqa: ANN401 - moto's
        """Those that have entered stand by now, as the rule of the pool says."""
        for each in self.states:
            if each.lifecycle_state != _ENTERING:
                continue
            rule: FakeWarmPool | None = each.auto_scaling_group.warm_pool
            state = rule.pool_state if rule is not None else "Stopped"
            if state != "Running" and each.instance.state == "running":
                ec2.stop_instances([each.instance_id])
            each.lifecycle_state = f"{WARMED}:{state}"

    def leave(self, state: InstanceState, ec2: Any) -> None:  # noqa: ANN401 - as above
        """End one that stands by."""
        self.states.remove(state)
        ec2.terminate_instances([state.instance_id])

    def forget(self, instance_ids: list[str]) -> None:
        """EC2 has ended some by itself."""
        self.states = [each for each in self.states if each.instance_id not in instance_ids]
        self.spare.difference_update(instance_ids)

    def clear(self, ec2: Any) -> None:  # noqa: ANN401 - as above
        """End all that stand by."""
        for each in list(self.states):
            self.leave(each, ec2)


def wanted_in(rule: FakeWarmPool | None, desired: int, maximum: int) -> int:
    """How many stand by beside a group of this size; none without a rule."""
    if rule is None:
        return 0
    prepared = rule.max_group_prepared_capacity
    most = maximum if prepared is None else int(prepared)
    return max(int(rule.min_size or 0), most - desired, 0)
