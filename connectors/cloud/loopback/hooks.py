"""Lifecycle actions that wait: which hooks hold an instance, since when, and until when.

The one thing to know: an instance waits once for each hook of its group, all at the same time. It
goes on when every one of them was completed or has timed out. Nothing here knows of moto, or has a
clock of its own.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal
from uuid import NAMESPACE_OID, uuid5

import msgspec

LAUNCHING: Final = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING: Final = "autoscaling:EC2_INSTANCE_TERMINATING"
GLOBAL_S: Final = 172_800
"""AWS: heartbeats keep an action waiting for 48 hours, or 100 heartbeats, whichever is less."""
HEARTBEATS_MAX: Final = 100

Result = Literal["CONTINUE", "ABANDON"]


class Hook(msgspec.Struct, frozen=True):
    """A hook of a group."""

    name: str
    transition: str
    heartbeat_s: int
    default_result: Result


class Action(msgspec.Struct):
    """One hook that holds one instance."""

    hook: Hook
    token: str
    due_s: float
    last_s: float
    """However many heartbeats come, it is over then."""


class Waiting(msgspec.Struct):
    """What holds one instance of one group."""

    group: str
    instance_id: str
    actions: list[Action]

    def find(self, hook: str, token: str = "") -> Action | None:
        """The action of this hook that still waits; of this token, where one is given."""
        return next(
            (each for each in self.actions if each.hook.name == hook and token in {"", each.token}),
            None,
        )

    def completed(self, action: Action, result: Result) -> None:
        """Let one go. Abandoned, the others are not waited for: AWS cancels them."""
        self.actions = [] if result == "ABANDON" else [a for a in self.actions if a is not action]

    def heard(self, action: Action, now_s: float) -> None:
        """A heartbeat: the action waits as long again, up to its last moment."""
        action.due_s = min(now_s + action.hook.heartbeat_s, action.last_s)

    def expired(self, now_s: float) -> Result | None:
        """What the defaults of actions that timed out say; None where none did."""
        over = [each for each in self.actions if now_s >= each.due_s]
        for each in over:
            self.completed(each, each.hook.default_result)
            if each.hook.default_result == "ABANDON":
                return "ABANDON"
        return "CONTINUE" if over else None


def waiting_for(group: str, instance_id: str, hooks: Iterable[Hook], now_s: float) -> Waiting:
    """The actions that hold an instance from now on."""
    actions = [
        Action(
            each,
            str(uuid5(NAMESPACE_OID, f"{group} {instance_id} {each.name} {now_s}")),
            now_s + each.heartbeat_s,
            now_s + min(GLOBAL_S, HEARTBEATS_MAX * each.heartbeat_s),
        )
        for each in hooks
    ]
    return Waiting(group, instance_id, actions)


def announcement(waiting: Waiting, action: Action) -> tuple[str, dict[str, str]]:
    """The detail type and the detail of the event by which EventBridge tells of an action."""
    is_launch = action.hook.transition == LAUNCHING
    word = "launch" if is_launch else "terminate"
    return f"EC2 Instance-{word} Lifecycle Action", {
        "LifecycleActionToken": action.token,
        "AutoScalingGroupName": waiting.group,
        "LifecycleHookName": action.hook.name,
        "EC2InstanceId": waiting.instance_id,
        "LifecycleTransition": action.hook.transition,
        "Origin": "EC2" if is_launch else "AutoScalingGroup",
        "Destination": "AutoScalingGroup" if is_launch else "EC2",
    }


Announce = Callable[[str, dict[str, str]], None]
"""Takes a detail type and a detail, and puts the event on the account's bus."""
