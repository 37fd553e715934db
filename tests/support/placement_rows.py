"""Rows of a table of placement, run step by step.

The one thing to know: a row is ``feature | case | rules | hosts | steps``, steps are separated by
``;`` and each says what must come of it behind an arrow. Words of hosts, requests and rules are
those of `tests.support.placement_notation`.

Steps on the index of hosts:
    web x3: cpu 2 -> a b, left 1: uniqueHost 2   three tasks; the third is refused by 2 hosts
    web x2: cpu 2 -> {a b}                       on these hosts, in whatever order
    web: ports 2 -> a[31000+31001]               with these ports; a/0 interface, a#0+1 devices
    end web a                                    a task of web on a has ended
    undo                                         the choices of the last step are put back
    close a; open a; gone a; host c: cpu 4       hosts change; ``expired a``: its offers are gone
    at 5000                                      milliseconds pass
    hopeless web: cpu 9 -> yes                   whether it is known to fit nowhere

Steps on queue and round:
    wait web x3: cpu 2 [since 5000]              tasks wait
    round -> web on a a, old on b, etl held group limit, big refused cpu
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from scheduler.model.ids import HostId, JobId
from scheduler.model.rules import PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.outcome import Choice, Outcome
from scheduler.placement.request import Request
from scheduler.queue.outcome import RoundOutcome
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue
from scheduler.rounds.placing import place_round
from tests.support.naive_hosts import NaiveHosts, replace
from tests.support.placement_notation import host, hosts, request, rules

_HOST = re.compile(
    r"(?P<name>\w+)(?:\[(?P<ports>[\d+]+)\])?(?:/(?P<interface>\d+))?(?:#(?P<gpus>[\d+]+))?"
)


class Row(NamedTuple):
    """One case of the table."""

    feature: str
    case: str
    rules: str
    hosts: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.feature}: {self.case}"


def rows(path: Path) -> list[Row]:
    """The rows of a table; lines without a bar are for its reader."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        if "|" not in line or line.startswith(("#", "feature ")):
            continue
        feature, case, of_rules, of_hosts, steps = (each.strip() for each in line.split("|"))
        parts = tuple(each.strip() for each in steps.split(";"))
        found.append(Row(feature, case, of_rules, of_hosts, parts))
    return found


class Table:
    """The index of hosts under a row, beside a slow copy of the hosts that remembers the truth."""

    def __init__(self, row: Row) -> None:
        self.rules: PlacementRules = rules(row.rules)
        self.placement = Placement(self.rules)
        self.truth = NaiveHosts()
        self.put(row.hosts)
        self.running: list[tuple[Request, Choice]] = []
        self.last: tuple[Request, Outcome] | None = None
        self.queue = Queue()
        self.usage = Usage()
        self.now_ms = 0

    def run(self, step: str) -> None:
        """Do what the step says, and assert what stands behind its arrow."""
        said, _, expected = (each.strip() for each in step.partition("->"))
        verb, _, rest = said.partition(" ")
        match verb:
            case "end":
                self.end(*rest.split())
            case "undo":
                self.undo()
            case "close" | "open":
                self.change(rest, is_schedulable=verb == "open")
            case "expired":
                self.change(rest, is_offered=False)
            case "gone":
                self.truth.remove(HostId(rest))
                self.placement.remove_host(HostId(rest))
            case "host":
                self.put(rest)
            case "at":
                self.now_ms = int(rest)
                self.truth.now_ms = self.now_ms
                self.placement.advance(self.now_ms)
            case "hopeless":
                wanted, _ = request(rest)
                assert self.placement.is_hopeless(wanted) is (expected == "yes")
            case "wait":
                self.wait(rest)
            case "round":
                self.round(expected)
            case _:
                self.place(said, expected)

    def put(self, text: str) -> None:
        """Hosts come, or come anew."""
        found = hosts(text)
        self.truth.put(found)
        self.placement.put_hosts(found)

    def change(self, name: str, **changes: object) -> None:
        """Something about a host changes, and it is handed over whole."""
        view = replace(self.truth.views[HostId(name)], **changes)
        self.truth.put([view])
        self.placement.put_hosts([view])

    def place(self, said: str, expected: str) -> None:
        """Place tasks at once, without a queue."""
        wanted, count = request(said)
        outcome = self.placement.place(wanted, count)
        for choice in outcome.choices:
            self.launched(wanted, choice)
        self.last = wanted, outcome
        assert_outcome(outcome, count, expected)

    def launched(self, wanted: Request, choice: Choice) -> None:
        """Keep the truth up to date with the index."""
        view = self.truth.views[choice.host_id]
        assert not self.truth.broken(choice.host_id, wanted, self.rules), (view, wanted)
        self.truth.launch(wanted, choice)
        self.usage.add(wanted)
        self.running.append((wanted, choice))

    def undo(self) -> None:
        """Put the last step's choices back."""
        assert self.last is not None
        wanted, outcome = self.last
        self.placement.put_back(wanted, outcome.choices)
        for choice in outcome.choices:
            self.forget(wanted, choice)

    def end(self, job: str, name: str) -> None:
        """A task of the job on the host has ended: the host is handed over whole."""
        wanted, choice = next(
            each
            for each in self.running
            if each[0].job_id == JobId(job) and each[1].host_id == HostId(name)
        )
        self.forget(wanted, choice)
        self.rest(choice)
        self.placement.put_hosts([self.truth.views[choice.host_id]])

    def rest(self, choice: Choice) -> None:
        """The address that the task had is not used again for a while, if others are free."""
        reuse_ms = self.rules.guards.address_reuse_ms
        if choice.interface < 0 or not reuse_ms:
            return
        view = self.truth.views[choice.host_id]
        each = view.interfaces[choice.interface]
        resting = each.resting if self.now_ms < each.rests_until_ms else 0
        after = replace(each, resting=resting + 1, rests_until_ms=self.now_ms + reuse_ms)
        interfaces = list(view.interfaces)
        interfaces[choice.interface] = after
        self.truth.put([replace(view, interfaces=tuple(interfaces))])

    def forget(self, wanted: Request, choice: Choice) -> None:
        """The task is no longer there, and what only it had on the host is gone with it."""
        self.running.remove((wanted, choice))
        self.usage.add(wanted, -1)
        bare = host(choice.host_id)
        self.truth.undo(wanted, choice, bare)
        view = self.truth.views[choice.host_id]
        self.truth.put([replace(view, launching=max(0, view.launching))])
        for other, there in self.running:
            if there.host_id == choice.host_id:
                self._keep(other, there.host_id)

    def _keep(self, other: Request, host_id: HostId) -> None:
        view = self.truth.views[host_id]
        is_exclusive = any(each.kind == "exclusiveHost" for each in other.hard)
        self.truth.put(
            [
                replace(
                    view,
                    exclusive_job=other.job_id if is_exclusive else view.exclusive_job,
                    images=tuple(sorted({*view.images, other.image} - {""})),
                    security_groups=tuple(
                        sorted({*view.security_groups, other.security_groups} - {()})
                    ),
                )
            ]
        )

    def wait(self, text: str) -> None:
        """Tasks come into the queue, behind those that wait already."""
        said, _, since = text.partition(" since ")
        wanted, count = request(said)
        order = (len(self.queue), 0)
        self.queue.set_waiting(wanted, count, int(since or self.now_ms), order)

    def round(self, expected: str) -> None:
        """One round over the queue, as the cell does it."""
        done = place_round(self.placement, self.queue, self.usage, self.rules, self.now_ms)
        for placed in done.placed:
            for choice in placed.outcome.choices:
                self.launched(placed.request, choice)
            count = len(placed.outcome.choices)
            self.queue.placed(placed.request, count, self.now_ms)
        assert in_words(done) == sorted(expected.split(", ")), in_words(done)


def in_words(done: RoundOutcome) -> list[str]:
    """What came of a round, as the table writes it."""
    found: dict[str, list[str]] = {}
    for placed in done.placed:
        names = found.setdefault(placed.request.job_id, [])
        names += [choice.host_id for choice in placed.outcome.choices]
    words = [f"{job} on {' '.join(sorted(names))}" for job, names in found.items()]
    words += [f"{each.request.job_id} held {each.rule}" for each in done.held]
    for each in done.refused:
        why = "+".join(sorted({rule.rule for rule in each.outcome.refused}))
        words.append(f"{each.request.job_id} refused {why}")
    for preemption in done.preemptions:
        ended = "+".join(sorted(each.job_id for each in preemption.victims))
        words.append(f"{preemption.request.job_id} ends {ended} on {preemption.host_id}")
    return sorted(words)


def assert_outcome(outcome: Outcome, count: int, expected: str) -> None:
    """Assert that the answer is the one that the table expects."""
    placed, _, left = expected.partition("left")
    wanted = _choices(placed.strip(" ,"))
    chosen = [_as_written(each, wanted) for each in outcome.choices]
    if "{" in placed:
        assert Counter(chosen) == Counter(wanted)
    else:
        assert chosen == wanted
    number, _, reasons = left.partition(":")
    assert outcome.left == int(number or 0), outcome
    assert len(outcome.choices) + outcome.left == count
    if not left:
        return
    assert outcome.wake, "a refusal must name the event that could change it"
    found = {each.rule: each.hosts for each in outcome.refused}
    if reasons.strip():
        pairs = (each.rsplit(" ", 1) for each in reasons.strip().split(", "))
        assert found == {rule.strip(): int(hosts_) for rule, hosts_ in pairs}


def _choices(text: str) -> list[Choice]:
    found = []
    for word in text.strip("{}").split():
        match = _HOST.fullmatch(word)
        assert match, f"no host: {word}"
        found.append(
            Choice(
                HostId(match["name"]),
                _numbers(match["ports"]),
                int(match["interface"] or -1),
                _numbers(match["gpus"]),
            )
        )
    return found


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split("+")) if text else ()


def _as_written(choice: Choice, wanted: list[Choice]) -> Choice:
    """The choice without what the table does not speak of."""
    return Choice(
        choice.host_id,
        choice.ports if any(each.ports for each in wanted) else (),
        choice.interface if any(each.interface >= 0 for each in wanted) else -1,
        choice.gpus if any(each.gpus for each in wanted) else (),
    )
