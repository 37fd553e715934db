"""Gangs: tasks of several classes that start together in one round, or not at all.

The one thing to know: all waiting tasks of all classes that name the same gang are the gang. What
was placed of it is put back when one member does not fit, and the refusal says how many did.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from scheduler.placement.outcome import Outcome, Refused

from .allowance import GANG
from .outcome import Held
from .turns import Entry

Gangs = dict[str, list[Entry]]


def gangs_of(entries: Sequence[Entry]) -> Gangs:
    """Classes by the gang that they name, each told how large its gang is."""
    gangs: Gangs = {}
    for entry in entries:
        if entry.request.gang:
            gangs.setdefault(entry.request.gang, []).append(entry)
    for members in gangs.values():
        size = sum(member.left for member in members)
        for member in members:
            member.gang_size = size
    return gangs


def refuse(
    members: Sequence[Entry], fitted: int, failing: Entry, refused: tuple[Refused, ...], wake: str
) -> None:
    """Tell every member that the gang waits on: which one failed, and how many of all did fit."""
    reason = Refused(
        rule=GANG,
        hosts=0,
        missing=f"gang {failing.request.gang} starts whole: {fitted} of its {failing.gang_size} "
        f"tasks fit, then job {failing.request.job_id} found no host",
    )
    for member in members:
        reasons = (reason, *refused) if member is failing else (reason,)
        member.is_closed = True
        member.gang_answer = Outcome((), None, member.left, reasons, wake)


def hold(members: Sequence[Entry], held: Held) -> None:
    """Tell every member that a rule of the queue does not let the whole gang through."""
    gang, size = held.request.gang, members[0].gang_size
    words = f"gang {gang} starts whole, all {size} tasks: {held.words}"
    for member in members:
        member.gang_answer = replace(held, request=member.request, count=member.left, words=words)
