"""What a change of policy does to what is under way.

The one thing to know: time-outs that have begun are counted by the new numbers as well.
"""

from scheduler.fold.context import Fold, let_start, watch
from scheduler.fold.guards import policy_changed
from scheduler.model.policy import Policy


def change_policy(fold: Fold, policy: Policy, version: int) -> None:
    """From here on decide by these numbers; time-outs under way are counted by them as well."""
    state = fold.state
    state.policy, state.policy_version = policy, version
    for task in state.tasks.values():
        watch(fold, task)
    for job_id in list(state.held):
        let_start(fold, job_id)
    policy_changed(fold)
    fold.wake_placement()
