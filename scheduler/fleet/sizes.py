"""Bounds and brakes of a group's size: cloud and rules, token buckets, what is absurd.

The one thing to know: a brake never turns a wish into another one. It lets less through, the rest
is wished again at the next look, and the words say which brake it was.
"""

from collections.abc import Sequence
from typing import Final

from scheduler.fleet.shapes import Shape
from scheduler.fleet.standing import Changed, CloudGroup, Fleet
from scheduler.model.fleet_rules import FleetRules

HUGE: Final = 1 << 30
_MINUTE_MS: Final = 60_000


def most_of(shape: Shape) -> int:
    """The largest size that cloud and rules allow."""
    return min(shape.group.maximum, shape.rule.size_max or HUGE)


def least_of(shape: Shape) -> int:
    """The smallest one; a group that is to go may be empty."""
    if shape.lifecycle == "Removable":
        return 0
    if shape.lifecycle == "PhasedOut":
        return shape.group.minimum
    return max(shape.group.minimum, shape.rule.size_min)


def tokens_milli(fleet: Fleet, now_ms: int, *, is_up: bool) -> int:
    """What is in a bucket now, in thousandths of a host."""
    rules = fleet.rules
    held = fleet.up_tokens_milli if is_up else fleet.down_tokens_milli
    if not fleet.tokens_at_ms:
        return rules.tokens_max * 1_000
    come = (now_ms - fleet.tokens_at_ms) * rules.tokens_per_min * 1_000 // _MINUTE_MS
    return min(rules.tokens_max * 1_000, held + come)


def recent(changes: Sequence[Changed], now_ms: int, window_ms: int) -> tuple[Changed, ...]:
    """Those within the window."""
    return tuple(each for each in changes if each.at_ms > now_ms - window_ms)


def change_left(group: CloudGroup, rules: FleetRules, now_ms: int, *, is_up: bool) -> int:
    """By how many hosts the group may still be changed in this window."""
    lately = recent(group.ups if is_up else group.downs, now_ms, rules.change_window_ms)
    changed = sum(each.hosts for each in lately)
    before = group.size - changed if is_up else group.size + changed
    most = max(before * rules.change_percent_max // 100, rules.change_hosts_min)
    return max(0, most - changed)
