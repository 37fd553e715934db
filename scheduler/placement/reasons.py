"""Why a host was chosen: its fitness, part by part, beside the best of the others.

The one thing to know: parts are worked out for the two best hosts only, before the task is put
there, from the same functions that made the keys.
"""

from typing import NamedTuple

from scheduler.model.ids import HostId
from scheduler.placement.columns import SUM_MASK, SUM_SHIFT
from scheduler.placement.index import Index, asked
from scheduler.placement.outcome import Parts, Reason
from scheduler.placement.prepared import Prepared
from scheduler.placement.slot import Slot

SOFT = "soft"
"""The name under which a reason lists all soft constraints together."""


class Standing(NamedTuple):
    """A host with its fitness at one moment."""

    host_id: HostId
    fitness: int
    parts: Parts


def standing_of(
    index: Index, prepared: Prepared, slot: Slot, key: int, balance: int = 0
) -> Standing:
    """How a host that is not refused stands for one more task.

    ``balance`` is what balances add to the weighted sum.
    """
    request, now_ms = prepared.request, index.columns.now_ms
    parts = [(name, int(part(request, slot, now_ms))) for name, _, part in prepared.parts]
    parts += [
        (name, asked(name, function, prepared, slot)) for name, _, function in prepared.functions
    ]
    if prepared.soft_weight:
        soft = index.soft_of(slot, prepared) + balance
        parts.append((SOFT, soft // prepared.soft_weight))
    total = ((key >> SUM_SHIFT) & SUM_MASK) + balance
    if prepared.cap is not None:
        total = min(total, prepared.cap)
    fitness = total // prepared.weight if prepared.weight else 0
    return Standing(slot.host_id, fitness, tuple(parts))


def reason_of(first: Standing | None, second: Standing | None) -> Reason | None:
    """Both standings as an outcome tells them."""
    if first is None:
        return None
    if second is None:
        return Reason(first.fitness, first.parts)
    return Reason(
        first.fitness,
        first.parts,
        second.host_id,
        second.fitness,
        second.parts,
    )
