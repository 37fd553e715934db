"""The volume box does what the fold decided, after reading it back; the outbox waits for it.

How: a leader in memory, whose records are read back when the test says so, and real directories.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from connectors.objects.directory import DirectoryStore
from connectors.ports import VolumeAsk, VolumeTold
from connectors.volumes.opening import Providers, VolumeSettings
from scheduler.model.codec import decode_record
from scheduler.model.effects import AcceptOffers
from scheduler.model.events import CellEvent
from scheduler.model.volumes import (
    VolumeClaim,
    VolumeId,
    VolumeMeasured,
    VolumeWorkEnded,
    VolumeWorkStarted,
)
from streams.cell import volume_box
from streams.cell.outbox import Outbox
from streams.cell.volume_box import VolumeBox, is_news
from tests.support.cell import running_cell, service
from tests.support.leading import HeldLog, WitnessManager, turns

VOLUME = VolumeId("job-volume-data-0")
DEADLINE_S = 10.0


class Stage:
    """A cell with one launch that waits for its volume, an outbox and a box."""

    def __init__(self, home: Path) -> None:
        cell = running_cell(1)
        cell.decide_and_carry_out()
        spec = service(1)
        cell.submit(replace(spec, volumes=(VolumeClaim("data", "/data", size_mib=1),)))
        cell.decide()
        self.root = home / "volumes"
        store = DirectoryStore(home / "store")
        self.providers = Providers(VolumeSettings(), home, lambda: store)
        self.log, self.manager = HeldLog(cell), WitnessManager()
        self.lead = self.log.lead(cell.epoch)
        self.first = len(self.log.records)

    def written(self) -> list[CellEvent]:
        """All that was written since the beginning."""
        records = self.log.records[self.first :]
        return [event for each in records for event in decode_record(each.value).events]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read back and let all go on until it is so."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.log.read_back()
                await turns()
                await asyncio.sleep(0.01)


def with_a_box(home: Path, scenario: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        stage = Stage(home)
        box = VolumeBox(stage.lead, stage.log.follower, stage.providers)
        outbox = Outbox(stage.lead, stage.log.follower, stage.manager)
        running = [asyncio.create_task(box.run()), asyncio.create_task(outbox.run())]
        await turns()
        try:
            await scenario(stage)
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(run())


def test_nothing_is_made_before_it_is_read_back_and_no_task_starts_before_it_is_made(
    tmp_path: Path,
) -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(0.1)
        assert stage.written() == [VolumeWorkStarted(VOLUME, 1)]
        assert not stage.root.exists()
        assert not stage.manager.calls
        await stage.until(lambda: bool(stage.manager.calls))
        ((effect, _),) = stage.manager.calls
        assert isinstance(effect, AcceptOffers)
        (task,) = effect.tasks
        path = stage.root / "name-of-host1" / VOLUME / "data"
        assert dict(task.environment)["FLUMINA_VOLUME_DATA"] == str(path)
        assert path.is_dir()
        kinds = [type(each).__name__ for each in stage.written()]
        assert kinds[:4] == ["VolumeWorkStarted", "VolumeWorkEnded"] * 2

    with_a_box(tmp_path, scenario)


def test_a_provider_that_breaks_is_told_and_the_box_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(stage: Stage) -> None:
        def broken(ask: VolumeAsk) -> VolumeTold:
            raise ZeroDivisionError(ask.verb)

        provider = stage.providers.of("directory")
        monkeypatch.setattr(provider, "carry_out", broken)
        await stage.until(lambda: any(isinstance(e, VolumeWorkEnded) for e in stage.written()))
        (ended,) = [each for each in stage.written() if isinstance(each, VolumeWorkEnded)]
        assert (ended.fate, ended.detail) == ("unknown", "ZeroDivisionError: create")
        await stage.until(lambda: stage.log.follower.machine.state.volumes[VOLUME].failures == 1)
        assert not stage.manager.calls

    with_a_box(tmp_path, scenario)


def test_what_is_in_use_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_box, "MEASURE_EVERY_S", 0.02)

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: bool(stage.manager.calls))
        data = stage.root / "name-of-host1" / VOLUME / "data"
        (data / "big").write_bytes(b"x" * (3 << 20))
        await stage.until(lambda: stage.log.follower.machine.state.volumes[VOLUME].is_over_quota)
        assert any(isinstance(each, VolumeMeasured) for each in stage.written())

    with_a_box(tmp_path, scenario)


def test_only_measures_that_say_something_are_news(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    volume = stage.log.follower.machine.state.volumes[VOLUME]
    for before, now, is_said in (
        (-1, 0, True),
        (100, 100, False),
        (100, 104, False),
        (100, 105, True),
        (1, 2, True),
        (2, 1, True),
    ):
        assert is_news(replace(volume, used_mib=before), now) is is_said, (before, now)
