"""What each host has in all, as far as its offers have told: remembered beside the fold.

The one thing to know: Mesos tells only what is free. While a host offers nothing, what it has in
all is what it was once seen to have; who began to fold later than its last offer does not know it.
"""

from typing import Final

from projections.obeyed import Obeyed
from scheduler.model.events import Copied
from scheduler.model.ids import HostId
from scheduler.model.inbound import OffersChanged
from scheduler.state import State
from scheduler.versions import container_of

HOSTS_MAX: Final = 50_000
"""Then those that the fold has forgotten are forgotten here as well."""

Size = tuple[int, int]
"""Thousandths of cpus, and MiB of memory."""


class HostSizes:
    """Sizes of hosts, grown from the offers that go by."""

    def __init__(self, state: State) -> None:
        """``state``: the fold's; what it has on offer is taken at once."""
        self._state = state
        self.known: dict[HostId, Size] = {}
        for host_id in state.host_offers:
            self._look_at(host_id)

    def apply(self, obeyed: Obeyed) -> None:
        """Take one event that counts."""
        event = obeyed.event
        if not (isinstance(event, Copied) and isinstance(event.body, OffersChanged)):
            return
        for offer in event.body.added:
            known = self.known.get(offer.host_id)
            # An offer of less than is known says nothing new, and most are.
            if known is None or offer.resources.cpu_milli > known[0]:
                self._look_at(offer.host_id)
        if len(self.known) > HOSTS_MAX:
            self.known = {
                host_id: size
                for host_id, size in self.known.items()
                if host_id in self._state.hosts
            }

    def _look_at(self, host_id: HostId) -> None:
        size = size_now(self._state, host_id)
        if size is not None:
            before = self.known.get(host_id, (0, 0))
            self.known[host_id] = (max(size[0], before[0]), max(size[1], before[1]))


def held(state: State, host_id: HostId) -> Size:
    """What tasks of ours hold of the host."""
    cpu = memory = 0
    for task_id in state.host_tasks.get(host_id, ()):
        need = container_of(state, state.tasks[task_id]).need
        cpu += need.cpu_milli
        memory += need.memory_mib
    return cpu, memory


def size_now(state: State, host_id: HostId) -> Size | None:
    """What the host has in all by its offers and our tasks; None while it offers nothing."""
    offer_ids = state.host_offers.get(host_id)
    if not offer_ids:
        return None
    cpu, memory = held(state, host_id)
    for offer_id in offer_ids:
        resources = state.offers[offer_id].resources
        cpu += resources.cpu_milli
        memory += resources.memory_mib
    return cpu, memory
