"""A round's launches within what hosts on trial may have: few tasks that have not started yet.

The one thing to know: the round places as if such a host were any other, and what is too much for
it is cut off here and placed again at once; by then the host is closed. So the index of hosts need
not know of trials, of which there are few.
"""

from msgspec.structs import replace

from scheduler.fold.health import launching, launching_max
from scheduler.model.proposals import LaunchTasks
from scheduler.state import State


def within_trials(state: State, launches: tuple[LaunchTasks, ...]) -> tuple[LaunchTasks, ...]:
    """The launches, of hosts on trial only as many as they may have now."""
    found: list[LaunchTasks] = []
    for each in launches:
        most = launching_max(state, each.host_id)
        left = max(0, most - launching(state, each.host_id)) if most else len(each.launches)
        if left >= len(each.launches):
            found.append(each)
        elif left:
            found.append(replace(each, launches=each.launches[:left]))
    return tuple(found)
