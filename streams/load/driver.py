"""Submits the jobs of a load by HTTP, as producers do, and ends its services when their time came.

The one thing to know: it asks as fast as the cell takes, with so many tasks ahead of those that
run, or at a rate; what is refused for a limit or for want of a leader is sent again, under the same
id, after the time that the answer names. So an accepted job is one job whatever died meanwhile.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import aiohttp

from connectors.cancelling import TaskGroup
from streams.clock import elapsed_s
from streams.load.mix import JobPlan
from streams.load.watching import Watch

JOBS: Final = "/api/v3/jobs"
ACTOR: Final = "load"
CONNECTIONS: Final = 16
TIMEOUT_S: Final = 30.0
RETRY_S: Final = 0.5
PATIENCE_S: Final = 180.0
"""A request is sent again for so long; a cell that is away longer is a failed load."""
AGAIN: Final = frozenset((429, 500, 502, 503, 504))
DONE: Final = frozenset((200, 201, 202))
POLL_S: Final = 0.02
SERVICE_LOOK_S: Final = 5.0


class Pace(NamedTuple):
    """How fast jobs are sent."""

    ahead: int
    """So many tasks may be submitted and not seen running yet."""
    rate_per_s: float = 0.0
    """Launches a second; 0 is as fast as the cell takes them."""
    compress: float = 1.0
    """By how much the lives of services are shortened."""


class Driver:
    """Sends every job once it is due; `run` returns when all were taken."""

    def __init__(self, address: Callable[[], str], watch: Watch, pace: Pace) -> None:
        """``address`` is asked before each request: a new api may listen elsewhere."""
        self._address, self._watch, self._pace = address, watch, pace
        self.tasks = 0
        """Of all jobs that were taken."""
        self.jobs = 0
        self.answers: Counter[str] = Counter()
        """Statuses of submissions, and kinds of faults of the connection."""
        self.refused: list[str] = []
        """Jobs that were not taken, with the answer; there should be none."""
        self._ends: list[tuple[float, str]] = []
        """When services end, a heap."""
        self._sent = 0
        self.ended_services = 0

    async def run(self, plans: Iterator[JobPlan]) -> None:
        """Send all jobs; raises `TimeoutError` where one is not taken for minutes."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        headers = {"X-Flumina-Actor": ACTOR, "Content-Type": "application/json"}
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=headers
        ) as session:
            self._began_s = elapsed_s()
            lock = asyncio.Lock()
            async with TaskGroup() as group:
                ending = group.create_task(self._end_services(session))
                senders = [
                    group.create_task(self._send_all(session, plans, lock))
                    for _ in range(CONNECTIONS - 1)
                ]
                await asyncio.wait(senders)
                ending.cancel()

    async def _send_all(
        self, session: aiohttp.ClientSession, plans: Iterator[JobPlan], lock: asyncio.Lock
    ) -> None:
        while True:
            async with lock:
                plan = next(plans, None)
                if plan is None:
                    return
                await self._until_due(plan)
                self._sent += plan.tasks
            await self._submit(session, plan)

    async def _until_due(self, plan: JobPlan) -> None:
        """Return when there is room for the job's tasks, and its time has come."""
        rate = self._pace.rate_per_s
        while True:
            waiting = self._sent - self._watch.ours
            due_s = self._began_s + self._sent / rate if rate else 0.0
            left_s = due_s - elapsed_s()
            if (waiting == 0 or waiting + plan.tasks <= self._pace.ahead) and left_s <= 0:
                return
            await asyncio.sleep(min(max(left_s, POLL_S), 1.0))

    async def _submit(self, session: aiohttp.ClientSession, plan: JobPlan) -> None:
        self._watch.submitted(plan.job_id, plan.tasks)
        status, text = await self._ask(
            session, "POST", f"{JOBS}?jobId={plan.job_id}", plan.body, self.answers
        )
        if status not in DONE:
            self._watch.given_up(plan.job_id)
            self._sent -= plan.tasks
            self.refused.append(f"{plan.job_id}: {status} {text[:300]}")
            return
        self.jobs += 1
        self.tasks += plan.tasks
        if plan.service_s:
            ends_s = elapsed_s() + plan.service_s / self._pace.compress
            heapq.heappush(self._ends, (ends_s, plan.job_id))

    async def _end_services(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(1.0)
            while self._ends and self._ends[0][0] <= elapsed_s():
                _, job_id = heapq.heappop(self._ends)
                if self._watch.is_starting(job_id):  # None ends that has not run yet.
                    heapq.heappush(self._ends, (elapsed_s() + SERVICE_LOOK_S, job_id))
                    continue
                await self._ask(session, "DELETE", f"{JOBS}/{job_id}", b"", Counter())
                self.ended_services += 1

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        target: str,
        body: bytes,
        answers: Counter[str],
    ) -> tuple[int, str]:
        """The last answer; one that says "again" is heeded until patience ends."""
        deadline = elapsed_s() + PATIENCE_S
        while True:
            pause_s, status, text = RETRY_S, 0, ""
            try:
                async with session.request(method, self._address() + target, data=body) as answer:
                    status, text = answer.status, await answer.text()
                    answers[str(status)] += 1
                    if status not in AGAIN:
                        return status, text
                    pause_s = float(answer.headers.get("Retry-After", RETRY_S))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                answers[type(error).__name__] += 1
                text = repr(error)
            if elapsed_s() > deadline:
                return status, text
            await asyncio.sleep(pause_s)
