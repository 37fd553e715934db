"""Which hosts a group gives back: empty ones, and of those the ones that are missed least.

The one thing to know: this chooses among hosts that may go at all. Whoever has a task, is younger
than the grace, is protected by others, stands under an operator's order or is marked for anything
else is not among them; the last host of a zone stays while its group is in use.
"""

from collections.abc import Sequence

from scheduler.fleet.standing import Instance


def victims_of(
    candidates: Sequence[Instance], zones: dict[str, int], count: int, *, is_last_kept: bool
) -> tuple[str, ...]:
    """The ids of at most ``count`` instances to give back, in this order.

    ``zones`` are the instances of the group by zone, those that stay included. Sick ones go first;
    then the zone that has most gives, so that zones stay even; in a zone the oldest goes.
    """
    left = dict(zones)
    waiting = sorted(
        candidates, key=lambda each: (each.is_healthy, each.joined_at_ms, each.instance_id)
    )
    chosen: list[str] = []
    while waiting and len(chosen) < count:
        may = [each for each in waiting if not is_last_kept or left.get(each.zone, 0) > 1]
        if not may:
            break
        sick = [each for each in may if not each.is_healthy]
        fullest = max(left.get(each.zone, 0) for each in may)
        one = (sick or [each for each in may if left.get(each.zone, 0) == fullest])[0]
        chosen.append(one.instance_id)
        left[one.zone] = left.get(one.zone, 0) - 1
        waiting.remove(one)
    return tuple(chosen)
