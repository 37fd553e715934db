"""The world of the model: wire, log, two processes, Mesos; and what must hold at every moment.

The one thing to know: `advance` lets chosen parties do the next sensible thing, `trap` decides what
becomes of the next record or call of a kind, `settle` ends all faults and demands that all is well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .fold import Fold, Phase
from .mesos import Agent, Call, Event, Link, Mesos
from .process import Notice, Post, Process, Write
from .records import (
    FINAL_STATES,
    CellRecord,
    EffectStarted,
    Inbound,
    JudgeLost,
    KillIndex,
    LaunchTask,
    LeaderElected,
    Rules,
    Speech,
    Status,
    Submit,
    ViolationError,
)

MAY_RETURN = frozenset({"judged", "UNKNOWN"})
"""Why a task may be written off although it lives: its host is out of Mesos' sight."""

ROUNDS_MAX = 40
STEPS_MAX = 1000


def demand(holds: bool, promise: str, *facts: object) -> None:
    """Nothing, or the violation of a promise."""
    if not holds:
        raise ViolationError(f"{promise}: {', '.join(str(fact) for fact in facts)}")


@dataclass
class World:
    """Everything there is, moved only by its methods."""

    rules: Rules = field(default_factory=Rules)
    cell: list[CellRecord] = field(default_factory=list)
    inbound: dict[str, list[Inbound]] = field(default_factory=lambda: {"jobs": [], "mesos": []})
    wire: list[Write | Post] = field(default_factory=list)
    mesos: Mesos = field(default_factory=Mesos)
    traps: dict[tuple[str, str], str] = field(default_factory=dict)
    number: int = 0
    accepts: Counter[int] = field(default_factory=Counter)
    uses_of_offers: dict[int, int] = field(default_factory=dict)
    acknowledged: dict[int, str] = field(default_factory=dict)
    story: list[tuple[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.truth = Fold(self.rules)
        self.processes = {name: Process(name, self, Fold(self.rules)) for name in "AB"}

    # What processes can reach.

    def new_number(self) -> int:
        """A number never used before."""
        self.number += 1
        return self.number

    def stream_of(self, stream: int) -> list[Event]:
        """The events that stand in a stream."""
        return self.mesos.streams[stream]

    def send(self, item: Write | Post) -> None:
        """Put an item on the wire; a trap set for its kind decides what becomes of it."""
        self.wire.append(item)
        self.story.append((f"{item.owner} sends", item))
        if isinstance(item, Write) and isinstance(item.record, LaunchTask):
            self._check_round(item, item.record)
        trap = self.traps.pop((item.owner, item.kind), None)
        if trap is None:
            return
        self.story.append(("    and it is trapped:", trap))
        match trap:
            case "hold":
                item.is_held = True
            case "ghost":
                item.is_held = True
                self._tell(item, "")
            case "lose":
                self.wire.remove(item)
                self._tell(item, "")
            case "deaf":
                item.answer_is_lost = True
            case "twice":
                item.lands_twice = True
            case "pause":
                item.is_held = True
                self.processes[item.owner].is_paused = True
            case "crash":
                item.is_held = True
                self.crash(item.owner)
            case _:
                raise ValueError(f"no such trap: {trap}")

    # The wire.

    def _tell(self, item: Write | Post, text: str) -> None:
        process = self.processes[item.owner]
        if item.is_told or process.life != item.life or not process.is_alive:
            return
        item.is_told = True
        silent = "failed" if isinstance(item, Write) else "unknown"
        process.inbox.append(Notice(item, text or silent))

    def carry(self, item: Write | Post) -> None:
        """The item arrives."""
        self.wire.remove(item)
        if isinstance(item, Write):
            for _ in range(2 if item.lands_twice else 1):
                self._land(item.record)
            answer = "landed"
        else:
            answer = self._handle(item.call)
            self.story.append((f"    Mesos answers {answer} to", item.call))
        self._tell(item, "" if item.answer_is_lost else answer)

    def _land(self, record: CellRecord | Speech) -> None:
        if isinstance(record, Speech):
            self.inbound["mesos"].append(record)
            return
        judged = None
        if isinstance(record, JudgeLost):
            judged = self.truth.tasks[record.task]
        epoch = self.truth.epoch
        accepted = self.truth.apply(record)
        self.cell.append(record)
        verdict = "accepted" if accepted else "rejected"
        self.story.append((f"    [{len(self.cell) - 1}] {verdict}", record))
        if accepted and not isinstance(record, LeaderElected):
            demand(record.epoch == epoch, "two can write, one is obeyed", record, epoch)
        if accepted and isinstance(record, EffectStarted) and record.proposal in self.truth.tasks:
            offer = self.truth.tasks[record.proposal].offer
            other = self.uses_of_offers.setdefault(offer, record.proposal)
            demand(other == record.proposal, "an offer is used once", offer, other, record)
        if accepted and judged is not None:
            self._check_judgement(judged.id, judged.host)

    def _check_judgement(self, task: int, host: str) -> None:
        stream = None
        for process in self.processes.values():
            if process.leading and self.truth.subscription in process.leading.streams:
                stream = process.leading.streams[self.truth.subscription]
        if stream is None or stream not in self.mesos.in_force_since:
            return
        is_out = self.mesos.agents[host].link is not Link.UP
        was_out = self.mesos.last_out.get(host, -1) >= self.mesos.in_force_since[stream]
        demand(is_out or was_out, "who judges has heard it from Mesos himself", task, host)

    def _handle(self, call: Call) -> str:
        is_live = call.kind == "SUBSCRIBE" or call.stream == self.mesos.stream
        if call.kind == "ACKNOWLEDGE" and is_live:
            uuids = {r.uuid: r for r in self.inbound["mesos"] if isinstance(r, Status)}
            demand(call.uuid in uuids, "acknowledged only what is in the inbound log", call)
        before = len(self.mesos.launches)
        known = dict(self.mesos.known)
        answer = self.mesos.handle(call)
        if call.kind == "ACKNOWLEDGE":
            task = call.tasks[0][0]
            if task in known and task not in self.mesos.known:
                self.acknowledged[task] = known[task][1]
        if call.kind == "ACCEPT" and is_live:
            self.accepts[call.proposal] += 1
            demand(self.accepts[call.proposal] == 1, "one ACCEPT per proposal", call)
        if len(self.mesos.launches) > before:
            launched = self.truth.tasks[call.proposal]
            present = self.truth.indexes[launched.index].task
            demand(present == launched.id, "only an index' present task is launched", launched)
        if len(self.mesos.launches) > before or (call.kind in ("KILL", "RECONCILE") and is_live):
            _, state = self.truth.proposals.get(call.proposal, (None, "none"))
            demand(state in ("started", "ended"), "no effect without its record", call, state)
        return answer

    def give_up(self, item: Write | Post) -> None:
        """The sender is told that it failed, while the item stays on its way, held."""
        item.is_held = True
        self._tell(item, "")

    # Time and parties.

    def advance(self, who: str, count: int, *, reads_last: bool = False) -> int:
        """How many of `count` things were done by the parties A, B, M (Mesos) and w (the wire)."""
        for done in range(count):
            if not any(self._step(party, reads_last) for party in who):
                return done
        return count

    def _step(self, party: str, reads_last: bool) -> bool:
        if party == "w":
            moving = next((item for item in self.wire if not item.is_held), None)
            if moving is not None:
                self.carry(moving)
            return moving is not None
        if party == "M":
            return self.mesos.step()
        process = self.processes[party]
        return process.can_run() and process.step(reads_last=reads_last)

    def crash(self, name: str) -> None:
        """A process dies; what it sent is still on its way."""
        process = self.processes[name]
        fresh = Process(name, self, Fold(self.rules), life=process.life + 1, is_alive=False)
        if not self.rules.election_of_this_life:
            fresh.elections = process.elections
        self.processes[name] = fresh

    def restart(self, name: str) -> None:
        """A dead process begins anew from the log."""
        self.processes[name].is_alive = True

    def submit(self) -> None:
        """One more index is wanted."""
        self.inbound["jobs"].append(Submit(self.new_number()))

    def kill(self, choice: int) -> None:
        """A user ends one index."""
        names = [r.index for r in self.inbound["jobs"] if isinstance(r, Submit)]
        if names:
            self.inbound["jobs"].append(KillIndex(names[-1 - choice % len(names)]))

    # What must hold always.

    def _check_round(self, item: Write, launch: LaunchTask) -> None:
        for other in self.wire:
            if other is not item and isinstance(other, Write) and item.epoch == other.epoch:
                record = other.record
                is_same = isinstance(record, LaunchTask) and record.index == launch.index
                demand(not is_same, "one round is outstanding", launch, record)

    def check(self) -> None:
        """Nothing, if every promise that holds at every moment holds now."""
        for topic, offsets in self.truth.applied.items():
            if offsets:
                in_order = offsets[-1] == len(offsets) - 1
                demand(in_order, "inbound records are applied once, in order", topic, offsets)
        standing: dict[int, int] = {}
        for number in self.mesos.living():
            task = self.truth.tasks[number]
            if task.cause in MAY_RETURN:
                continue  # Out of Mesos' sight when it was replaced; killed when it is back.
            is_ended = task.phase in (Phase.WRITTEN_OFF, Phase.ENDED)
            demand(not is_ended, "what the log ended does not live", number, task)
            other = standing.setdefault(task.index, number)
            demand(other == number, "no index with two live tasks", task.index, other, number)

    def check_folds(self) -> None:
        """Nothing, if each process' own fold equals the fold of the log from the beginning."""
        for process in self.processes.values():
            again = Fold(self.rules)
            for record in self.cell[: process.position]:
                again.apply(record)
            demand(again.digest() == process.fold.digest(), "same log, same state", process.name)

    # Quiet.

    def calm(self, *, hosts_return: bool) -> None:
        """All faults end: what was delayed arrives, who stood goes on, the master answers."""
        self.traps.clear()
        for name, process in self.processes.items():
            process.is_paused = False
            if not process.is_alive:
                self.restart(name)
        for item in self.wire:
            item.is_held = False
        agents = self.mesos.agents.values()
        for agent in agents:
            if agent.link is Link.AWAY and agent.is_dead:
                self.mesos.time_out_agent(agent.name)
            elif not agent.is_dead and (agent.link is Link.AWAY or hosts_return):
                self._return(agent)
        if not any(agent.link is Link.UP for agent in agents):
            self._return(next(agent for agent in agents if not agent.is_dead))

    def _return(self, agent: Agent) -> None:
        if agent.link is not Link.UP:
            self.mesos.return_agent(agent.name)

    def leader(self) -> Process | None:
        """The process whose epoch is in force, if it is there to act on it."""
        for process in self.processes.values():
            if process.leading and process.leading.epoch == self.truth.epoch:
                return process
        return None

    def settle(self, *, hosts_return: bool = True, leader: str = "A") -> None:
        """Nothing, if after all faults the cell comes to rest with every promise kept."""
        self.calm(hosts_return=hosts_return)
        wrong = "not tried"
        for _ in range(ROUNDS_MAX):
            demand(self._rest(), "the cell comes to rest", self.story[-12:])
            wrong = self._unrest()
            if not wrong:
                break
            if self.leader() is None:
                self.processes[leader].stand_for_election()
            else:
                self.mesos.resend()
                for process in self.processes.values():
                    process.tick()
        demand(not wrong, "the cell comes to a good end", wrong)
        self.check_folds()

    def _rest(self) -> bool:
        for _ in range(STEPS_MAX):
            if not self.advance("wABM", 1):
                return True
            self.check()
        return False

    def _unrest(self) -> str:
        """What is not yet as it must be in the end, or nothing."""
        if self.leader() is None:
            return "nobody leads"
        for topic, records in self.inbound.items():
            if self.truth.watermarks[topic] != len(records) - 1:
                return f"topic {topic} is not wholly folded"
        if self.mesos.unacknowledged():
            return f"updates of {self.mesos.unacknowledged()} are not acknowledged"
        if self.mesos.offers != self.truth.offers:
            return f"offers {self.mesos.offers} are out, the log holds {self.truth.offers}"
        for number, state in self.acknowledged.items():
            if self.truth.tasks[number].cause != state and state in FINAL_STATES:
                return f"the ending {state} of {self.truth.tasks[number]} was lost"
        return self._unrest_of_tasks()

    def _unrest_of_tasks(self) -> str:
        running = {t for a in self.mesos.agents.values() if a.link is Link.UP for t in a.running}
        for index in self.truth.indexes.values():
            if index.is_done != (index.task is None):
                return f"{index} neither runs nor is done"
            if index.task is not None:
                task = self.truth.tasks[index.task]
                if task.phase is not Phase.RUNNING or task.id not in running:
                    return f"{task} is not what runs"
                running.discard(task.id)
        return f"{running} run and nobody wants them" if running else ""
