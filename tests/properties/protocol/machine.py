"""The hypothesis machine over the model: faults and progress in any order, then quiet.

The one thing to know: `strike` lets a fault meet the leader at an exact point of its work, lets
somebody go on, and lets what was delayed arrive late; a `Season` says which faults are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from .mesos import Link
from .model import World
from .records import Rules

PROPOSALS = ("LaunchTask", "KillTask", "Reconcile")
RECORDS = ("LeaderElected", "Copy", *PROPOSALS, "EffectStarted", "EffectEnded", "Tick")
SPEECH = ("Subscribed", "Offered", "Status", "Rescinded")
CALLS = ("SUBSCRIBE", "ACCEPT", "KILL", "RECONCILE", "ACKNOWLEDGE")
FAULTS = ("hold", "ghost", "lose", "deaf", "twice", "pause", "crash")
SEQUELS = ("takeover", "restart", "reboot", "resume", "wait")
NOTHING = ("nothing",) * 8
MISHAPS = ("lose", "return", "die", "forget", "fail over", "rescind", "finish", "fail", "resend")
COUNTS = (0, 1, 2, 3, 4, 6, 9, 14, 25, 50)


@dataclass(frozen=True)
class Season:
    """Which faults are in the air; the whole year by default."""

    points: tuple[str, ...] = (*RECORDS, *SPEECH, *CALLS)
    faults: tuple[str, ...] = FAULTS
    sequels: tuple[str, ...] = SEQUELS
    mishaps: tuple[str, ...] = (*NOTHING, *MISHAPS)
    users: tuple[str, ...] = ("submits", "submits", "kills", "nothing")
    befores: tuple[int, ...] = COUNTS
    afters: tuple[int, ...] = COUNTS
    lates: tuple[bool, ...] = (False, True)
    orders: tuple[bool, ...] = (False, True)
    successors: tuple[bool, ...] = (False, False, True)
    moments: tuple[str, ...] = ("first", "before", "after", "late")
    ticks: tuple[int, ...] = (0, 1, 2, 3, 4)


def _drawn(name: str) -> st.SearchStrategy[Any]:
    """One of the season's values."""
    return st.runner().flatmap(lambda machine: st.sampled_from(getattr(machine.season, name)))


NAMES = st.sampled_from("AB")
PARTIES = st.sampled_from(["wAMB", "wBMA", "wAM", "wBM", "AB", "A", "B", "w", "M", "AM"])
INDEXES_MAX = 6
CHOICE = st.integers(0, 7)
FEW = st.sampled_from(COUNTS)


@dataclass(frozen=True)
class Strike:
    """One fault and what follows."""

    fault: str
    sequel: str
    mishap: str
    user: str
    before: int
    after: int
    is_late: bool
    reads_last: bool
    meets_successor: bool
    mishap_at: str
    ticks: int


STRIKES = st.builds(
    Strike,
    fault=_drawn("faults"),
    sequel=_drawn("sequels"),
    mishap=_drawn("mishaps"),
    user=_drawn("users"),
    before=_drawn("befores"),
    after=_drawn("afters"),
    is_late=_drawn("lates"),
    reads_last=_drawn("orders"),
    meets_successor=_drawn("successors"),
    mishap_at=_drawn("moments"),
    ticks=_drawn("ticks"),
)


class ProtocolMachine(RuleBasedStateMachine):
    """Any faults in any order; every promise holds at every step, and all is well in the end."""

    rules_in_force = Rules()
    season = Season()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.rules_in_force)
        self.hosts_return = True

    def _go(self, who: str, count: int, *, reads_last: bool = False) -> None:
        for _ in range(count):
            if not self.world.advance(who, 1, reads_last=reads_last):
                break
            self.world.check()

    def _stand(self, name: str) -> None:
        if not self.world.processes[name].is_alive:
            self.world.restart(name)
        self.world.processes[name].is_paused = False
        self.world.processes[name].stand_for_election()

    @initialize(
        count=st.integers(0, 2),
        settled=st.sampled_from([0, 10, 30, 80, 80]),
        hosts_return=st.booleans(),
    )
    def begin(self, count: int, settled: int, hosts_return: bool) -> None:
        """A leads, and some indexes are wanted."""
        self.hosts_return = hosts_return
        for _ in range(count):
            self.world.submit()
        self._stand("A")
        self._go("wABM", settled)

    @rule(point=_drawn("points"), strike=STRIKES)
    def strike_again(self, point: str, strike: Strike) -> None:
        """The same once more, so that it is drawn more often."""
        self.strike(point=point, strike=strike)

    @rule(point=_drawn("points"), strike=STRIKES)
    def strike(self, point: str, strike: Strike) -> None:
        """A fault at an exact point of the leader's work; somebody goes on; the late arrives."""
        leader = self.world.leader()
        if leader is None:
            self._stand("A")
            self._go("wAMB", 30)
            return
        name, other = leader.name, "B" if leader.name == "A" else "A"
        leader.is_paused = False
        self._go(f"w{name}M", strike.before)
        if strike.user != "nothing":
            self._user("submits", 0)
        if strike.mishap_at == "first":
            self._mishap(strike.mishap, strike.before, strike.reads_last)
        if strike.meets_successor:
            self.world.traps[other, point] = strike.fault
        else:
            self.world.traps[name, point] = strike.fault
        for _ in range(40):
            if (name, point) not in self.world.traps:
                break
            self._go(f"w{name}M", 1)
        self.world.traps.pop((name, point), None)
        if strike.user == "kills":
            self._user("kills", 0)
        if strike.mishap_at == "before":
            self._mishap(strike.mishap, strike.before, strike.reads_last)
        self._sequel(strike.sequel, name, other, strike.after, reads_last=strike.reads_last)
        if strike.mishap_at == "after":
            self._mishap(strike.mishap, strike.before, strike.reads_last)
        self.world.traps.clear()
        self._tick(strike.ticks)
        if strike.is_late:
            self._late(name, strike)

    def _sequel(self, sequel: str, name: str, other: str, after: int, *, reads_last: bool) -> None:
        match sequel:
            case "takeover":
                self.world.processes[name].is_paused = True
                self._stand(other)
                self._go(f"w{other}M", after)
            case "restart":
                self.world.crash(name)
                self._stand(name)
                self._go(f"w{name}M", after)
            case "reboot":
                self.world.crash(name)
                self.world.restart(name)
                self._go(f"w{name}M", after)
            case "resume":
                self.world.processes[name].is_paused = False
                self._go(f"w{name}M", after, reads_last=reads_last)
            case _:
                self._go(f"{name}M", after, reads_last=reads_last)

    def _late(self, name: str, strike: Strike) -> None:
        """What was delayed arrives, and who was stopped goes on where he was."""
        for item in [item for item in self.world.wire if item.is_held]:
            if item in self.world.wire:
                self.world.carry(item)
                self.world.check()
        self.world.processes[name].is_paused = False
        if strike.mishap_at == "late":
            self._go("M", 3)
            self._mishap(strike.mishap, strike.before, strike.reads_last)
        who = f"wM{name}" if strike.reads_last else f"w{name}M"
        self._go(who, 1 + strike.after // 2, reads_last=strike.reads_last)

    @rule(
        name=NAMES,
        deed=st.sampled_from(["stand", "stop", "die", "tick", "arrive", "fail", "go", "go"]),
        who=PARTIES,
        count=FEW,
        reads_last=st.booleans(),
    )
    def disturb(self, name: str, deed: str, who: str, count: int, reads_last: bool) -> None:
        """Something happens to a process or on the wire, out of turn; or some just go on."""
        process, wire = self.world.processes[name], self.world.wire
        item = wire[count % len(wire)] if wire else None
        match deed:
            case "stand":
                self._stand(name)
            case "stop":
                process.is_paused = not process.is_paused
            case "die" if process.is_alive:
                self.world.crash(name)
            case "die":
                self.world.restart(name)
            case "tick" if process.can_run():
                process.tick()
            case "arrive" if item is not None:
                self.world.carry(item)
            case "fail" if item is not None:
                self.world.give_up(item)
            case _:
                self._go(who, count, reads_last=reads_last)

    def _user(self, deed: str, choice: int) -> None:
        """A user wants one more, or one less."""
        if deed == "submits" and len(self.world.truth.indexes) < INDEXES_MAX:
            self.world.submit()
        else:
            self.world.kill(choice)

    @rule(
        mishap=_drawn("mishaps"), choice=CHOICE, runs_arrive=st.booleans(), ticks=st.integers(0, 4)
    )
    def mishap(self, mishap: str, choice: int, runs_arrive: bool, ticks: int) -> None:
        """Something changes at Mesos, and time passes."""
        self._mishap(mishap, choice, runs_arrive)
        self._tick(ticks)

    def _tick(self, ticks: int) -> None:
        leader = self.world.leader()
        for _ in range(ticks if leader and leader.can_run() else 0):
            assert leader is not None
            leader.tick()
            self._go(f"w{leader.name}M", 15)

    def _mishap(self, mishap: str, choice: int, runs_arrive: bool) -> None:
        mesos = self.world.mesos
        busiest = sorted(mesos.agents.values(), key=lambda a: (-len(a.running), a.name))
        agent = busiest[choice % 2]
        running = sorted(t for a in mesos.agents.values() for t in a.running)
        match mishap:
            case "lose" | "die" if agent.link is Link.UP:
                dies = mishap == "die" and not any(a.is_dead for a in mesos.agents.values())
                mesos.lose_agent(agent.name, runs_arrive=runs_arrive, dies=dies)
            case "return" if agent.link is not Link.UP and not agent.is_dead:
                mesos.return_agent(agent.name)
            case "forget" if agent.link is Link.AWAY:
                mesos.time_out_agent(agent.name)
            case "forget" if agent.link is Link.UNREACHABLE:
                mesos.forget_agent(agent.name)
            case "fail over":
                mesos.fail_over(runs_arrive=runs_arrive)
            case "rescind" if mesos.offers:
                mesos.rescind(sorted(mesos.offers)[choice % len(mesos.offers)])
            case "finish" | "fail" if running:
                mesos.end_task(running[choice % len(running)], f"{mishap.upper()}ED")
            case "resend":
                mesos.resend()
            case _:
                pass

    @rule(hosts_return=st.booleans(), leader=NAMES)
    def settle(self, hosts_return: bool, leader: str) -> None:
        """Faults end, and the cell comes to a good rest."""
        self.world.settle(hosts_return=hosts_return, leader=leader)

    @invariant()
    def holds(self) -> None:
        """Every promise holds."""
        self.world.check()

    def teardown(self) -> None:
        """In the end all is well."""
        self.world.settle(hosts_return=self.hosts_return)


def machine_with(rules: Rules, season: Season) -> type[ProtocolMachine]:
    """The machine under other rules, in one season."""
    named = {"rules_in_force": rules, "season": season}
    return type("Mutant", (ProtocolMachine,), named)
