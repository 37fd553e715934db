"""A cell with thousands of hosts and something to see on each page of the console, in memory.

The one thing to know: everything comes in as events, from seeds; the host logs beside it are those
of one host that falls ill.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from scheduler.model.constraint import Constraint
from scheduler.model.health import Evidence, HostJudged
from scheduler.model.ids import HostId, OfferId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.job import JobSpec
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import CapacityGroup, PlacementRules
from streams.health.records import HostLines, encode_lines
from streams.travel.answering import Answering
from streams.travel.glancing import LineMessages
from tests.support.cell import CellInMemory, batch, service
from tests.support.log_in_memory import LogInMemory
from tests.support.travel_here import TravelHere
from tests.support.web_cell import WebCell

SEED: Final = 9
GROUPS: Final = ("m5.metal", "r5.metal", "p3dn.gpu", "c5.batch", "legacy")
SHARES: Final = (50, 20, 6, 20, 4)
CPUS: Final = {"m5.metal": 16, "r5.metal": 16, "p3dn.gpu": 8, "c5.batch": 32, "legacy": 4}
ZONES: Final = ("us-east-1a", "us-east-1b", "us-east-1c")
OFFERS_A_RECORD: Final = 500
MARKUP: Final = "<img src=x onerror='window.wasRun=1'><script>window.wasRun=1</script>"
"""What strangers write; it must be shown as it is, and never run."""


@dataclass(frozen=True)
class Facts:
    """Names and times of what a test looks for."""

    began_ms: int
    middle_ms: int
    """Behind the launches, before anything fell ill."""
    now_ms: int
    waiting_task: TaskId
    ended_task: TaskId
    away_host: HostId
    drained_host: HostId

    @property
    def range(self) -> str:
        """The whole day as words of the console's address, looked at from its end."""
        end = rfc3339(self.now_ms)
        return f"at={end}&from={rfc3339(self.began_ms)}&to={end}"


class LinesKept:
    """Host logs that are kept in memory."""

    def __init__(self, messages: list[LineMessages]) -> None:
        self.kept = messages

    async def messages(self, first_ms: int, end_ms: int) -> tuple[list[LineMessages], list[str]]:
        """Records made between these times."""
        return [each for each in self.kept if first_ms <= each.at_ms <= end_ms], []


def glance_world(hosts: int) -> tuple[WebCell, Facts]:
    """A cell with so many hosts, and the names of what happened in it."""
    groups = (CapacityGroup("DEFAULT", "Flex"), CapacityGroup("critical", "Critical"))
    cell = CellInMemory(Policy(placement=PlacementRules(groups=groups)))
    cell.records_a_check = 2_000  # Each look at ten thousand hosts takes a tenth of a second.
    cell.elect()
    cell.subscribe()
    began_ms = cell.now_ms
    _offer_all(cell, hosts)
    cell.tick(20_000)
    ended_task = _run_jobs(cell, hosts)
    middle_ms = cell.now_ms
    cell.tick(30_000)
    away, drained = HostId("S11"), HostId("S23")
    _speak_against(cell, away)
    cell.tick(10_000)
    order = HostOrdered(host_id=drained, standing="draining", actor="ada", why=f"disk {MARKUP}")
    cell.copy("commands", order)
    cell.tick(10_000)
    cell.set_policy(active_jobs_max=900)
    cell.submit(_asking(batch(40), 64_000, 900_000), "too-large")
    for _ in range(4):
        cell.decide_and_carry_out()
        cell.tick(15_000)
    facts = Facts(
        began_ms=began_ms,
        middle_ms=middle_ms,
        now_ms=cell.now_ms,
        waiting_task=cell.tasks("too-large")[0].task_id,
        ended_task=ended_task,
        away_host=away,
        drained_host=drained,
    )
    lines = LinesKept(_lines(began_ms, cell.now_ms))
    travel = TravelHere(Answering(LogInMemory(cell.log), lines=lines))
    return WebCell(cell, travel), facts


def _offer_all(cell: CellInMemory, hosts: int) -> None:
    random_ = random.Random(SEED)
    offers = [_offer(number, random_) for number in range(hosts)]
    for first in range(0, len(offers), OFFERS_A_RECORD):
        cell.offers(*offers[first : first + OFFERS_A_RECORD])


def _offer(number: int, random_: random.Random) -> Offer:
    group = random_.choices(GROUPS, SHARES)[0]
    cpus = CPUS[group]
    return Offer(
        offer_id=OfferId(f"O{number}"),
        host_id=HostId(f"S{number}"),
        resources=Resources(cpus * 1_000, cpus * 4_096, 100_000, (PortRange(31_000, 31_999),)),
        facts=HostFacts(
            hostname=f"ip-10-{number // 256}-{number % 256}",
            attributes=(("group", group), ("zone", random_.choice(ZONES))),
        ),
    )


def _asking(spec: JobSpec, cpu_milli: int, memory_mib: int, *, is_alone: bool = False) -> JobSpec:
    """The job with tasks of this size; ``is_alone``: one of them on a host."""
    hard = (Constraint("uniqueHost"),) if is_alone else ()
    need = Need(cpu_milli, memory_mib, 10)
    return replace(spec, container=replace(spec.container, need=need, hard_constraints=hard))


def _run_jobs(cell: CellInMemory, hosts: int) -> TaskId:
    """Services that take part of many hosts, and a batch of which half ends; one that ended."""
    for number, cpus in enumerate((2, 5, 9, 14)):
        size = min(300, hosts // 6)
        spec = _asking(service(size, 900), 1_000 * cpus, 3_000 * cpus, is_alone=True)
        cell.submit(spec, f"service-{number}")
        cell.tick(3_000)
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
    cell.submit(replace(batch(60), capacity_group="critical"), "nightly")
    cell.tick(1_500)
    cell.launched()
    task_ids = [task.task_id for task in cell.tasks("nightly")]
    for state, after_ms in (("TASK_STARTING", 500), ("TASK_RUNNING", 700)):
        cell.tick(after_ms)
        for task_id in task_ids:
            cell.status(task_id, "TASK_STARTING" if state == "TASK_STARTING" else "TASK_RUNNING")
    cell.tick(20_000)
    for task_id in task_ids[:30]:
        cell.status(task_id, "TASK_FINISHED", message=MARKUP)
    return task_ids[0]


def _speak_against(cell: CellInMemory, away: HostId) -> None:
    """One host is sick for certain, and detectors suspect some dozens."""
    line = f"I/O error, dev sda {MARKUP}"
    evidence = Evidence(kind="line", text=line, source="host-logs:0:12:3", count=14)
    verdict = HostJudged(
        host_id=away, detector="lines", standing="sick", score_milli=990, evidence=(evidence,)
    )
    cell.copy("verdicts", verdict)
    random_ = random.Random(SEED)
    hosts = len(cell.state.hosts)
    for number in random_.sample(range(30, hosts), min(60, hosts // 8)):
        text = "latency is +9.1 usual distances from the middle of 33 peers"
        verdict = HostJudged(
            host_id=HostId(f"S{number}"),
            detector="peers",
            standing="suspect",
            score_milli=random_.randrange(100, 900),
            evidence=(Evidence(kind="metric", text=text, source="metrics:0:1"),),
        )
        cell.copy("verdicts", verdict)
        cell.tick(200)


def _lines(began_ms: int, now_ms: int) -> list[LineMessages]:
    """Lines of a host, with two templates that are new towards the end."""
    random_ = random.Random(SEED)
    usual = ("INFO took {} ms", "INFO served {} requests", "DEBUG cache hit {}", "WARN slow: {} ms")
    found: list[LineMessages] = []
    for at_ms in range(began_ms - 600_000, now_ms, 2_000):
        texts = [random_.choice(usual).format(random_.randrange(9_999)) for _ in range(8)]
        if at_ms > now_ms - 60_000:
            texts += [f"ERROR I/O error, dev sda, sector {random_.randrange(99)}"] * 3
        if at_ms > now_ms - 30_000:
            texts.append(f"FATAL \x1b[31m{MARKUP}\x1b[0m")
        value = encode_lines(HostLines(host_id="S11", lines=texts, times_ms=[at_ms]))
        found.append(LineMessages(0, len(found), at_ms, b"S11", value))
    return found


def rfc3339(at_ms: int) -> str:
    """The time as the API reads it."""
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
