"""The demo's story: three jobs are submitted, a host dies, its tasks come back, and why.

The one thing to know: everything is asked of the REST API, as anybody could; only the proof that
every named address exists reads the log itself.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

import streams
from streams.cli import demo_checks as checks
from streams.cli.calls import ANY, Api
from streams.cli.client import decoded
from streams.cli.demo_host import end_host
from streams.cli.demo_screen import Screen
from streams.cli.log_look import ends_of_topics, map_of_log
from streams.cli.shapes import History, State, Task, Why
from streams.clock import elapsed_s
from streams.errors import OperatorError
from streams.supervise.up_file import UpView

BATCH: Final = "batch-20"
SERVICE: Final = "service-5"
RETRY: Final = "fails-and-retries"
BATCH_SIZE: Final = 20
SERVICE_SIZE: Final = 5
POLL_S: Final = 0.15
# On two busy cores; an idle computer needs a fraction of it.
WAIT_TIMEOUT_S: Final = 90.0
OFFER_WAIT_S: Final = 5.0
"""Mesos offers again what is left within a second; without it the demo is only less telling."""
FAULTS_SHOWN: Final = 8
INBOUND_TOPICS: Final = ("jobs", "commands", "mesos")


class DemoFailed(OperatorError):
    """Something did not happen as it should."""


class Outcome(msgspec.Struct, frozen=True):
    """Everything that the demo shows and judges at its end."""

    tasks: tuple[Task, ...]
    whys: tuple[Why, ...]
    histories: tuple[History, ...]
    faults: tuple[str, ...]
    replaced: str = ""
    """A task that stands in place of one of the dead host."""


def examples_dir() -> Path:
    """Where the jobs' files are; raises `OperatorError` where there is no checkout."""
    directory = Path(streams.__file__).parents[1] / "docs" / "examples"
    if not directory.is_dir():
        raise OperatorError(
            f"{directory} is missing.",
            "flumina was installed without its checkout.",
            "Clone the repository and run ./flumina demo there.",
        )
    return directory


class Story:
    """One demo on an installation that is up."""

    def __init__(self, there: Api, up: UpView, screen: Screen) -> None:
        self._there = there
        self._up = up
        self._screen = screen
        self._dead: list[Task] = []
        self._dead_host = ""

    def tell(self) -> Outcome:
        """All of it; raises `DemoFailed` when something does not come to pass in time."""
        self._until_led()
        self._submit(RETRY)
        self._submit(SERVICE)
        self._until(
            f"{SERVICE} to run, {RETRY} to fail once",
            lambda tasks: _started(tasks, SERVICE) == SERVICE_SIZE and _has_failed(tasks),
        )
        self._screen.step(f"{SERVICE} runs; {RETRY} has failed once and is tried again")
        self._until_offered()
        self._submit(BATCH)
        if self._up.dev_cluster is not None:
            self._lose_host(Path(self._up.dev_cluster.data_dir))
        else:
            masters = ", ".join(self._up.mesos)
            self._screen.step(
                f"No host is ended: the hosts of Mesos at {masters} are not ours to end", "yellow"
            )
        tasks = self._until("all tasks to be as they should", self._is_over)
        self._screen.step(f"{BATCH} and {RETRY} have ended well, {SERVICE} runs", "green")
        return self._judged(tasks)

    def _until_led(self) -> None:
        deadline = elapsed_s() + WAIT_TIMEOUT_S
        while (standing := self._there.standing()).stale or not standing.leader:
            if elapsed_s() > deadline:
                raise DemoFailed(
                    f"The cell has no leader after {WAIT_TIMEOUT_S:.0f} s: {standing.stale}.",
                    "The cell's process could not reach Kafka or Mesos.",
                    f"Read the logs under {self._up.data_dir}/logs.",
                )
            time.sleep(POLL_S)
        place = f"{standing.cell}/{standing.generation}:{standing.epoch}[0]"
        self._screen.step(f"{standing.leader} leads the cell, elected at {place}")

    def _submit(self, name: str) -> None:
        path = examples_dir() / f"{name}.json"
        taken = self._there.submit(path.read_bytes(), name, key="")
        first = self._there.events(taken.id).lines[0]
        self._screen.step(f"POST {path.name} → job {taken.id}, accepted at {first.address}")

    def _until(self, waiting_for: str, is_reached: Callable[[list[Task]], bool]) -> list[Task]:
        deadline = elapsed_s() + WAIT_TIMEOUT_S
        with self._screen.watch(waiting_for) as watch:
            while True:
                tasks = self._there.tasks({"taskStates": ANY})
                watch.show(tasks)
                if is_reached(tasks):
                    return tasks
                if elapsed_s() > deadline:
                    break
                time.sleep(POLL_S)
        raise DemoFailed(
            f"Waited {WAIT_TIMEOUT_S:.0f} s in vain for {waiting_for}.",
            _few(self._faults(tasks)) or "The tasks are as they should, but came too late.",
            f"Read the logs under {self._up.data_dir}/logs.",
        )

    def _until_offered(self) -> None:
        """Wait a moment for what the service left of its host, so that both jobs share it."""
        hosts = {task.host for task in self._there.tasks({"jobIds": SERVICE})}
        deadline = elapsed_s() + OFFER_WAIT_S
        while elapsed_s() < deadline:
            state = decoded(self._there.state(), State)
            if any(each.offered_cpu_milli for each in state.hosts if each.hostname in hosts):
                return
            time.sleep(POLL_S)

    def _lose_host(self, cluster_dir: Path) -> None:
        """End the host with most of the service while the batch job is under way."""
        tasks = self._until(f"{BATCH} to be under way", _is_under_way)
        on_hosts = Counter(task.host for task in tasks if _is_there(task))
        of_service = Counter(
            task.host for task in tasks if _is_there(task) and task.job_id == SERVICE
        )
        self._dead_host = max(of_service, key=lambda host: (of_service[host], on_hosts[host]))
        self._dead = [
            task for task in tasks if task.host == self._dead_host and not task.is_finished
        ]
        ended = end_host(cluster_dir, self._dead_host)
        self._screen.step(
            f"Host {self._dead_host} is dead: its agent and {ended} processes of its "
            f"{len(self._dead)} tasks were ended with kill -9",
            "bold red",
        )
        began_s = elapsed_s()
        self._until(
            f"Mesos to miss {self._dead_host}, and its tasks to run elsewhere", self._are_back
        )
        self._screen.step(
            f"The tasks of {self._dead_host} run on other hosts, {elapsed_s() - began_s:.1f} s "
            "after it died",
            "green",
        )

    def _are_back(self, tasks: list[Task]) -> bool:
        return not checks.replacement_faults(self._dead, tasks, self._dead_host)

    def _is_over(self, tasks: list[Task]) -> bool:
        return not self._faults(tasks)

    def _faults(self, tasks: Sequence[Task]) -> list[str]:
        """What is not yet, or not at all, as it should be."""
        of: dict[str, list[Task]] = {BATCH: [], SERVICE: [], RETRY: []}
        for task in tasks:
            of[task.job_id].append(task)
        return [
            *checks.batch_faults(self._there.job(BATCH), of[BATCH], BATCH_SIZE),
            *checks.service_faults(self._there.job(SERVICE), of[SERVICE], SERVICE_SIZE),
            *checks.retry_faults(self._there.job(RETRY), of[RETRY]),
            *checks.replacement_faults(self._dead, tasks, self._dead_host),
        ]

    def _judged(self, tasks: Sequence[Task]) -> Outcome:
        """Ask "why" of everything, and hold every address against the log."""
        names = [*(task.id for task in tasks), BATCH, SERVICE, RETRY]
        whys = [self._there.why(name) for name in names]
        histories = [self._there.events(name) for name in names]
        texts = checks.texts_of(whys, histories)
        faults = [*self._faults(tasks), *checks.why_faults(whys)]
        faults += asyncio.run(self._address_faults(texts))
        addresses, sources = checks.addresses_in(texts)
        self._screen.step(
            f"Asked why of {len(names)} tasks and jobs: {len(addresses)} events and "
            f"{len(sources)} inbound records are named, "
            + ("not all of them exist" if faults else "each of them exists in the log")
        )
        lost = {task.id for task in self._dead}
        replaced = [task.id for task in tasks if task.resubmit_of in lost]
        return Outcome(tuple(tasks), tuple(whys), tuple(histories), tuple(faults), _last(replaced))

    async def _address_faults(self, texts: Sequence[str]) -> list[str]:
        prefix = self._up.topic_prefix
        log = await map_of_log(self._up.kafka, f"{prefix}cell")
        if log is None:
            return ["the cell log is empty"]
        ends = await ends_of_topics(self._up.kafka, prefix, INBOUND_TOPICS)
        return checks.address_faults(texts, log, ends)


def _few(faults: Sequence[str]) -> str:
    """The first of them, a line each, and how many more there are."""
    lines = [f"  ✗ {fault}" for fault in faults[:FAULTS_SHOWN]]
    if len(faults) > FAULTS_SHOWN:
        lines.append(f"  ✗ and {len(faults) - FAULTS_SHOWN} more")
    return "\n".join(lines) + ("\n" if lines else "")


def _started(tasks: Sequence[Task], job: str) -> int:
    return sum(task.job_id == job and task.status.state == "Started" for task in tasks)


def _is_under_way(tasks: list[Task]) -> bool:
    """Whether a task of the batch job runs, on a host of the service if it has any there."""
    hosts = {task.host for task in tasks if task.job_id == SERVICE}
    batch = [task for task in tasks if task.job_id == BATCH]
    beside = [task for task in batch if task.host in hosts]
    return any(_is_there(task) for task in beside or batch)


def _has_failed(tasks: Sequence[Task]) -> bool:
    return any(
        task.job_id == RETRY and task.is_finished and task.status.reason_code == "failed"
        for task in tasks
    )


def _is_there(task: Task) -> bool:
    return task.status.state == "Started"


def _last(names: Sequence[str]) -> str:
    return names[-1] if names else ""
