"""The host itself: how well it has behaved, how old it is, how long it will be there.

The one thing to know: phased-out hosts need no part. They stand below all others in the key, so
they are used where no other host will do, whatever the weights are.
"""

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.fitness.hosts import DAY_MS, WEEK_MS, Hosts, Numbers
from scheduler.placement.request import Request
from scheduler.placement.slot import NEVER_MS


def agent(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The host's quality; a hundredth of it where the host is phased out."""
    return hosts.agent


def age(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """Older is better, up to a week: the young ones stay empty and can be given back."""
    lived = now_ms - hosts.since_ms
    lived = lived * (lived > 0)
    is_old = lived >= WEEK_MS
    return is_old * FITNESS_MAX + (1 - is_old) * (lived * FITNESS_MAX // WEEK_MS)


def expiry(request: Request, hosts: Hosts, now_ms: int) -> Numbers:
    """0 where the host goes before the task is done, else 1,000; the closer, the worse.

    A task of unknown length has 1,000 on a host that stays, and less on one with under a day left.
    """
    left = hosts.expires_at_ms - now_ms
    left = left * (left > 0)
    if request.runtime_ms is not None:
        return FITNESS_MAX * (left >= request.runtime_ms)
    stays = hosts.expires_at_ms >= NEVER_MS
    is_long = left >= DAY_MS
    short = (1 - is_long) * (left * (1 - is_long) * FITNESS_MAX // DAY_MS)
    return stays * FITNESS_MAX + (1 - stays) * (is_long * (FITNESS_MAX - 1) + short)
