"""Zone and attribute balance: the best host of each value, and the value that is next.

The one thing to know: hosts with equal values of the balanced attributes differ only by their own
keys. So each such partition keeps its best host, and a task goes to the partition whose best host
and whose balance together stand highest.
"""

from scheduler.placement.balance_even import fill_even
from scheduler.placement.balance_growing import fill_growing, is_growing_alone
from scheduler.placement.columns import SUM_MASK, SUM_SHIFT, Array
from scheduler.placement.index import Index, total_of
from scheduler.placement.outcome import Choice
from scheduler.placement.prepared import Prepared
from scheduler.placement.reasons import Standing, standing_of
from scheduler.placement.scales import Partition, Scale, scales, worth_of
from scheduler.placement.search import Found
from scheduler.placement.steps import Steps


def fill_balanced(
    index: Index, prepared: Prepared, keys: Array, count: int, choices: list[Choice]
) -> Found:
    """Put up to ``count`` tasks on the best hosts, the balances looked at anew after each."""
    found = fill_even(index, prepared, keys, count, choices)
    if found is not None:
        return found
    columns = index.columns
    names = tuple(name for name, _, _ in prepared.balances)
    partitions = [Partition(values, rows, keys[rows]) for values, rows in columns.partitions(names)]
    balances = scales(columns, prepared)
    first = second = None
    best, best_worth, second_place = _best(partitions, balances, prepared.cap)
    if best is not None:
        slot = columns.at(best.rows.item(best.best))
        first = standing_of(index, prepared, slot, best.key, best_worth)
        other = partitions[second_place] if second_place >= 0 else None
        second = _second(index, prepared, balances, best, other)
        if is_growing_alone(index, prepared, balances[0]):
            fill_growing(index, prepared, partitions, balances[0], count=count, choices=choices)
        else:
            _fill_stepwise(index, prepared, partitions, balances, count=count, choices=choices)
    return Found(first, second)


def _fill_stepwise(
    index: Index,
    prepared: Prepared,
    partitions: list[Partition],
    balances: list[Scale],
    *,
    count: int,
    choices: list[Choice],
) -> None:
    """Put one task after the other where host and balances together stand highest."""
    steps = Steps(index, prepared)
    try:
        for _ in range(count):
            best, _, _ = _best(partitions, balances, prepared.cap)
            if best is None:
                break
            slot = index.columns.at(best.rows.item(best.best))
            key = steps.take(slot, best.key, choices)
            best.keys[best.best] = key
            if key >= best.key:
                best.key = key  # Others of the partition did not change: it is still their best.
            else:
                best.find()
            for place, scale in enumerate(balances):
                scale.add(best.values[place])
    finally:
        steps.finish()


def _best(
    partitions: list[Partition], balances: list[Scale], cap: int | None
) -> tuple[Partition | None, int, int]:
    """The partition that is next, what balances give it, and the second best's place or -1."""
    best: Partition | None = None
    best_key = second_key = -1
    best_worth, second = 0, -1
    best_place = -1
    alone = balances[0] if len(balances) == 1 else None
    for place, each in enumerate(partitions):
        if each.key < 0:
            continue
        if alone is not None:
            worth = alone.worth.get(each.values[0], alone.otherwise)
        else:
            worth = worth_of(balances, each.values)
        if worth < 0:
            continue
        key = each.key + (worth << SUM_SHIFT)
        if cap is not None and total_of(key) > cap:
            key = (key & ~(SUM_MASK << SUM_SHIFT)) | cap << SUM_SHIFT
        if key > best_key:
            second, second_key = best_place, best_key
            best, best_key, best_worth, best_place = each, key, worth, place
        elif key > second_key:
            second, second_key = place, key
    return best, best_worth, second


def _second(
    index: Index,
    prepared: Prepared,
    balances: list[Scale],
    best: Partition,
    other: Partition | None,
) -> Standing | None:
    """The runner-up: the best of another partition, or the second of the best one."""
    kept = best.keys.item(best.best)
    best.keys[best.best] = -1
    within = int(best.keys.argmax())
    rivals = [(best, within)] if other is None else [(best, within), (other, other.best)]
    found: list[tuple[int, int, Partition, int]] = []
    for each, place in rivals:
        key = each.keys.item(place)
        worth = worth_of(balances, each.values)
        if key >= 0:
            found.append((key + (worth << SUM_SHIFT), place, each, worth))
    best.keys[best.best] = kept
    if not found:
        return None
    _, place, partition, worth = max(found, key=lambda each: each[0])
    slot = index.columns.at(partition.rows.item(place))
    return standing_of(index, prepared, slot, partition.keys.item(place), worth)
