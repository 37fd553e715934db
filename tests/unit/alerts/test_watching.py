"""Alerts beside a fold: what is sent, kept, read anew, and what a mistake of ours may not do.

How: the log of a cell in memory is handed over record by record, receivers are on loopback, and
the store is a folder.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connectors.objects.directory import DirectoryStore
from projections.alerts.measures import NO_LABELS, OfProcess
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from streams.alerts import watching
from streams.alerts.keeping import KEPT
from streams.alerts.metrics import AlertCollector, AlertMetrics
from streams.alerts.watching import AlertWatch
from streams.clock import now_ms
from streams.settings import settings_of
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.webhook import Receiver, receiver

RULES = """version: 1
delivered: false
receivers: [{{name: ops, kind: webhook, url: "{url}"}}]
rules: [{{name: queue, measure: tasks_queued, above: {above}, summary: s}}]
"""


@pytest.fixture
def ops() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


class Process:
    """An api process, as far as alerts are concerned."""

    def __init__(self, cell: CellInMemory, home: Path) -> None:
        settings = settings_of({"FLUMINA_WEBHOOK_NETWORKS": "127.0.0.0/8", "FLUMINA_CELL": "test"})
        self.registry = CollectorRegistry()
        self.metrics = AlertMetrics(self.registry)
        self.cell, self.machine, self._next = cell, Machine(), 0
        store = DirectoryStore(home / "store")
        self.watch = AlertWatch(settings, store, self.metrics, home / "alerts.yaml")

    def catch_up(self) -> None:
        for offset in range(self._next, len(self.cell.log)):
            record = decode_record(self.cell.log[offset])
            changes = self.machine.apply(offset, record)
            self.watch.folded(self.machine.state, offset, record, changes)
        self._next = len(self.cell.log)

    async def until(self, condition: Callable[[], object], lag: int = 0) -> None:
        running = asyncio.create_task(
            self.watch.run(
                lambda: self.machine.state, lambda: OfProcess({"fold_lag": {NO_LABELS: lag}})
            )
        )
        try:
            async with asyncio.timeout(60):
                while not condition():
                    assert not running.done(), running.result()
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> CellInMemory:
    """A cell of just now, in which ten tasks wait."""
    monkeypatch.setattr(watching, "LOOK_S", 0.02)
    monkeypatch.setattr(watching, "REFRESH_S", 0.05)
    monkeypatch.setattr("tests.support.cell.BEGAN_AT_MS", now_ms() - 60_000)
    cell = running_cell(hosts=1, cpus=1)
    cell.submit(batch(12), "many")
    cell.launched()
    cell.tick(1_000, 12)
    return cell


@pytest.mark.slow
def test_it_is_sent_kept_and_not_sent_again_by_the_next_process(
    cell: CellInMemory, ops: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(RULES.format(url=ops.url, above=3))
    first = Process(cell, tmp_path)
    first.catch_up()

    async def run_first() -> None:
        await first.until(lambda: ops.sent)
        await first.watch.close()

    asyncio.run(run_first())
    second = Process(cell, tmp_path)
    assert second.watch.needed_offset == len(cell.log)
    assert list(second.watch.alerting.book.alerts) == ["queue"]
    cell.kill_job("many")
    cell.tick(1_000, 6)
    second.catch_up()

    async def run_second() -> None:
        await second.until(lambda: len(ops.sent) > 1)
        await second.watch.close()

    asyncio.run(run_second())
    states = [each.json["data"]["state"] for each in ops.sent]
    assert states == ["firing", "resolved"]
    kept = list((tmp_path / "store" / "alerts" / "test").iterdir())
    assert 1 <= len(kept) <= KEPT


def test_while_a_long_log_is_folded_nothing_is_sent(
    cell: CellInMemory, ops: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(RULES.format(url=ops.url, above=3))
    process = Process(cell, tmp_path)
    process.catch_up()
    looked = iter(range(20))

    async def run() -> None:
        await process.until(lambda: next(looked, 20) == 20, lag=5_000)
        await process.watch.close()

    asyncio.run(run())
    assert process.watch.alerting.book.notices
    assert not ops.sent


@pytest.mark.slow
def test_another_file_holds_without_a_restart(
    cell: CellInMemory, ops: Receiver, tmp_path: Path
) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES.format(url=ops.url, above=100))
    process = Process(cell, tmp_path)
    process.catch_up()
    assert not process.watch.alerting.book.alerts
    path.write_text(RULES.format(url=ops.url, above=3))
    os.utime(path, ns=(1, 1))

    async def run() -> None:
        await process.until(lambda: process.watch.alerting.rules.rules[0].threshold == 3)
        cell.tick(1_000, 6)
        process.catch_up()
        await process.until(lambda: ops.sent)
        await process.watch.close()

    asyncio.run(run())


def test_a_mistake_of_ours_hurts_nobody(
    cell: CellInMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(cell, tmp_path)

    def broken(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(process.watch.alerting, "fold", broken)
    process.catch_up()
    assert process.registry.get_sample_value("flumina_alert_faults_total") == len(cell.log)


def test_a_damaged_state_is_passed_over(cell: CellInMemory, tmp_path: Path) -> None:
    process = Process(cell, tmp_path)
    process.catch_up()
    asyncio.run(process.watch.close())
    store = DirectoryStore(tmp_path / "store")
    store.put_new("alerts/test/999999999999999", b"no state")
    assert Process(cell, tmp_path).watch.needed_offset == len(cell.log)


def test_the_metrics_are_documented_and_told(cell: CellInMemory, tmp_path: Path) -> None:
    process = Process(cell, tmp_path)
    process.catch_up()
    process.registry.register(AlertCollector(process.watch.alerting))
    value = process.registry.get_sample_value
    assert value("flumina_alert_measure", {"measure": "tasks_queued"}) == 10
    assert value("flumina_slo_budget_left", {"slo": "crashing"}) == 1
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")
    for family in process.registry.collect():
        assert f"`{family.name}`" in text, family.name
