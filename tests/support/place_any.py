"""Places many small random queues on random hosts, and prints every answer, byte by byte.

`python -m tests.support.place_any SEED`: two runs under different hash seeds must print the same.
"""

import random
import sys
from collections.abc import Iterator

import msgspec

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import Amount, CapacityGroup, PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.request import Request
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue
from scheduler.rounds.placing import place_round

QUEUES = 30
RULES = PlacementRules(
    groups=(
        CapacityGroup("DEFAULT", "Flex"),
        CapacityGroup("a", "Flex", guarantee=Amount(cpu_milli=4_000), weight=2),
        CapacityGroup("b", "Critical", limit=Amount(cpu_milli=6_000)),
    ),
)
CONSTRAINTS = (
    Constraint("uniqueHost"),
    Constraint("zoneBalance"),
    Constraint("exclusiveHost"),
    Constraint("hostAttributeIn", "rack", ("r1", "r2")),
    Constraint("hostAttributeUnlike", "rack", ("r1", "r3")),
    Constraint("awayFromJob", "", ("job-0",)),
)


def a_host(chance: random.Random, number: int) -> HostView:
    """A host of some size, with or without devices and interfaces."""
    cpu, memory = chance.choice((2_000, 4_000, 8_000)), chance.choice((4_096, 16_384))
    gpus = tuple(GpuDevice(1_000) for _ in range(chance.choice((0, 0, 2))))
    whole = Resources(cpu, memory, 10_000, (PortRange(31_000, 31_003),), 0, len(gpus))
    return HostView(
        HostId(f"host-{number}"),
        free=whole,
        total=msgspec.structs.replace(whole, ports=()),
        attributes=(
            ("rack", chance.choice(("r1", "r2", "r3"))),
            ("zone", chance.choice(("A", "B", "C"))),
        ),
        gpu_model="T4" if gpus else "",
        gpus=gpus,
        interfaces=(Interface(3), Interface(3)) if chance.random() < 0.5 else (),
        images=tuple(sorted({chance.choice(("", "nginx"))} - {""})),
    )


def a_request(chance: random.Random, number: int) -> Request:
    """A class of tasks."""
    groups = chance.choice(((), ("sg1",), ("sg1", "sg2")))
    group = chance.choice(("DEFAULT", "a", "b"))
    return Request(
        job_id=JobId(f"job-{number}"),
        need=Need(
            chance.choice((300, 500, 1_000)),
            chance.choice((512, 1_024)),
            ports=chance.choice((0, 0, 1)),
            gpu_milli=chance.choice((0, 0, 0, 300)),
            addresses=1 if groups else 0,
        ),
        hard=tuple(sorted(chance.sample(CONSTRAINTS, chance.choice((0, 0, 1))))),
        soft=tuple(sorted(chance.sample(CONSTRAINTS, chance.choice((0, 1, 2))))),
        tier="Critical" if group == "b" else "Flex",
        group=group,
        is_service=chance.random() < 0.5,
        image=chance.choice(("", "nginx")),
        security_groups=groups,
    )


def answers(seed: int) -> Iterator[bytes]:
    """Every outcome of every queue, written out."""
    chance = random.Random(seed)
    for _ in range(QUEUES):
        placement = Placement(RULES)
        placement.put_hosts(a_host(chance, number) for number in range(chance.randint(1, 12)))
        queue = Queue()
        for number in range(chance.randint(1, 8)):
            queue.set_waiting(a_request(chance, number), chance.randint(1, 12), 0, (number, 0))
        yield msgspec.json.encode(place_round(placement, queue, Usage(), RULES, 1_000))


def main() -> None:
    """Print the answers."""
    for answer in answers(int(sys.argv[1])):
        sys.stdout.buffer.write(answer + b"\n")


if __name__ == "__main__":
    main()
