"""One task after the other on ever other hosts, and the table of hosts brought up to date once.

The one thing to know: where nothing but free cpu and memory changes with a task, a step changes the
host's slot and works out its key from these; the columns and counts follow at the end, once a host.
Any other request is put there step by step. The answers are the same.
"""

from scheduler.placement.columns import SUM_SHIFT
from scheduler.placement.index import Index, total_of
from scheduler.placement.outcome import Choice
from scheduler.placement.prepared import Prepared
from scheduler.placement.slot import Slot


class Steps:
    """Tasks of one request on their way to hosts; `finish` is called in any case."""

    def __init__(self, index: Index, prepared: Prepared) -> None:
        self._index = index
        self._prepared = prepared
        self._is_simple = is_simple(index, prepared)
        self._taken: dict[Slot, list[int]] = {}
        """Tasks so far, and what the moving parts gave for the next one when it was last asked."""
        self._choice: dict[Slot, Choice] = {}

    def take(self, slot: Slot, key: int, choices: list[Choice]) -> int:
        """Put one task on the host whose key this is; its key for one more."""
        index, prepared = self._index, self._prepared
        if not self._is_simple:
            choices += index.take(slot, prepared, 1)
            return index.key(slot, prepared)
        need = prepared.request.need
        taken = self._taken.get(slot)
        if taken is None:
            taken = self._taken[slot] = [0, self._points(slot)]
            self._choice[slot] = Choice(slot.host_id)
        choices.append(self._choice[slot])
        taken[0] += 1
        cpu, memory = need.cpu_milli, need.memory_mib
        slot.cpu_free -= cpu
        slot.memory_free -= memory
        slot.packed += cpu * slot.cpu_unit + memory * slot.memory_unit
        if (cpu > 0 and slot.cpu_free < cpu) or (memory > 0 and slot.memory_free < memory):
            return -1
        points = self._points(slot)
        total = total_of(key) + points - taken[1]
        taken[1] = points
        return (total << SUM_SHIFT) | index.columns.standing_of(slot)

    def finish(self) -> None:
        """Bring the table of hosts up to date."""
        need = self._prepared.request.need
        for slot, (count, _) in self._taken.items():
            slot.cpu_free += count * need.cpu_milli
            slot.memory_free += count * need.memory_mib
            slot.packed -= count * (
                need.cpu_milli * slot.cpu_unit + need.memory_mib * slot.memory_unit
            )
            self._index.take(slot, self._prepared, count)
        self._taken.clear()

    def _points(self, slot: Slot) -> int:
        request, now_ms = self._prepared.request, self._index.columns.now_ms
        found = 0
        for weight, part in self._prepared.of_amounts:
            found += int(part(request, slot, now_ms)) * weight
        return found


def is_simple(index: Index, prepared: Prepared) -> bool:
    """Whether nothing but free cpu and memory changes as tasks of the request come to a host."""
    return prepared.is_plain and not (index.demands or index.columns.has_launch_guards)
