"""Principals, what they were granted, and the one decision: whether one may do that, to this.

The one thing to know: what is not granted is refused. A principal has grants; each is a role, and
where it counts: for jobs of some owners, of some applications, in some cells; nothing said is all.

| action | is | viewer | producer | operator | admin |
| --- | --- | --- | --- | --- | --- |
| look | reading whatever there is | yes | yes | yes | yes |
| run | submitting, changing and ending jobs and tasks | | yes | yes | yes |
| operate | hosts, groups, leadership, evictions, runbooks, alerts | | | yes | yes |
| administer | rules that the cell decides by, and what leaves the installation | | | | yes |
"""

from collections.abc import Callable
from typing import Final, Literal, get_args

import msgspec

Role = Literal["viewer", "producer", "operator", "admin"]
Action = Literal["look", "run", "operate", "administer"]
Reach = Literal["open", "cell", "job", "task", "list", "named", "all"]
"""What a path is about: nothing that needs a principal; the cell and no job in particular; the job
of the path; the job of the path's task; jobs, of which only those within reach are shown; the job
that the request names elsewhere; all jobs at once."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
ACTIONS_OF: Final[dict[Role, frozenset[Action]]] = {
    role: frozenset(ACTIONS[: place + 1]) for place, role in enumerate(ROLES)
}


class Grant(msgspec.Struct, frozen=True):
    """A role, and where it counts; an empty list is everywhere."""

    role: Role
    owners: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()

    @property
    def is_scoped(self) -> bool:
        """Whether it is about some jobs only."""
        return bool(self.owners or self.applications)

    def has_job(self, owner: str, application: str) -> bool:
        """Whether a job of this owner and application is within it."""
        return (not self.owners or owner in self.owners) and (
            not self.applications or application in self.applications
        )

    def allows(self, action: Action, cell: str) -> bool:
        """Whether it is about this action in this cell, of whichever jobs."""
        return action in ACTIONS_OF[self.role] and (not self.cells or cell in self.cells)


class Principal(msgspec.Struct, frozen=True):
    """Somebody who has proved who he is."""

    name: str
    grants: tuple[Grant, ...] = ()
    is_delegate: bool = False
    """A part of the installation that asks for others, whom it names: the federation's front, the
    console."""
    expires_at_ms: int | None = None
    """When the proof is worth nothing any more, by wall clock; None: nobody knows."""
    by: str = ""
    """The delegate that asks for him; empty where he asks himself."""


class Refusal(msgspec.Struct, frozen=True):
    """Why not, as a sentence."""

    code: Literal["role", "cell", "scope"]
    text: str


class Job(msgspec.Struct, frozen=True):
    """What of a job the decision looks at."""

    owner: str
    application: str


Target = Job | Literal["cell", "list", "all"]
"""What shall be looked at or changed: a job; the cell and no job in particular; jobs that are
filtered afterwards by `reach_of`; all jobs at once."""


def decide(principal: Principal, action: Action, target: Target, cell: str) -> Refusal | None:
    """None where the principal may; else why not. This is the only place that decides."""
    if not any(action in ACTIONS_OF[each.role] for each in principal.grants):
        roles = ", ".join(sorted({each.role for each in principal.grants})) or "no role"
        return Refusal("role", f"{principal.name} has {roles}, and {_needed(action)} is needed")
    grants = [each for each in principal.grants if each.allows(action, cell)]
    if not grants:
        return Refusal("cell", f"{principal.name} may not {action} in cell {cell}")
    if isinstance(target, Job):
        if any(each.has_job(target.owner, target.application) for each in grants):
            return None
        return Refusal("scope", f"the job is not among those of {principal.name}")
    # Who sees some jobs may see the hosts they run on, and changes nothing that is everybody's.
    if target == "list" or (target == "cell" and action == "look"):
        return None
    if any(not each.is_scoped for each in grants):
        return None
    return Refusal("scope", f"it is about jobs of others, and {principal.name} has some jobs only")


def reach_of(principal: Principal, action: Action, cell: str) -> Callable[[str, str], bool] | None:
    """Whether a job of an owner and an application is within reach; None where every job is."""
    grants = tuple(each for each in principal.grants if each.allows(action, cell))
    if any(not each.is_scoped for each in grants):
        return None

    def has(owner: str, application: str) -> bool:
        return any(each.has_job(owner, application) for each in grants)

    return has


def actions_of(principal: Principal, cell: str) -> tuple[Action, ...]:
    """What the principal may do here to something, for a page that greys the rest."""
    return tuple(
        action for action in ACTIONS if any(each.allows(action, cell) for each in principal.grants)
    )


def _needed(action: Action) -> str:
    role = next(each for each in ROLES if action in ACTIONS_OF[each])
    return f"role {role} (to {action})"
