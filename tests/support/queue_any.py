"""Random rounds with groups, gangs, aging and preemption, for a comparison of two processes.

`python -m tests.support.queue_any SEED` writes all that the rounds answer, one JSON each.
"""

import random
import sys

import msgspec
from msgspec.structs import replace

from scheduler.model.rules import Amount
from scheduler.queue.outcome import RoundOutcome
from tests.support.queueing import SmallCell, ask, group, hosts, rules

ROUNDS = 40


def answers(seed: int) -> list[RoundOutcome]:
    """What the rounds of a drawn day answer."""
    chance = random.Random(seed)
    of = rules(
        group("web", "Critical", cpu=8),
        group("p", cpu=10),
        group("a", parent="p", cpu=3),
        group("b", parent="p", weight=2),
        group("c", limit=9),
        aging_ms=5_000,
    )
    # Nothing is held back at first, so that room must be made once it is guaranteed.
    cell = SmallCell(
        hosts(6), rules(*(replace(each, guarantee=Amount()) for each in of.groups[1:]))
    )
    found = []
    for number in range(ROUNDS):
        now_ms = 700 * number
        if number == ROUNDS // 4:
            cell.rules = of
        for _ in range(3):
            name = chance.choice(["a", "b", "c", "p", *(["web"] if cell.rules is of else [])])
            request = ask(
                f"job-{name}-{chance.randrange(4)}",
                cpu=chance.choice([1, 2, 3, 8]),
                tier="Critical" if name == "web" else "Flex",
                group=name,
                gang=chance.choice(["", "", "", f"gang-{name}"]),
                lent=chance.random() < 0.2,
            )
            cell.wait(request, chance.randrange(1, 6), since_ms=now_ms)
        found.append(cell.round(now_ms))
        cell.end_preempted()
        for task_id in chance.sample(sorted(cell.running), min(2, len(cell.running))):
            cell.end(task_id)
    return found


if __name__ == "__main__":
    for each in answers(int(sys.argv[1])):
        sys.stdout.buffer.write(msgspec.json.encode(each) + b"\n")
