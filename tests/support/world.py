"""A whole cell of real parts: a real Kafka, a dev cluster, cell processes that can be killed.

The one thing to know: the witness is the dev cluster's own journal, written by other code than
what is under test. `World.check_sound` compares it with the cell log.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from connectors.devcluster.journal import read_journal
from scheduler.invariants import check_everything
from scheduler.machine import Machine
from scheduler.model.changes import Change
from scheduler.model.codec import decode_record
from scheduler.model.events import CellRecord, EffectStarted
from scheduler.model.foreign_records import encode_set_policy, encode_submit
from scheduler.model.ids import JobId, TaskId, job_id_of, proposal_id_of
from scheduler.model.proposals import KillTask, LaunchTasks, Proposal, ReconcileTasks
from scheduler.model.task import Finished, Launched, Task
from streams.cell.writer import our_producer
from streams.kafka.security import client_options
from tests.support.dev_cluster import DevCluster

Result = TypeVar("Result")
POLL_S = 0.05
LAST_WORDS_CHARACTERS = 3_000
NOTHING = CellRecord(version=1, epoch=-1, at_ms=0, events=())
"""Stands for a record that was passed over."""


class World:
    """Real parts for one test; everything it starts ends with `close`."""

    def __init__(
        self, kafka: str, prefix: str, home: Path, *, partition: int = 0, cells: int = 1
    ) -> None:
        """``partition``: the cell that is looked at, of so many cells."""
        self.partition = partition
        self.cell_count = cells
        self.kafka = kafka
        self.prefix = prefix
        self.home = home
        self.cluster: DevCluster | None = None
        self.cells: dict[str, subprocess.Popen[str]] = {}
        self.machine = Machine()
        self.records: list[CellRecord] = []
        self.log: list[bytes] = []
        self.changes: list[tuple[int, int, Change]] = []
        self.passed_over: set[int] = set()
        """Offsets that an operator has skipped, and so do we."""
        self.host_deaths: dict[str, int] = {}
        """When whole hosts ended, by agent: what ran there wrote no end, and starts nothing new."""
        self._loop = asyncio.new_event_loop()
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self.master = ""

    def start_cluster(self, port: int, agents: int = 2, **options: Any) -> DevCluster:
        """Start the dev cluster with pings short enough for a test."""
        values: dict[str, Any] = {"ping_timeout_seconds": 1.0} | options
        self.cluster = DevCluster(self.home / "mesos", port=port, agents=agents, **values)
        self.cluster.start()
        self.master = f"127.0.0.1:{port}"
        return self.cluster

    def start_cell(self, name: str, crash_at: str = "") -> subprocess.Popen[str]:
        """Start a cell process and wait until it follows the log."""
        environment = os.environ | self.cell_environment(name, crash_at)
        log = (self.home / f"{name}-{len(self.cells)}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "cell"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        self.cells[name] = process
        assert process.stdout is not None
        for line in process.stdout:
            if line.split()[:1] == ["ready"]:
                return process
        told = Path(log.name).read_text("utf-8", "replace")[-LAST_WORDS_CHARACTERS:]
        raise AssertionError(f"{name} ended with {process.wait()} before it was ready:\n{told}")

    def cell_environment(self, name: str, crash_at: str = "") -> dict[str, str]:
        """What a cell process of this world is told."""
        crash = {"FLUMINA_CRASH_AT": crash_at} if crash_at else {}
        return crash | {
            "KAFKA_BROKERS": self.kafka,
            "MESOS_MASTER": self.master,
            "FLUMINA_TOPIC_PREFIX": self.prefix,
            "FLUMINA_CELLS": str(self.cell_count),
            "FLUMINA_CANDIDATE": name,
            "FLUMINA_DATA": str(self.home / name),
            "PYTHONPATH": str(Path.cwd()),
        }

    def kill_cell(self, name: str) -> None:
        """End a cell process as a crash would."""
        process = self.cells.pop(name)
        process.kill()
        process.communicate()

    def signal_cell(self, name: str, what: signal.Signals) -> None:
        """Send a signal to a cell process."""
        self.cells[name].send_signal(what)

    def wait_cell(self, name: str, timeout_s: float) -> int:
        """The exit code of a cell process that ends by itself."""
        process = self.cells.pop(name)
        code = process.wait(timeout_s)
        process.communicate()
        return code

    def submit(self, job_id: str, descriptor: dict[str, Any]) -> None:
        """Publish a job."""
        self.publish("jobs", job_id, encode_submit(JobId(job_id), descriptor, "test"))

    def set_policy(self, **values: int) -> None:
        """Order other limits, as an operator does."""
        self.publish("commands", "test", encode_set_policy(values, "test", "a shorter test"))

    def publish(
        self,
        topic: str,
        key: str,
        value: bytes,
        partition: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> int:
        """The offset of one record that was published, to the cell's partition if none is named."""

        async def send() -> int:
            if self._producer is None:
                self._producer = our_producer(self.kafka, "test")
                await self._producer.start()
            sent = await self._producer.send_and_wait(
                self.prefix + topic,
                value,
                key=key.encode(),
                partition=self.partition if partition is None else partition,
                headers=headers or [],
            )
            return int(sent.offset)

        return self._run(send())

    def read(self) -> None:
        """Fold what has come to the cell log since the last call, checking every invariant."""
        for data in self._run(self._fetch("cell")):
            offset = len(self.log)
            if offset in self.passed_over:
                self.machine.pass_over(offset)
                self.log.append(data)
                self.records.append(NOTHING)
                continue
            record = decode_record(data)
            for index, change in self.machine.apply(offset, record):
                self.changes.append((offset, index, change))
            check_everything(self.machine.state)
            self.log.append(data)
            self.records.append(record)

    async def _fetch(self, topic: str) -> list[bytes]:
        place = TopicPartition(self.prefix + topic, self.partition)
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(
                **client_options(self.kafka),
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            )
            await self._consumer.start()
            self._consumer.assign([place])
            self._consumer.seek(place, 0)
        found = await self._consumer.getmany(timeout_ms=20)
        return [record.value or b"" for record in found.get(place, ())]

    def all_of(self, topic: str) -> list[bytes]:
        """Every value of a topic, from its beginning."""

        async def fetch() -> list[bytes]:
            place = TopicPartition(self.prefix + topic, self.partition)
            consumer = AIOKafkaConsumer(
                **client_options(self.kafka),
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            )
            await consumer.start()
            try:
                consumer.assign([place])
                end = (await consumer.end_offsets([place]))[place]
                values: list[bytes] = []
                while len(values) < end:
                    found = await consumer.getmany(place, timeout_ms=500)
                    values += [record.value or b"" for record in found.get(place, ())]
                return values
            finally:
                await consumer.stop()

        return self._run(fetch())

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 90.0) -> None:
        """Return when the condition holds for what the log says; else fail, and name it."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.read()
            if condition():
                return
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not within {timeout_s:.0f} s: {what}; tasks are "
                    f"{[(each.task_id, each.state) for each in self.machine.state.tasks.values()]}"
                    f"\n{self._last_words()}"
                )
            time.sleep(POLL_S)

    def _last_words(self) -> str:
        """How each cell process is, and the end of what each has written, for a failure."""
        ends = {name: process.poll() for name, process in self.cells.items()}
        words = [f"cell processes and their exit codes: {ends}"]
        for log in sorted(self.home.glob("*.log")):
            words += [f"--- {log.name}", log.read_text("utf-8", "replace")[-LAST_WORDS_CHARACTERS:]]
        return "\n".join(words)

    def tasks(self, job_id: str) -> list[Task]:
        """The job's current tasks by index; none while the log does not know the job."""
        there = self.machine.state.indexes.get(JobId(job_id), {})
        return [self.machine.state.tasks[there[index]] for index in sorted(there)]

    def are(self, job_id: str, kind: type, count: int) -> bool:
        """Whether the job has ``count`` current tasks, all in that state."""
        tasks = self.tasks(job_id)
        return len(tasks) == count and all(isinstance(each.state, kind) for each in tasks)

    def is_normal(self, job_id: str) -> bool:
        """Whether the job has ended well."""
        job = self.machine.state.jobs.get(JobId(job_id))
        return job is not None and (job.state, job.reason) == ("Finished", "normal")

    def epochs(self) -> list[int]:
        """The epoch of every election so far."""
        return sorted({record.epoch for record in self.records} - {-1})

    def journal(self, what: str) -> list[dict[str, Any]]:
        """The lines of one kind in the master's and the agents' journals, by time."""
        assert self.cluster is not None
        root = self.cluster.config.root
        lines = [
            {"agent": path.parent.name, **line}
            for path in (root / "journal.jsonl", *root.glob("agent*/journal.jsonl"))
            for line in read_journal(path)
            if line["what"] == what
        ]
        return sorted(lines, key=lambda line: line["at_ms"])

    def check_sound(self, *beside: "World") -> None:
        """Assert what must hold whatever died when, by the cluster's own journal.

        ``beside``: the other cells of the same cluster, for the journal is of all of them.
        """
        self.read()
        self._check_launched_once()
        self._check_one_live_task_an_index()
        started = self._started_proposals()
        for each in beside:
            each.read()
            started += each._started_proposals()
        self._check_effects_have_proposals(started)
        for task in self.machine.state.tasks.values():
            assert not isinstance(task.state, Launched), f"unknown fate: {task}"

    def _check_launched_once(self) -> None:
        launched = [line["task_id"] for line in self.journal("LAUNCH")]
        assert len(launched) == len(set(launched)), f"launched twice: {sorted(launched)}"
        started = [line["task_id"] for line in self.journal("STARTED")]
        assert len(started) == len(set(started)), f"started twice: {sorted(started)}"

    def _check_one_live_task_an_index(self) -> None:
        ended = {
            line["task_id"]: self.host_deaths[line["agent"]]
            for line in self.journal("STARTED")
            if line["agent"] in self.host_deaths
        }
        ended |= {line["task_id"]: line["at_ms"] for line in self.journal("ENDED")}
        spans: dict[tuple[str | None, int], list[tuple[int, float, str]]] = {}
        for line in self.journal("STARTED"):
            task_id = TaskId(line["task_id"])
            index = int(task_id.rpartition("-worker-")[2].partition("-")[0])
            span = (line["at_ms"], ended.get(task_id, float("inf")), task_id)
            spans.setdefault((job_id_of(task_id), index), []).append(span)
        for place, there in spans.items():
            there.sort()
            for (_, until_ms, first), (from_ms, _, second) in pairwise(there):
                assert until_ms <= from_ms, f"{first} and {second} lived at once at {place}"

    def _check_effects_have_proposals(self, started: list[tuple[Proposal, int]]) -> None:
        """Every call in the journal has its accepted and started proposal in the log before it."""
        for line in self.journal("LAUNCH"):
            assert any(
                isinstance(proposal, LaunchTasks)
                and line["task_id"] in {launch.task_id for launch in proposal.launches}
                and set(line["offer_ids"]) == set(proposal.offer_ids)
                and at_ms <= line["at_ms"]
                for proposal, at_ms in started
            ), f"launched without a proposal: {line}"
        for line in self.journal("KILL"):
            assert any(
                isinstance(proposal, KillTask)
                and proposal.task_id == line["task_id"]
                and at_ms <= line["at_ms"]
                for proposal, at_ms in started
            ), f"killed without a proposal: {line}"
        for line in self.journal("RECONCILE"):
            asked = set(line["task_ids"])
            assert not asked or any(
                isinstance(proposal, ReconcileTasks) and set(proposal.task_ids) == asked
                for proposal, _ in started
            ), f"asked without a proposal: {line}"

    def _started_proposals(self) -> list[tuple[Proposal, int]]:
        """Accepted proposals whose effect was started, with the time of that record."""
        proposals: dict[str, Proposal] = {}
        started: list[tuple[Proposal, int]] = []
        machine = Machine()
        for offset, record in enumerate(self.records):
            if record is NOTHING:
                machine.pass_over(offset)
                continue
            machine.apply(offset, record)
            for index, event in enumerate(record.events):
                if isinstance(event, Proposal):
                    proposals[proposal_id_of(offset, index)] = event
                decisions = machine.state.decisions
                if isinstance(event, EffectStarted) and event.proposal_id in decisions:
                    started.append((proposals[event.proposal_id], record.at_ms))
        return started

    def alive(self) -> list[TaskId]:
        """The tasks that the agents have started and not seen end."""
        ended = {line["task_id"] for line in self.journal("ENDED")}
        started = [TaskId(line["task_id"]) for line in self.journal("STARTED")]
        return [task_id for task_id in started if task_id not in ended]

    def all_ended(self) -> bool:
        """Whether the log knows of no task that lives."""
        return all(isinstance(task.state, Finished) for task in self.machine.state.tasks.values())

    def close(self) -> None:
        """End everything that was started."""
        for name in list(self.cells):
            process = self.cells.pop(name)
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()
        if self.cluster is not None:
            self.cluster.stop()

        async def stop() -> None:
            for each in (self._consumer, self._producer):
                if each is not None:
                    await each.stop()

        self._run(stop())
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(coroutine)


def batch_of(size: int, shell: str, retries: int = 0, **resources: float) -> dict[str, Any]:
    """A v3 descriptor of a batch job that runs a line of shell."""
    descriptor = _descriptor(shell, resources)
    descriptor["batch"] = {"size": size, "retryPolicy": {"immediate": {"retries": retries}}}
    return descriptor


def service_of(desired: int, shell: str, **resources: float) -> dict[str, Any]:
    """A v3 descriptor of a service that runs a line of shell."""
    descriptor = _descriptor(shell, resources)
    descriptor["service"] = {"capacity": {"min": 0, "desired": desired, "max": 100}}
    return descriptor


def _descriptor(shell: str, resources: dict[str, float]) -> dict[str, Any]:
    needs: dict[str, Any] = {"cpu": 0.1, "memoryMB": 32, "diskMB": 10} | resources
    text: dict[str, Any] = json.loads(
        json.dumps(
            {
                "owner": {"teamEmail": "test@example.org"},
                "applicationName": "test",
                "container": {"resources": needs, "entryPoint": ["/bin/sh", "-c", shell]},
            }
        )
    )
    return text
