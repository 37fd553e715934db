"""What was held adds up to what the log says, to the millisecond, over any split of the range.

A random cell lives through a random day (as in `test_views`). What its states say between any two
records is summed up by hand: so many tasks that hold so much, for so long. The ledger, which sees
changes only and begins anywhere, must come to the same numbers, exactly; and so must the parts of
the range, wherever it is cut.
"""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.cost.ledger import Costs, Held
from projections.travel.questions import CostOf
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.task import Placed, is_on_host
from scheduler.versions import container_of
from streams.travel.answering import Answering
from tests.properties.test_travel import random_log
from tests.support.log_in_memory import LogInMemory

Sums = tuple[int, int, int]


def by_hand(log: list[bytes], from_ms: int, to_ms: int) -> dict[str, Sums]:
    """By job: what states hold between one record and the next, within the range."""
    machine = Machine()
    sums: dict[str, Sums] = {}
    held: dict[str, Sums] = {}
    counted_ms = from_ms
    for offset in range(len(log) + 1):
        if offset < len(log):
            machine.apply(offset, decode_record(log[offset]))
            now_ms = min(max(machine.state.clock.now_ms, from_ms), to_ms)
        else:
            now_ms = to_ms
        _count(sums, held, now_ms - counted_ms)
        held = _held(machine)
        counted_ms = now_ms
    return sums


def _held(machine: Machine) -> dict[str, Sums]:
    """By job: what its tasks hold of hosts now."""
    held: dict[str, Sums] = {}
    for task in machine.state.tasks.values():
        if is_on_host(task.state) and not isinstance(task.state, Placed):
            need = container_of(machine.state, task).need
            _count(held, {task.job_id: (need.cpu_milli, need.memory_mib, need.gpus * 1_000)}, 1)
    return held


def _count(sums: dict[str, Sums], more: dict[str, Sums], times: int) -> None:
    for name, (cpu, memory, gpu) in more.items():
        was = sums.get(name, (0, 0, 0))
        sums[name] = (was[0] + cpu * times, was[1] + memory * times, was[2] + gpu * times)


def asked(log: list[bytes], from_ms: int, to_ms: int) -> dict[str, Sums]:
    """By job: what the answer to the question says."""
    question = CostOf(_text(from_ms), _text(to_ms), "job", None)
    found = asyncio.run(Answering(LogInMemory(log)).answer(question))
    assert isinstance(found, Costs)
    assert (found.from_ms, found.to_ms) == (from_ms, to_ms)
    rows = {
        each.name: (each.cpu_milli_ms, each.memory_mib_ms, each.gpu_milli_ms)
        for each in found.items
    }
    assert found.total.cpu_milli_ms == sum(cpu for cpu, _, _ in rows.values())
    return {name: sums for name, sums in rows.items() if any(sums)}


def _text(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return moment.replace(microsecond=at_ms % 1_000 * 1_000).isoformat()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_was_held_adds_up_over_any_split_of_the_range(data: st.DataObject) -> None:
    log = random_log(data)
    times = [decode_record(each).at_ms for each in log]
    begin, end = min(times), max(times)
    cuts = data.draw(st.lists(st.integers(begin, end), max_size=4).map(sorted))
    places = [begin, *cuts, end]
    whole = asked(log, begin, end)
    assert whole == {name: sums for name, sums in by_hand(log, begin, end).items() if any(sums)}
    parts: dict[str, Sums] = {}
    for first, second in pairwise(places):
        part = asked(log, first, second)
        assert part == {k: v for k, v in by_hand(log, first, second).items() if any(v)}
        _count(parts, part, 1)
    assert parts == whole


def test_sums_of_what_was_held_are_whole_numbers() -> None:
    assert Held(1, 2, 3, 4, 5).plus(Held(1, 1, 1, 1, 1)) == Held(2, 3, 4, 5, 6)
