"""What is written of groups that were seen: what has changed, and now and then the whole.

The one thing to know: this remembers what it has told, and nothing else. Who forgets it tells all
again; the cell takes a whole at any time.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from scheduler.model.fleet import (
    INSTANCES_PER_RECORD_MAX,
    CloudGroupGone,
    CloudGroupObserved,
    CloudInstance,
    FleetReport,
)

HEARD_MS: Final = 60_000
"""A group without news is spoken of so often, or the cell would take silence for a fault."""
WHOLE_MS: Final = 600_000
"""So often all of a group is told, whatever was told before."""


class Told(msgspec.Struct):
    """What was told of one group."""

    seen: CloudGroupObserved
    instances: dict[str, CloudInstance]
    at_ms: int
    whole_at_ms: int


class Reports:
    """Makes reports of what was seen; `forget` where one of them was not written."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}

    def forget(self) -> None:
        """Tell all anew."""
        self._told.clear()

    def of(self, seen: Iterable[CloudGroupObserved], now_ms: int) -> list[FleetReport]:
        """What is to be written now that these groups, and no others, are there."""
        found: list[FleetReport] = []
        names = set()
        for each in seen:
            names.add(each.group)
            found += self._of_group(each, now_ms)
        for name in sorted(self._told.keys() - names):
            before = self._told.pop(name).seen
            found.append(CloudGroupGone(name, before.provider, before.region, now_ms))
        return found

    def _of_group(self, seen: CloudGroupObserved, now_ms: int) -> Iterator[FleetReport]:
        told = self._told.get(seen.group)
        instances = {each.instance_id: each for each in seen.instances}
        if told is None or now_ms >= told.whole_at_ms + WHOLE_MS:
            yield from _whole(seen)
            self._told[seen.group] = Told(seen, instances, now_ms, now_ms)
            return
        changed = [each for key, each in instances.items() if told.instances.get(key) != each]
        removed = tuple(key for key in told.instances if key not in instances)
        is_other = _without_instances(seen) != _without_instances(told.seen)
        is_due = now_ms >= told.at_ms + HEARD_MS
        if not (changed or removed or is_other or is_due):
            return
        whole_at_ms = told.whole_at_ms
        if len(changed) + len(removed) > INSTANCES_PER_RECORD_MAX:
            yield from _whole(seen)
            whole_at_ms = now_ms
        else:
            some = tuple(changed)
            yield replace(seen, instances=some, removed=removed, is_difference=True)
        self._told[seen.group] = Told(seen, instances, now_ms, whole_at_ms)


def _whole(seen: CloudGroupObserved) -> Iterator[CloudGroupObserved]:
    """All of a group, in parts that each fit into a record."""
    count = max(1, -(-len(seen.instances) // INSTANCES_PER_RECORD_MAX))
    for number in range(count):
        first = number * INSTANCES_PER_RECORD_MAX
        some = seen.instances[first : first + INSTANCES_PER_RECORD_MAX]
        yield replace(seen, instances=some, is_last=number == count - 1)


def _without_instances(seen: CloudGroupObserved) -> CloudGroupObserved:
    return replace(seen, instances=(), observed_at_ms=0)
