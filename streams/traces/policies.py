"""A policy by its name or by its file, as placement rules under a name to show.

The one thing to know: what names a file (it ends in .yaml or .yml, or has a slash) is read as
`flumina policy` reads it, with every fault named by line and column.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from projections.simulate.policies import POLICIES
from projections.simulate.trace import Trace
from scheduler.model.reading.faults import Faults
from scheduler.model.rules import PlacementRules
from scheduler.model.rules_document.reading import read_policy
from streams.policy_file.reading import read_yaml
from streams.traces.table import TraceError, near_match


class NamedRules(msgspec.Struct, frozen=True):
    """Rules and how they are called in tables; ``is_learning`` says where a GPU mix comes from."""

    name: str
    rules: PlacementRules
    is_learning: bool = True
    """The policies of the paper take the mix from the whole workload, all others learn it."""


def named_rules(words: list[str]) -> list[NamedRules]:
    """The rules of each policy, in order; raises `TraceError` for one that is not known."""
    found: list[NamedRules] = []
    for word in words:
        is_file = "/" in word or word.endswith((".yaml", ".yml"))
        rules = _of_file(Path(word)) if is_file else _of_name(word)
        name = Path(word).stem if is_file else word
        if any(each.name == name for each in found):
            raise TraceError(
                f"Policy {name} is named twice.",
                "The same word stands in two --policy options.",
                "Name each policy once; a file is called by its name without directory.",
            )
        found.append(NamedRules(name, rules, is_learning=name not in {"fgd", "bestfit"}))
    return found


def notes_of_groups(trace: Trace, policies: Sequence[NamedRules]) -> list[str]:
    """A note for each tier and group of the tasks that a policy does not list."""
    tiers = {each.request.tier for each in trace.tasks}
    groups = {each.request.group for each in trace.tasks} - {"DEFAULT"}
    notes: list[str] = []
    for policy in policies:
        known = [tier.name for tier in policy.rules.tiers]
        listed = [group.name for group in policy.rules.groups]
        notes += [
            f"tier {tier!r} is none of policy {policy.name} ({', '.join(known)}): its tasks "
            f"count as {known[-1]}.{near_match(tier, known)}"
            for tier in sorted(tiers.difference(known))
        ]
        notes += [
            f"group {group!r} is not listed in policy {policy.name}: its tasks count as "
            f"DEFAULT.{near_match(group, listed)}"
            for group in sorted(groups.difference(listed))
        ]
    return notes


def _of_name(word: str) -> PlacementRules:
    make = POLICIES.get(word)
    if make is None:
        raise TraceError(
            f"There is no policy {word!r}.{near_match(word, POLICIES)}",
            "The name is misspelt, or a file was meant.",
            f"Choose from {', '.join(POLICIES)}, or name a YAML file.",
        )
    return make()


def _of_file(path: Path) -> PlacementRules:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(
            f"{path} cannot be read: {error}.",
            "The path is misspelt, or the file is no UTF-8 text.",
            f"Name a policy file, or one of {', '.join(POLICIES)}.",
        ) from error
    faults = Faults()
    there = read_yaml(text, faults)
    policy = None if faults else read_policy(there.document, faults)
    if faults or policy is None:
        lines = []
        for fault in faults.all():
            place = there.place_of(fault.field)
            where = f"{path}:{place.line}:{place.column}" if place else str(path)
            hint = f" ({fault.hint})" if fault.hint else ""
            lines.append(f"{where}: {fault.field or 'the file'} {fault.text}{hint}")
        raise TraceError(
            f"{path} is no policy: {'; '.join(lines)}.",
            "Nothing was simulated.",
            "`flumina policy` shows one that is right.",
        )
    return policy.placement
