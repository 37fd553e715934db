"""One load from its first job to the last task seen running, sampled each second.

The one thing to know: everything that a user runs with is on. Records are acknowledged by all
replicas, jobs come by HTTP, each update of a task is acknowledged at the master, digests are
compared. What is switched off is only what `streams/load/installation.py` does not start.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Final

import msgspec

from streams.clock import elapsed_s
from streams.load.driver import Driver, Pace
from streams.load.faults import FaultPlan, Faults
from streams.load.installation import LoadInstallation
from streams.load.mix import jobs
from streams.load.processes import Use, uses
from streams.load.watching import Histogram, Watch

SAMPLE_S: Final = 1.0
OFFERED_S_MAX: Final = 180.0
STALL_S_MAX: Final = 240.0
"""No task seen running for so long: the load has failed."""
OURS: Final = "load"
"""This process: it submits and watches."""


class Minute(msgspec.Struct, frozen=True):
    """One row of the curve; a minute, or as long as `Asked.row_s` says."""

    at_s: float
    launches: int
    rate_per_s: float
    live: int
    p50_s: float | None
    p99_s: float | None
    cores: dict[str, float]
    """Of each part, the share of a core that it used in the row."""
    rss_mib: dict[str, float]
    files: dict[str, int]


class Asked(msgspec.Struct, frozen=True):
    """What is to be run."""

    launches: int
    hosts: int
    seed: int
    compress: float
    pace: Pace
    row_s: float = 60.0
    faults: FaultPlan | None = None


class Ran(msgspec.Struct, frozen=True):
    """What came of it."""

    seconds: float
    launches: int
    jobs: int
    again: int
    """Tasks that took another's place, after a fault."""
    finished: int
    p50_s: float | None
    p99_s: float | None
    cpu_ms_each: dict[str, float]
    """Processor time of each part for a launch, in milliseconds."""
    cores: dict[str, float]
    rows: list[Minute]
    slope: float | None
    """The rate around 90 % of the launches over that around 10 %."""
    answers: dict[str, int]
    refused: list[str]
    faults: list[str]
    checkpoints: int
    halt: str
    """Why the fold of this process halted; empty: it did not."""


class Run:
    """Drives and samples one load."""

    def __init__(
        self, here: LoadInstallation, asked: Asked, tell: Callable[[Minute], None]
    ) -> None:
        self._here, self._asked, self._tell = here, asked, tell
        self.watch = Watch(here.kafka, here.cell_topic)
        self._driver = Driver(lambda: here.view.api, self.watch, asked.pace)
        self._faults = Faults(here, asked.faults) if asked.faults else None
        self._rows: list[Minute] = []
        self._counts: list[tuple[float, int]] = []
        """Seconds, and launches until then; one a second."""
        self._began: dict[str, Use] = {}
        self._spent: dict[str, float] = {}
        """Processor time of processes that were replaced since."""

    async def go(self) -> Ran:
        """Run it; raises `TimeoutError` where hosts never come or tasks no longer start."""
        async with self.watch.watching():
            await self._until_offered()
            self._began = self._uses()
            self._began_s = elapsed_s()
            sampling = asyncio.create_task(self._sample())
            hurting = asyncio.create_task(self._faults.run()) if self._faults else None
            try:
                await self._driver.run(jobs(self._asked.seed, self._asked.launches))
                if hurting is not None:
                    hurting.cancel()
                await self._until_started()
                seconds = elapsed_s() - self._began_s
                spent = self._spent_s(self._uses())
            finally:
                for each in filter(None, (sampling, hurting)):
                    each.cancel()
                await asyncio.gather(*filter(None, (sampling, hurting)), return_exceptions=True)
        return self._ran(seconds, spent)

    async def _until_offered(self) -> None:
        state = self.watch.follower.machine.state
        if not await self.watch.until(
            lambda: len(state.offers) >= self._asked.hosts and state.clock.is_judging,
            OFFERED_S_MAX,
        ):
            raise TimeoutError(f"{len(state.offers)} of {self._asked.hosts} hosts were offered")

    async def _until_started(self) -> None:
        watch, wanted = self.watch, self._driver.tasks
        seen, at_s = watch.ours, elapsed_s()
        while watch.ours < wanted:
            await watch.until(lambda seen=seen: watch.ours > seen, 1.0)  # type: ignore[misc]
            if watch.follower.halt is not None:
                return
            if watch.ours > seen:
                seen, at_s = watch.ours, elapsed_s()
            elif elapsed_s() - at_s > STALL_S_MAX:
                return  # What is missing is in the report: launches below what was asked for.

    async def _sample(self) -> None:
        row_began_s, row_launches, row_uses = self._began_s, 0, self._began
        previous = self._began
        while True:
            await asyncio.sleep(SAMPLE_S)
            now_s, now = elapsed_s(), self._uses()
            self._note_replaced(previous, now)
            previous = now
            self._counts.append((now_s - self._began_s, self.watch.ours))
            if now_s - row_began_s < self._asked.row_s:
                continue
            minute, self.watch.minute = self.watch.minute, Histogram()
            launches, seconds = self.watch.ours - row_launches, now_s - row_began_s
            row = Minute(
                at_s=round(now_s - self._began_s, 1),
                launches=launches,
                rate_per_s=round(launches / seconds, 1),
                live=self.watch.live,
                p50_s=minute.percentile(0.5),
                p99_s=minute.percentile(0.99),
                cores={
                    name: round(max(0.0, use.cpu_s - row_uses[name].cpu_s) / seconds, 3)
                    for name, use in now.items()
                },
                rss_mib={name: round(use.rss_mib, 1) for name, use in now.items()},
                files={name: use.files for name, use in now.items()},
            )
            self._rows.append(row)
            self._tell(row)
            row_began_s, row_launches, row_uses = now_s, self.watch.ours, now

    def _note_replaced(self, before: dict[str, Use], now: dict[str, Use]) -> None:
        """Keep what a process had used that was killed since: a new one begins at nothing."""
        for name, use in now.items():
            if use.cpu_s < before[name].cpu_s:
                lost_s = before[name].cpu_s - self._began[name].cpu_s
                self._spent[name] = self._spent.get(name, 0.0) + max(0.0, lost_s)
                self._began[name] = Use(0.0, 0.0, 0)

    def _uses(self) -> dict[str, Use]:
        found = uses(self._here.pids())
        # Not with its children, for all other parts are that.
        own = os.times()
        found[OURS] = uses({OURS: os.getpid()}, is_alone=True)[OURS]._replace(
            cpu_s=own.user + own.system
        )
        return found

    def _spent_s(self, now: dict[str, Use]) -> dict[str, float]:
        return {
            name: self._spent.get(name, 0.0) + max(0.0, use.cpu_s - self._began[name].cpu_s)
            for name, use in now.items()
        }

    def _ran(self, seconds: float, spent: dict[str, float]) -> Ran:
        watch, launches = self.watch, max(1, self.watch.ours)
        halt = watch.follower.halt
        return Ran(
            seconds=round(seconds, 3),
            launches=watch.ours,
            jobs=self._driver.jobs,
            again=watch.again,
            finished=watch.finished,
            p50_s=watch.latency.percentile(0.5),
            p99_s=watch.latency.percentile(0.99),
            cpu_ms_each={name: round(s / launches * 1_000, 4) for name, s in spent.items()},
            cores={name: round(s / seconds, 3) for name, s in spent.items()},
            rows=self._rows,
            slope=slope(self._counts, watch.ours),
            answers=dict(self._driver.answers),
            refused=self._driver.refused,
            faults=self._faults.done if self._faults else [],
            checkpoints=watch.checkpoints,
            halt="" if halt is None else halt.sentence(),
        )


def slope(counts: list[tuple[float, int]], launches: int) -> float | None:
    """The rate between 85 and 95 % of the launches over that between 5 and 15 %.

    None where the run was so short that a window holds no two samples.
    """

    def rate(low: float, high: float) -> float | None:
        inside = [each for each in counts if low * launches <= each[1] <= high * launches]
        if len(inside) < 2 or inside[-1][0] == inside[0][0]:
            return None
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])

    early, late = rate(0.05, 0.15), rate(0.85, 0.95)
    return round(late / early, 3) if early and late is not None else None
