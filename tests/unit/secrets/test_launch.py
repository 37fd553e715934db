"""Launches: opened on the way to Mesos, and said by the task itself where they cannot be."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from connectors.objects.directory import DirectoryStore
from connectors.secrets.opening import open_ring
from connectors.secrets.providers import write_key_file
from connectors.secrets.ring import KeyRing, Tenant
from connectors.secrets.sealing import EXIT_CONFIG, Variable, seal
from scheduler.model.effects import AcceptOffers, Called, Effect, TaskToRun
from scheduler.model.ids import HostId, JobId, OfferId, ProposalId, StreamId, TaskId
from scheduler.model.mesos import MesosRecord, StatusUpdate, Unrecognised
from scheduler.model.resources import Need
from streams.secrets.opening_manager import OpeningManager
from tests.support.moto import environment_of

STREAM = StreamId("s")


class Recorded:
    """A cluster manager that keeps what it is asked for, and answers with what it is told."""

    def __init__(self, detail: str = "") -> None:
        self.effects: list[Effect] = []
        self.detail = detail

    def subscribe(self, epoch: int) -> AsyncIterator[MesosRecord]:
        raise NotImplementedError(epoch)

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        self.effects.append(effect)
        return Called("refused" if self.detail else "sent", stream_id, self.detail)

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        raise NotImplementedError(update, stream_id)

    async def acknowledge_all(
        self, updates: Sequence[StatusUpdate | Unrecognised], stream_id: StreamId
    ) -> list[Called]:
        raise NotImplementedError(updates, stream_id)

    async def close(self) -> None:
        return


def _ring(folder: Path) -> tuple[KeyRing, str, str]:
    write_key_file(folder / "k")
    settings = DirectoryStore(folder / "ring").url, f"file:{folder / 'k'}"
    ring = open_ring(*settings)
    assert ring is not None
    return ring, *settings


def _launch(*values: str) -> AcceptOffers:
    tasks = tuple(
        TaskToRun(
            task_id=TaskId(f"j-worker-{number}-1"),
            job_id=JobId("j"),
            index=number,
            need=Need(cpu_milli=1, memory_mib=1, disk_mib=0),
            ports=(),
            command=("true",),
            environment=(("KEY", value), ("PLAIN", "seen")),
            labels=(),
            kill_grace_ms=0,
        )
        for number, value in enumerate(values)
    )
    return AcceptOffers(ProposalId("p"), HostId("h"), (OfferId("o"),), tasks, 0)


def _sent(manager: OpeningManager, recorded: Recorded, effect: AcceptOffers) -> AcceptOffers:
    asyncio.run(manager.carry_out(effect, STREAM))
    (sent,) = recorded.effects
    assert isinstance(sent, AcceptOffers)
    return sent


def test_a_value_is_opened_for_its_task(tmp_path: Path) -> None:
    ring, *settings = _ring(tmp_path)
    text = seal(ring, Variable(Tenant("a@b.c", "web"), "j", "KEY"), "s3cret")
    recorded = Recorded()
    sent = _sent(OpeningManager(recorded, *settings), recorded, _launch(text, "plain"))
    assert [dict(each.environment)["KEY"] for each in sent.tasks] == ["s3cret", "plain"]


def test_a_launch_without_secrets_is_the_very_same() -> None:
    recorded, effect = Recorded(), _launch("plain")
    assert _sent(OpeningManager(recorded, "", ""), recorded, effect) is effect


def test_a_task_whose_secret_is_forgotten_says_so_and_fails_and_others_run(tmp_path: Path) -> None:
    ring, *settings = _ring(tmp_path)
    text = seal(ring, Variable(Tenant("a@b.c", "web"), "j", "KEY"), "s3cret")
    ring.forget_job("j", "carol")
    recorded = Recorded()
    sent = _sent(OpeningManager(recorded, *settings), recorded, _launch(text, "plain"))
    lost, runs = sent.tasks
    assert runs.command == ("true",)
    ended = subprocess.run(lost.command, capture_output=True, text=True, check=False, timeout=10)
    assert ended.returncode == EXIT_CONFIG
    assert "forgotten by carol" in ended.stderr
    assert "KEY" not in dict(lost.environment)


def test_a_cell_without_a_ring_says_so_in_the_task(tmp_path: Path) -> None:
    ring, *_ = _ring(tmp_path)
    text = seal(ring, Variable(Tenant("a@b.c", "web"), "j", "KEY"), "s3cret")
    recorded = Recorded()
    sent = _sent(OpeningManager(recorded, "", ""), recorded, _launch(text))
    assert "no key ring" in sent.tasks[0].command[-1]


def test_a_provider_that_does_not_answer_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task goes back to the queue: the key is there, and another attempt may have it."""
    ring, url, _ = _ring(tmp_path)
    text = seal(ring, Variable(Tenant("a@b.c", "web"), "j", "KEY"), "s3cret")
    for name, value in environment_of("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    recorded = Recorded()
    called = asyncio.run(OpeningManager(recorded, url, "kms:k").carry_out(_launch(text), STREAM))
    assert recorded.effects == []
    assert called.fate == "refused"
    assert "KMS did not answer" in called.detail


def test_what_mesos_repeats_of_a_secret_is_masked(tmp_path: Path) -> None:
    ring, *settings = _ring(tmp_path)
    text = seal(ring, Variable(Tenant("a@b.c", "web"), "j", "KEY"), "s3cret")
    recorded = Recorded("variable KEY=s3cret PLAIN=seen is wrong")
    called = asyncio.run(OpeningManager(recorded, *settings).carry_out(_launch(text), STREAM))
    assert called.detail == "variable KEY=masked PLAIN=seen is wrong"
