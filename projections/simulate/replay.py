"""A trace through rounds of placement, call by call, as a cell would do it.

The one thing to know, the rule of re-offering, is written only here: each call gets the next N
tasks in the order of the file. What gets no host in its call is not offered again, unless tasks
are re-offered (``is_retrying``): then it waits, and stands before the new ones in each later call.
Without times all tasks arrive at once. With times, whoever has ended is gone before those of the
same moment arrive, and a task that waited runs for as long as it would have run.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

import msgspec

from scheduler.model.ids import HostId
from scheduler.model.rules import PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.fitness.gpu import GpuFitness
from scheduler.placement.outcome import Choice
from scheduler.placement.request import Request
from scheduler.queue.outcome import Placed as Turn
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue, Waiting
from scheduler.rounds.placing import place_round

from .openb import MixLearner, capacity_of
from .trace import Trace


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Tasks of a class without a host, and how many hosts each rule or resource refused."""

    job: str
    tasks: int
    rules: tuple[tuple[str, int], ...]
    words: str


class CallRecord(msgspec.Struct, frozen=True, gc=False):
    """One call: what a cell would write into its log of it."""

    call: int
    at_ms: int
    offered: int
    placed: tuple[tuple[str, str], ...]
    """Task and host, in the order of the decisions."""
    refused: tuple[Refusal, ...]


class Placed(msgspec.Struct, frozen=True, gc=False):
    """Where a task is, and when it got there."""

    choice: Choice
    at_ms: int
    call: int


class Replay:
    """One policy's run of a trace."""

    def __init__(
        self, trace: Trace, rules: PlacementRules, *, batch: int, is_retrying: bool = False
    ) -> None:
        assert batch >= 1, f"a call of {batch} tasks"
        self.trace = trace
        self.rules = rules
        self.placed: dict[int, Placed] = {}
        """By the task's place in the file."""
        self.running: set[int] = set()
        self.waiting = 0
        self.offered = 0
        self.now_ms = 0
        self._batch = batch
        self._is_retrying = is_retrying
        self._usage = Usage()
        self._left: list[int] = []
        self._told: dict[Request, int] = {}
        """Classes that wait, with the count that was explained last: not explained again."""
        self._ends: list[tuple[int, int]] = []
        self._calls = 0
        self._has_gpus = any(view.gpus for view in trace.hosts)
        self._learner = MixLearner(capacity_of(trace.hosts))
        self._fitness = GpuFitness(self._learner.mix)
        self._placement = Placement(rules, parts=self._fitness.parts())

    def build(self) -> None:
        """Build the index of hosts; a run begins with it."""
        self._placement.put_hosts(self.trace.hosts)

    def calls(self) -> Iterator[CallRecord | None]:
        """Do one call after the other, and answer its record; None where tasks only ended."""
        tasks = self.trace.tasks
        order: Sequence[int] = range(len(tasks))
        if self.trace.has_times:
            order = sorted(order, key=lambda index: tasks[index].arrive_ms)
        next_new = 0
        while next_new < len(order) or self._ends:
            self.now_ms = self._next_moment(order, next_new)
            has_ended = self._end_tasks()
            arrived = next_new if self.trace.has_times else len(order)
            while arrived < len(order) and tasks[order[arrived]].arrive_ms <= self.now_ms:
                arrived += 1
            if arrived == next_new and not (has_ended and self._left):
                yield None
                continue
            while True:
                new = order[next_new : min(arrived, next_new + self._batch)]
                next_new += len(new)
                yield self._call(new)
                if next_new == arrived:
                    break

    def _next_moment(self, order: Sequence[int], next_new: int) -> int:
        moments = [self._ends[0][0]] if self._ends else []
        if next_new < len(order):
            moments.append(self.trace.tasks[order[next_new]].arrive_ms)
        return max(self.now_ms, min(moments))

    def _end_tasks(self) -> bool:
        has_ended = False
        while self._ends and self._ends[0][0] <= self.now_ms:
            _, index = heappop(self._ends)
            request = self.trace.tasks[index].request
            self._placement.put_back(request, (self.placed[index].choice,))
            self._usage.add(request, -1)
            self.running.discard(index)
            has_ended = True
        return has_ended

    def _call(self, new: Sequence[int]) -> CallRecord:
        tasks = self.trace.tasks
        self._calls += 1
        self.offered += len(new)
        offered = [*self._left, *new]
        classes = self._classes_of(offered)
        self._learn(new)
        queue = Queue()
        for number, (request, indexes) in enumerate(classes.items()):
            since_ms = tasks[indexes[0]].arrive_ms
            queue.set(Waiting(request, len(indexes), since_ms, (self._calls, number)))
        self._placement.advance(self.now_ms)
        outcome = place_round(
            self._placement,
            queue,
            self._usage,
            self.rules,
            self.now_ms,
            is_told=lambda request, count: self._told.get(request) == count,
        )
        names = self._put(outcome.placed, classes)
        if self._is_retrying:
            self._left = sorted(index for indexes in classes.values() for index in indexes)
        self.waiting = len(self._left)
        if self._is_retrying:
            self._told = {request: len(indexes) for request, indexes in classes.items() if indexes}
        refused = [
            Refusal(
                each.request.job_id,
                each.count,
                tuple([(rule.rule, rule.hosts) for rule in each.outcome.refused]),
                "; ".join([rule.missing for rule in each.outcome.refused[:3] if rule.missing]),
            )
            for each in outcome.refused
        ]
        refused += [
            Refusal(each.request.job_id, each.count, ((each.rule, 0),), each.words)
            for each in outcome.held
        ]
        return CallRecord(self._calls, self.now_ms, len(new), tuple(names), tuple(refused))

    def _classes_of(self, offered: Sequence[int]) -> dict[Request, list[int]]:
        """The tasks by what they ask for, in the order of the first of each."""
        tasks = self.trace.tasks
        classes: dict[Request, list[int]] = {}
        last: Request | None = None
        indexes: list[int] = []
        for index in offered:
            request = tasks[index].request
            # Neighbours mostly share one request: its hash is taken once a run, not once a task.
            if request is not last:
                indexes = classes.setdefault(request, [])
                last = request
            indexes.append(index)
        return classes

    def _put(
        self, turns: Sequence[Turn], classes: dict[Request, list[int]]
    ) -> list[tuple[str, str]]:
        """Let tasks be where they were put, and leave in ``classes`` who waits; their names."""
        tasks, placed, now_ms, call = self.trace.tasks, self.placed, self.now_ms, self._calls
        names: list[tuple[str, str]] = []
        came: list[int] = []
        counts: list[tuple[Request, int]] = []
        for turn in turns:
            request, choices = turn.request, turn.outcome.choices
            indexes = classes[request]
            count = len(choices)
            classes[request] = indexes[count:]
            came += indexes[:count]
            counts.append((request, count))
            for index, choice in zip(indexes, choices, strict=False):
                task = tasks[index]
                assert index not in placed, f"task {task.task_id} has two hosts"
                placed[index] = Placed(choice, now_ms, call)
                names.append((task.task_id, choice.host_id))
                if task.end_ms is not None:
                    heappush(self._ends, (now_ms + task.end_ms - task.arrive_ms, index))
        self.running.update(came)
        self._usage.add_each(counts)
        return names

    def _learn(self, new: Sequence[int]) -> None:
        if not self._has_gpus:
            return
        has_changed = False
        for index in new:
            has_changed |= self._learner.learn(self.trace.tasks[index].request.need)
        if has_changed:
            self._fitness.set_mix(self._learner.mix)

    def host_of(self, index: int) -> HostId | None:
        """Where a task was put; None: nowhere."""
        placed = self.placed.get(index)
        return None if placed is None else placed.choice.host_id
