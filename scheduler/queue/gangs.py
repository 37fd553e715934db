"""Gangs: tasks of several classes that start together in one round, or not at all.

The one thing to know: all waiting tasks of all classes that name the same gang are the gang. What
was placed of it is put back when one member does not fit, and the refusal says how many did.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from scheduler.placement.outcome import Outcome, Refused

from .allowance import GANG
from .turns import Entry

Gangs = dict[str, list[Entry]]


def gangs_of(entries: Sequence[Entry]) -> Gangs:
    """Classes by the gang that they name, each told how large its gang is."""
    gangs: Gangs = {}
    for entry in entries:
        if entry.request.gang:
            gangs.setdefault(entry.request.gang, []).append(entry)
    for members in gangs.values():
        # Who is known to fit nowhere is asked first, so that nothing need be put back.
        members.sort(key=lambda member: not member.is_hopeless)
        size = sum(member.left for member in members)
        for member in members:
            member.gang_size = size
    return gangs


def refuse(members: Sequence[Entry], fitted: int, failing: Entry, why: Outcome) -> None:
    """Tell every member that the gang waits on: which one failed, and how many of all did fit."""
    reason = Refused(
        rule=GANG,
        hosts=0,
        missing=f"gang {failing.request.gang} starts whole: {fitted} of its {failing.gang_size} "
        f"tasks fit, then job {failing.request.job_id} found no host",
    )
    wake = why.wake or "room for the whole gang"
    for member in members:
        refused = (reason, *why.refused) if member is failing else (reason,)
        member.refusal = Outcome((), None, member.left, refused, wake)


def hold(members: Sequence[Entry], failing: Entry) -> None:
    """Tell every member that a rule of the queue does not let the whole gang through."""
    held = failing.held
    assert held is not None, "a member that is let through holds nobody"
    words = f"gang {failing.request.gang} starts whole, all {failing.gang_size} tasks: {held.words}"
    for member in members:
        member.held = replace(held, request=member.request, count=member.left, words=words)
