"""Labels that operators write on processes of a cell: the request that says so.

The one thing to know: they are for people and their tools. Nothing is decided by them.
"""

from typing import Final

from scheduler.model.base import Ours

MEMBERS_MAX: Final = 200
"""Processes with labels; more than a cell has candidates in years."""
LABELS_MAX: Final = 50
"""Of one process."""


class MemberLabelled(Ours, frozen=True):
    """An operator writes labels on a process, and removes others that operators wrote."""

    member_id: str
    labels: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    actor: str
    why: str
