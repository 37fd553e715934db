"""Offer constraints: which agents a framework wants to hear of at all, by their attributes.

The one thing to know: an attribute that is missing meets the negative predicates only, and one that
is no text meets every text predicate, as in Mesos. Patterns are RE2's, as in Mesos: matched whole,
in linear time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import re2

from connectors.devcluster.words import Json

# Whether an attribute's value, or None for a missing one, is what a framework wants.
Test = Callable[[Json | None], bool]

_PSEUDO = frozenset({"HOSTNAME", "REGION", "ZONE"})
_SELECTOR_ERROR = (
    "Exactly one of 'AttributeConstraint::Selector::name' or "
    "'AttributeConstraint::Selector::pseudoattribute_type' must be set"
)


class ConstraintError(ValueError):
    """Offer constraints that Mesos refuses, in its words."""


@dataclass(frozen=True)
class Constraint:
    """A test of one attribute, or of what Mesos knows of an agent besides (a pseudoattribute)."""

    attribute: str | None
    pseudoattribute: str | None
    test: Test

    def allows(self, hostname: str, attributes: Iterable[Json]) -> bool:
        """Whether an agent meets it."""
        if self.pseudoattribute == "HOSTNAME":
            return self.test({"type": "TEXT", "text": {"value": hostname}})
        if self.pseudoattribute is not None:
            # Agents of this cluster have no fault domain.
            return self.test(None)
        return self.test(next((a for a in attributes if a["name"] == self.attribute), None))


@dataclass(frozen=True)
class RoleConstraints:
    """Groups of constraints: all of some one group must be met."""

    groups: tuple[tuple[Constraint, ...], ...]

    def allows(self, hostname: str, attributes: list[Json]) -> bool:
        """Whether an agent may be offered to the role."""
        return any(all(c.allows(hostname, attributes) for c in group) for group in self.groups)


def compiled(offer_constraints: Json | None) -> dict[str, RoleConstraints]:
    """The constraints of each role, ready to ask; raises ``ConstraintError`` in Mesos' words."""
    roles = (offer_constraints or {}).get("role_constraints", {})
    return {role: _of_role(role, roles[role]) for role in sorted(roles)}


def _of_role(role: str, body: Json) -> RoleConstraints:
    groups = body.get("groups", [])
    if not groups:
        raise ConstraintError(
            "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' "
            f"for role {role}"
        )
    result = []
    for group in groups:
        constraints = group.get("attribute_constraints", [])
        if not constraints:
            # The missing space is Mesos' own.
            raise ConstraintError(
                f"'OfferConstraints::RoleConstraints::groups' for role {role}contains an empty "
                "RoleConstraints::Group"
            )
        try:
            result.append(tuple(_constraint(c) for c in constraints))
        except ConstraintError as error:
            raise ConstraintError(
                f"A role {role} has an invalid 'AttributeConstraint': {error}"
            ) from error
    return RoleConstraints(tuple(result))


def _constraint(body: Json) -> Constraint:
    selector = body["selector"]
    attribute, pseudo = selector.get("attribute_name"), selector.get("pseudoattribute_type")
    if (attribute is None) == (pseudo is None):
        raise ConstraintError(_SELECTOR_ERROR)
    if pseudo is not None and pseudo not in _PSEUDO:
        raise ConstraintError("Unknown pseudoattribute type")
    return Constraint(attribute, pseudo, _test(body["predicate"]))


def _test(predicate: Json) -> Test:
    match predicate:
        case {"exists": _}:
            return lambda value: value is not None
        case {"not_exists": _}:
            return lambda value: value is None
        case {"text_equals": {"value": wanted}}:
            return _text_test(lambda text: bool(text == wanted), if_missing=False)
        case {"text_not_equals": {"value": unwanted}}:
            return _text_test(lambda text: bool(text != unwanted), if_missing=True)
        case {"text_matches": {"regex": pattern}}:
            return _text_test(_matcher(pattern), if_missing=False)
        case {"text_not_matches": {"regex": pattern}}:
            matches = _matcher(pattern)
            return _text_test(lambda text: not matches(text), if_missing=True)
        case _:
            raise ConstraintError("Unknown predicate type")


def _text_test(is_wanted: Callable[[str], bool], *, if_missing: bool) -> Test:
    def test(value: Json | None) -> bool:
        if value is None:
            return if_missing
        return value["type"] != "TEXT" or is_wanted(value["text"]["value"])

    return test


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches the whole pattern."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled_pattern = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ConstraintError(
            f"Failed to construct regex from pattern '{pattern}': {why}"
        ) from error
    return lambda text: compiled_pattern.fullmatch(text) is not None
