"""What is different between two policies, path by path, as people would read it.

The one thing to know: documents are compared and not values, so a difference has the words and the
units of the file. Order counts in lists only: that of tiers is the order in which they are served.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from scheduler.model.policy import Policy
from scheduler.model.reading.faults import path_below
from scheduler.model.rules_document.writing import policy_document


class Difference(msgspec.Struct, frozen=True):
    """One part of the policy, before and after; None where it is not there."""

    path: str
    before: Any
    after: Any


def differences(before: Policy, after: Policy) -> tuple[Difference, ...]:
    """Every part of the policy that is another, in the order of the file."""
    return tuple(_between("", policy_document(before), policy_document(after)))


def _between(path: str, before: Any, after: Any) -> Iterator[Difference]:  # noqa: ANN401 - JSON
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from _between(path_below(path, name), before.get(name), after.get(name))
        return
    if _are_named(before) and _are_named(after):
        yield from _between_named(path, before, after)
        return
    if before != after:
        yield Difference(path, before, after)


def _are_named(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _between_named(path: str, before: list[Any], after: list[Any]) -> Iterator[Difference]:
    """Entries of a list that have names, each against the one of its name."""
    left, right = ({_name_of(each): each for each in side} for side in (before, after))
    for name in {**left, **right}:
        yield from _between(path_below(path, name), left.get(name), right.get(name))
    if list(left) != list(right) and sorted(left) == sorted(right):
        yield Difference(path, list(left), list(right))


def _name_of(entry: dict[str, Any]) -> str:
    return f"{entry['kind']} {entry['name']}" if "kind" in entry else str(entry["name"])
