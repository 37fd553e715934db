"""Sums of many resources, quickly, for views and metrics.

The one thing to know: ``Resources`` adds exactly but makes a new value for each step; a view of
100,000 tasks needs one pass with a plain dict, and the same short form for equal amounts.
"""

from collections.abc import Iterable

from connectors.devcluster.master.model import Agent, Framework
from connectors.devcluster.resources import NOTHING, Resources, total
from connectors.devcluster.speciality import MARK
from connectors.devcluster.words import Json


def added(amounts: Iterable[Resources]) -> Resources:
    """The sum of all amounts."""
    scalars: dict[str, int] = {}
    others: list[Resources] = []
    for amount in amounts:
        if amount.ranges or amount.sets or any(MARK in key for key in amount.scalars):
            others.append(amount)
            continue
        for name, milli in amount.scalars.items():
            scalars[name] = scalars.get(name, 0) + milli
    plain = Resources({name: milli for name, milli in scalars.items() if milli})
    return plain + total(others) if others else plain


def allocated_to(agent: Agent) -> dict[str, list[Resources]]:
    """What tasks and executors hold of an agent, by role."""
    held: dict[str, list[Resources]] = {}
    for task in agent.tasks.values():
        if task.holds_resources:
            held.setdefault(task.role, []).append(task.resources)
    for executor in agent.executors.values():
        held.setdefault(executor.role, []).append(executor.resources)
    return held


def allocated_of(agent: Agent) -> Resources:
    """What tasks and executors hold of an agent."""
    if not agent.tasks and not agent.executors:
        return NOTHING
    return added(amount for amounts in allocated_to(agent).values() for amount in amounts)


def used_by(framework: Framework) -> dict[str, Resources]:
    """The scalars of a framework's tasks and executors by role: what it has but for its offers.

    The books are kept as things happen, so this costs as much as there are offers, not tasks.
    """
    offered: dict[str, dict[str, int]] = {}
    for offer in framework.offers.values():
        amounts = offered.setdefault(offer.role, {})
        for name, milli in offer.resources.quantities.items():
            amounts[name] = amounts.get(name, 0) + milli
    used: dict[str, Resources] = {}
    for role, amounts in framework.allocated.items():
        given = offered.get(role, {})
        left = {n: a - given.get(n, 0) for n, a in amounts.items() if a != given.get(n, 0)}
        if left:
            used[role] = Resources(left)
    return used


class Summaries:
    """The short form of amounts, made once for equal plain ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, int], ...], Json] = {}

    def of(self, amount: Resources) -> Json:
        """The amount in the short form of the state endpoints; not to be changed."""
        if amount.ranges or amount.sets:
            return amount.summary()
        key = tuple(amount.scalars.items())
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = amount.summary()
        return known
