"""The one decision, as a table: role by action by what it is about; not granted is refused."""

import pytest

from connectors.access.principals import (
    ACTIONS,
    ROLES,
    Action,
    Grant,
    Job,
    Principal,
    Role,
    Target,
    actions_of,
    decide,
    reach_of,
)

OWN = Job("ada@example.org", "payments")
OTHERS = Job("eve@example.org", "payments")
MAY: dict[Role, tuple[Action, ...]] = {
    "viewer": ("look",),
    "producer": ("look", "run"),
    "operator": ("look", "run", "operate"),
    "admin": ("look", "run", "operate", "administer"),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("target", [OWN, OTHERS, "cell", "list", "all"])
def test_a_role_without_a_scope_may_its_actions_to_everything(
    role: Role, action: Action, target: Target
) -> None:
    refusal = decide(Principal("ada", (Grant(role),)), action, target, "main")
    assert (refusal is None) == (action in MAY[role])
    if refusal is not None:
        assert refusal.code == "role"
        assert f"ada has {role}" in refusal.text


@pytest.mark.parametrize(
    ("action", "target", "code"),
    [
        ("look", OWN, ""),
        ("look", OTHERS, "scope"),
        ("look", "list", ""),
        ("look", "cell", ""),
        ("look", "all", "scope"),
        ("run", OWN, ""),
        ("run", OTHERS, "scope"),
        ("run", "list", ""),
        ("run", "all", "scope"),
        ("operate", OWN, ""),
        ("operate", "cell", "scope"),
        ("operate", "all", "scope"),
        ("administer", "cell", "scope"),
    ],
)
def test_who_has_some_jobs_may_nothing_to_those_of_others_nor_to_what_is_everybodys(
    action: Action, target: Target, code: str
) -> None:
    for grant in (
        Grant("admin", owners=("ada@example.org",)),
        Grant("admin", ("ada@example.org",), ("payments",)),
    ):
        refusal = decide(Principal("ada", (grant,)), action, target, "main")
        assert (refusal.code if refusal else "") == code


def test_owner_and_application_must_both_fit_and_grants_add_up() -> None:
    both = Grant("producer", ("ada@example.org",), ("payments",))
    assert decide(Principal("a", (both,)), "run", Job("ada@example.org", "search"), "main")
    two = (both, Grant("viewer", applications=("search",)))
    assert decide(Principal("a", two), "look", Job("eve@example.org", "search"), "main") is None
    # Each grant stands for itself: the one that sees does not lend the one that runs its jobs.
    assert decide(Principal("a", two), "run", Job("eve@example.org", "search"), "main")


def test_a_grant_counts_in_its_cells_only() -> None:
    principal = Principal("ada", (Grant("admin", cells=("west",)), Grant("viewer")))
    assert decide(principal, "administer", "cell", "west") is None
    refusal = decide(principal, "administer", "cell", "main")
    assert refusal is not None
    assert refusal.code == "cell"
    assert decide(principal, "look", "all", "main") is None
    assert actions_of(principal, "west") == ACTIONS
    assert actions_of(principal, "main") == ("look",)


def test_nobody_without_a_grant_may_anything() -> None:
    for action in ACTIONS:
        for target in (OWN, "cell", "list", "all"):
            assert decide(Principal("nobody"), action, target, "main") is not None
    assert actions_of(Principal("nobody"), "main") == ()


def test_the_reach_of_a_scope_is_what_the_decision_allows() -> None:
    some = Principal("ada", (Grant("producer", ("ada@example.org",)), Grant("viewer", (), ("b",))))
    look, run = reach_of(some, "look", "main"), reach_of(some, "run", "main")
    assert look is not None
    assert run is not None
    for owner in ("ada@example.org", "eve@example.org"):
        for application in ("a", "b"):
            job = Job(owner, application)
            assert look(owner, application) == (decide(some, "look", job, "main") is None)
            assert run(owner, application) == (decide(some, "run", job, "main") is None)
    assert reach_of(Principal("ada", (Grant("viewer"),)), "look", "main") is None
