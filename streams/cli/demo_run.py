"""The demo's story: jobs are submitted, everything below and above them is hurt, and why.

A host is lost for good, an agent comes back in time, the master fails over, and the control plane
is restarted, in one run. The one thing to know: everything is asked of the REST API, as anybody
could; only the proof that every named address exists reads the log itself, and the account the
journals of the dev cluster.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

import streams
from connectors.client.shapes import History, State, Task, Why
from streams.cli import demo_checks as checks
from streams.cli.calls import ANY, Api
from streams.cli.client import decoded
from streams.cli.demo_account import Account, account_of, witness_of
from streams.cli.demo_hands import Hand, Victim
from streams.cli.demo_screen import Screen
from streams.cli.log_look import ends_of_topics, map_of_log
from streams.clock import elapsed_s, now_ms
from streams.errors import OperatorError
from streams.supervise.up_file import UpView

BATCH: Final = "batch-20"
LATE: Final = "batch-20-again"
"""The same job once more: under way while the master and the control plane are ended."""
ENDED_OR_ON: Final = frozenset({"Started", "KillInitiated", "Finished"})
SERVICE: Final = "service-5"
RETRY: Final = "fails-and-retries"
JOBS: Final = (BATCH, LATE, SERVICE, RETRY)
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
    account: Account | None = None
    """None on a Mesos of somebody else, which keeps no journal for us."""
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

    def __init__(
        self,
        there: Api,
        up: UpView,
        screen: Screen,
        hand: Hand | None,
        restart_cell: Callable[[], str],
    ) -> None:
        """``hand`` hurts Mesos, if it may be hurt; ``restart_cell`` ends a process of ours."""
        self._there = there
        self._up = up
        self._screen = screen
        self._hand = hand
        self._restart_cell = restart_cell
        self._dead: list[Task] = []
        self._dead_host_id = ""
        self._steady: list[Task] = []
        self._lost_at_ms: dict[str, int] = {}

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
        if self._hand is not None:
            self._lose_host(self._hand)
        else:
            masters = ", ".join(self._up.mesos)
            self._screen.step(
                f"No host is ended: the hosts of Mesos at {masters} are not ours to end; "
                "--disturb COMMAND would",
                "yellow",
            )
        self._submit(BATCH, LATE)
        # Its tasks are short: a slow computer hears that they run when they have ended.
        self._until(f"{LATE} to be under way", lambda tasks: _has_begun(tasks, LATE))
        if self._hand is not None:
            self._fail_over(self._hand)
        self._restart_control_plane()
        tasks = self._until("all tasks to be as they should", self._is_over)
        ended = f"{BATCH}, {LATE}, {RETRY}"
        self._screen.step(f"{ended} have ended well, {SERVICE} runs", "green")
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

    def _submit(self, file: str, name: str = "") -> None:
        path = examples_dir() / f"{file}.json"
        taken = self._there.submit(path.read_bytes(), name or file, key="")
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

    def _lose_host(self, hand: Hand) -> None:
        """End the host with most of the service while the batch job is under way."""
        tasks = self._until(f"{BATCH} to be under way", _is_under_way)
        victim = _busiest(tasks)
        self._dead_host_id = victim.host_id
        self._dead = [
            task for task in tasks if task.host_id == victim.host_id and not task.is_finished
        ]
        self._screen.step(hand.lose(victim), "bold red")
        self._lost_at_ms[victim.hostname] = now_ms()
        began_s = elapsed_s()
        self._until(f"Mesos to miss {victim.hostname}, its tasks to run elsewhere", self._are_back)
        self._screen.step(
            f"The {len(self._dead)} tasks of {victim.hostname} run on other hosts, "
            f"{elapsed_s() - began_s:.1f} s after it died",
            "green",
        )

    def _are_back(self, tasks: list[Task]) -> bool:
        return not checks.replacement_faults(self._dead, tasks, self._dead_host_id)

    def _restart_agent(self, hand: Hand) -> None:
        """End the agent of a host whose tasks must not notice, and have it back in time."""
        tasks = self._there.tasks({"taskStates": ANY})
        victim = _busiest(tasks)
        self._steady = [t for t in tasks if t.host_id == victim.host_id and _is_there(t)]
        self._screen.step(hand.restart(victim), "bold red")

    def _fail_over(self, hand: Hand) -> None:
        """End the master, and wait until the cell has subscribed with the next one."""
        before = decoded(self._there.state(), State).stream_id
        self._screen.step(hand.fail_over(), "bold red")
        began_s = elapsed_s()
        self._until(
            "the cell to subscribe with the new master",
            lambda _: decoded(self._there.state(), State).stream_id not in {before, "", None},
        )
        self._screen.step(
            f"The cell has subscribed with the new master, after {elapsed_s() - began_s:.1f} s",
            "green",
        )

    def _restart_control_plane(self) -> None:
        """End the process that decides; while it is away an agent ends and comes back."""
        before = decoded(self._there.state(), State).elected_at
        self._screen.step(self._restart_cell(), "bold red")
        if self._hand is not None:
            self._restart_agent(self._hand)
        self._until(
            "the cell to be led again",
            lambda _: decoded(self._there.state(), State).elected_at not in {before, ""},
        )
        self._until_led()
        if self._steady:
            self._until(
                f"the {len(self._steady)} tasks of the restarted agent to go on",
                lambda now: not checks.steady_faults(self._steady, now),
            )
            text = f"The {len(self._steady)} tasks of the restarted agent went on all the time"
            self._screen.step(text, "green")

    def _is_over(self, tasks: list[Task]) -> bool:
        return not self._faults(tasks)

    def _faults(self, tasks: Sequence[Task]) -> list[str]:
        """What is not yet, or not at all, as it should be."""
        of: dict[str, list[Task]] = {name: [] for name in JOBS}
        for task in tasks:
            of[task.job_id].append(task)
        if not of[LATE]:
            return [f"{LATE} is not submitted yet"]
        return [
            *checks.batch_faults(self._there.job(BATCH), of[BATCH], BATCH_SIZE),
            *checks.batch_faults(self._there.job(LATE), of[LATE], BATCH_SIZE),
            *checks.service_faults(self._there.job(SERVICE), of[SERVICE], SERVICE_SIZE),
            *checks.retry_faults(self._there.job(RETRY), of[RETRY]),
            *checks.replacement_faults(self._dead, tasks, self._dead_host_id),
            *checks.steady_faults(self._steady, tasks),
        ]

    def _judged(self, tasks: Sequence[Task]) -> Outcome:
        """Ask "why" of everything, and hold every address against the log."""
        names = [*(task.id for task in tasks), *JOBS]
        self._screen.step(f"    asking why of all {len(names)} tasks and jobs …", "dim")
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
        account = None
        if self._up.dev_cluster is not None:
            witness = witness_of(Path(self._up.dev_cluster.data_dir))
            account = account_of(tasks, witness, self._lost_at_ms)
            faults += account.faults
        lost = {task.id for task in self._dead}
        replaced = [task.id for task in tasks if task.resubmit_of in lost]
        return Outcome(
            tuple(tasks), tuple(whys), tuple(histories), tuple(faults), account, _last(replaced)
        )

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


def _has_begun(tasks: Sequence[Task], job: str) -> bool:
    """Whether a task of the job runs, or has run."""
    return any(task.job_id == job and task.status.state in ENDED_OR_ON for task in tasks)


def _started(tasks: Sequence[Task], job: str) -> int:
    return sum(task.job_id == job and task.status.state == "Started" for task in tasks)


def _is_under_way(tasks: list[Task]) -> bool:
    """Whether a task of the batch job runs, on a host of the service if it has any there."""
    hosts = {task.host for task in tasks if task.job_id == SERVICE}
    batch = [task for task in tasks if task.job_id == BATCH]
    beside = [task for task in batch if task.host in hosts]
    return any(_is_there(task) for task in beside or batch)


def _busiest(tasks: Sequence[Task]) -> Victim:
    """The host with most of the service, and of those the one with most tasks."""
    there = [task for task in tasks if _is_there(task)]
    on_hosts = Counter(task.host_id for task in there)
    of_service = Counter(task.host_id for task in there if task.job_id == SERVICE)
    host_id = max(of_service, key=lambda host: (of_service[host], on_hosts[host]))
    return Victim(host_id, next(task.host for task in there if task.host_id == host_id))


def _has_failed(tasks: Sequence[Task]) -> bool:
    return any(
        task.job_id == RETRY and task.is_finished and task.status.reason_code == "failed"
        for task in tasks
    )


def _is_there(task: Task) -> bool:
    return task.status.state == "Started"


def _last(names: Sequence[str]) -> str:
    return names[-1] if names else ""
