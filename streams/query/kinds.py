"""Which kinds of events are of which stream.

The one thing to know: a new kind of a proposal is a decision by itself; a new change is a job's or
a task's by what it is called, so that nobody has to remember these lists.
"""

from typing import Final, get_args

from scheduler.model.changes import Change
from scheduler.model.health import VerdictBody
from scheduler.model.inbound import InboundBody
from scheduler.model.proposals import Proposal

_CHANGES: Final = frozenset(each.__name__ for each in get_args(Change))
_OF_TASKS: Final = ("Task", "Orphan", "Eviction", "Relocation")
TASK_KINDS: Final = frozenset(each for each in _CHANGES if each.startswith(_OF_TASKS))
JOB_KINDS: Final = frozenset(
    each
    for each in _CHANGES
    if each.startswith(("Job", "Request", "Scaling", "LoadBalancers", "Update"))
)
OFFER_KINDS: Final = frozenset({"OfferAdded", "OfferRemoved"})
HOST_KINDS: Final = frozenset(
    each.__name__
    for each in (*get_args(InboundBody), *get_args(VerdictBody))
    if each.__name__.startswith(("Host", "Cloud", "Instance", "Group"))
)
VERDICT_KINDS: Final = frozenset(each.__name__ for each in get_args(VerdictBody))
USAGE_KINDS: Final = frozenset({"TaskUsage", "HostUsage", "CellUsage"})
"""As `connectors.mesos.usage` writes them."""
_CARRIED_OUT: Final = frozenset({"RoundRecord", "PreemptTask", "EffectStarted", "EffectEnded"})


def decision_kinds() -> frozenset[str]:
    """Every kind of proposal, how it was carried out, and the rounds that they came of."""
    return _CARRIED_OUT | {each.__name__ for each in get_args(Proposal)}
