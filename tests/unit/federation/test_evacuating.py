"""An evacuation over real APIs: by percent, paused, led on after its leader's death, and back.

Also with a region that is gone, from the replicas of its jobs; and refused for want of room.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.federation.cells import Cells
from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.evacuations import Evacuation, folded
from connectors.federation.records import (
    CapacityChecked,
    EvacuationTurned,
    JobShifted,
)
from connectors.objects.directory import DirectoryStore
from scheduler.model.task import Started
from streams.errors import OperatorError
from streams.federation.evacuating import Leading, Order
from streams.federation.replication import Replicator, last_heartbeat, prefix_of, replicas
from streams.kafka.ports import free_ports
from tests.support.federated import Federation, JournalInMemory, federation, work

SIZES = {"large": 4, "middle": 2, "small": 1}


class Regions:
    """Cell ``one`` in the east with three services, cell ``two`` in the west, and a journal."""

    def __init__(self, there: Federation) -> None:
        self.there = there
        first, second = there.configuration.cells[:2]
        self.east = msgspec.structs.replace(first, region="east")
        self.west = msgspec.structs.replace(second, region="west")
        configuration = Configuration(cells=(self.east, self.west), default="one")
        there.configuration = configuration
        self.journal = JournalInMemory(configuration)
        self.cells = Cells()
        self.pauses = 0
        self.on_pause: Callable[[int], None] = lambda _: None
        self.store: DirectoryStore | None = None

    async def pause(self, _: float) -> None:
        """Time in which hosts work, and in which the test does something."""
        self.pauses += 1
        for each in self.there.cells.values():
            work(each)
        self.on_pause(self.pauses)

    async def go(self, percent: int = 100, *, is_forced: bool = False) -> Evacuation:
        """One life of the leader."""
        leading = Leading(self.journal, self.cells, self.store, now_ms=lambda: 1, pause=self.pause)
        order = Order("east", percent, 100, "op", "a test", is_forced=is_forced)
        return await leading.go(order)

    async def turn(self, word: Any, percent: int = 100) -> None:
        """What an operator orders from elsewhere."""
        name = next(iter(folded(self.journal.records)))
        turned = EvacuationTurned(
            at_ms=1, evacuation=name, order=word, percent=percent, actor="op", why="a test"
        )
        await self.journal.append(turned)

    def running(self, cell: str) -> dict[str, int]:
        """Started tasks by job, of jobs that have any; without the evacuation's own tail."""
        counts: dict[str, int] = {}
        for task in self.there.cells[cell].cell.state.tasks.values():
            if isinstance(task.state, Started):
                name = task.job_id.partition("-")[0]
                counts[name] = counts.get(name, 0) + 1
        return counts

    def mode(self, cell: str) -> str:
        return self.there.cells[cell].cell.state.policy.placement.mode


def run(test: Callable[[Regions], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with federation() as there:
            regions = Regions(there)
            for name, size in SIZES.items():
                await there.submit(name, size=size, X_Flumina_Cell="one")
            work(there.cells["one"])
            try:
                await test(regions)
            finally:
                await regions.cells.close()

    asyncio.run(inside())


def test_a_region_goes_by_percent_and_comes_back() -> None:
    async def test(regions: Regions) -> None:
        assert regions.running("one") == SIZES
        found = await regions.go(50)
        assert (found.state, found.tasks_away) == ("there", 4)
        assert regions.running("one") == {"middle": 2, "small": 1}
        assert regions.running("two") == {"large": 4}
        assert regions.mode("two") == "failover"
        assert regions.journal.configuration is not None
        assert [each.is_closed for each in regions.journal.configuration.cells] == [True, False]
        await regions.turn("resume", 100)
        found = await regions.go(100)
        assert (found.state, found.tasks_away) == ("there", 7)
        assert regions.running("one") == {}
        assert regions.running("two") == SIZES
        await regions.turn("failback")
        found = await regions.go()
        assert (found.state, found.tasks_away) == ("back", 0)
        await regions.pause(0)
        assert regions.running("one") == SIZES
        assert regions.running("two") == {}
        assert regions.mode("two") == "normal"
        assert not any(each.is_closed for each in regions.journal.configuration.cells)

    run(test)


def test_a_leader_that_dies_anywhere_is_followed_by_one_that_goes_on() -> None:
    class Died(Exception):
        """The leader is gone."""

    async def test(regions: Regions) -> None:
        def die(count: int) -> None:
            raise Died(str(count))

        regions.on_pause = die
        for _ in range(30):
            try:
                found = await regions.go()
                break
            except Died:
                continue
        assert (found.state, found.tasks_away) == ("there", 7)
        shifted = [each for each in regions.journal.records if isinstance(each, JobShifted)]
        assert sorted(each.job_id for each in shifted) == sorted(SIZES)
        assert regions.running("two") == SIZES
        assert len(folded(regions.journal.records)) == 1

    run(test)


def test_a_pause_ends_the_leader_behind_the_present_job() -> None:
    async def test(regions: Regions) -> None:
        waiting: list[asyncio.Task[None]] = []

        def stop(count: int) -> None:
            if count == 1:
                waiting.append(asyncio.ensure_future(regions.turn("pause")))

        regions.on_pause = stop
        found = await regions.go()
        while found.state != "paused":
            found = await regions.go()
        assert 0 < found.tasks_away < 7
        regions.on_pause = lambda _: None
        assert (await regions.go()).state == "paused", "a pause holds until somebody ends it"
        await regions.turn("resume")
        assert (await regions.go()).tasks_away == 7

    run(test)


def test_a_region_that_is_gone_is_evacuated_from_its_replicas(tmp_path: Path) -> None:
    async def test(regions: Regions) -> None:
        store = DirectoryStore(tmp_path)
        keeping = Replicator(lambda: regions.there.configuration, regions.cells, store, lambda: 77)
        beat = await keeping.one_round(regions.east)
        assert (beat.jobs, beat.at_ms) == (3, 77)
        assert last_heartbeat(store, regions.east) == beat
        regions.store = store
        gone = FederatedCell("one", f"http://127.0.0.1:{free_ports(1)[0]}", "east")
        regions.journal = JournalInMemory(Configuration(cells=(gone, regions.west), default="one"))
        found = await regions.go()
        assert (found.state, found.tasks_away) == ("there", 7)
        assert regions.running("two") == SIZES

    run(test)


def test_without_replicas_a_silent_region_is_refused() -> None:
    async def test(regions: Regions) -> None:
        gone = FederatedCell("one", f"http://127.0.0.1:{free_ports(1)[0]}", "east")
        regions.journal = JournalInMemory(Configuration(cells=(gone, regions.west), default="one"))
        with pytest.raises(OperatorError, match="No replica of them was named"):
            await regions.go()

    run(test)


def test_too_little_room_is_refused_until_an_operator_insists() -> None:
    async def test(regions: Regions) -> None:
        await regions.there.submit("huge", size=100, X_Flumina_Cell="one")
        with pytest.raises(OperatorError, match="too little room"):
            await regions.go()
        checked = [each for each in regions.journal.records if isinstance(each, CapacityChecked)]
        assert [each.is_enough for each in checked] == [False]
        assert regions.mode("two") == "normal", "nothing was done"
        regions.on_pause = _stop_at(regions, 1)
        found = await regions.go(is_forced=True)
        assert found.checked is not None
        assert found.checked.is_forced
        assert regions.mode("two") == "failover"
        # What runs nowhere else is not given up in its own region.
        assert set(regions.running("one")) >= {"huge"}

    run(test)


def _stop_at(regions: Regions, count: int) -> Callable[[int], None]:
    def stop(number: int) -> None:
        if number == count:
            regions.kept = asyncio.ensure_future(regions.turn("pause"))  # type: ignore[attr-defined]

    return stop


def test_what_changed_is_kept_anew_and_what_ended_is_let_go(tmp_path: Path) -> None:
    async def test(regions: Regions) -> None:
        store = DirectoryStore(tmp_path)
        keeping = Replicator(lambda: regions.there.configuration, regions.cells, store, lambda: 1)
        await keeping.one_round(regions.east)
        keys = [each.key for each in store.facts(prefix_of(regions.east))]
        await keeping.one_round(regions.east)
        assert [each.key for each in store.facts(prefix_of(regions.east))] == keys
        await regions.there.ask("DELETE", "/api/v3/jobs/small?why=enough")
        body = {"desired": 3}
        path = "/api/v3/jobs/middle/capacityAttributes"
        await regions.there.ask("PUT", path, body, X_Flumina_Cell="one")
        work(regions.there.cells["one"])
        # Another process of ours goes on from what is there.
        keeping = Replicator(lambda: regions.there.configuration, regions.cells, store, lambda: 2)
        await keeping.one_round(regions.east)
        found = replicas(store, regions.east)
        assert set(found) == {"large", "middle"}
        capacity = found["middle"].descriptor["service"]["capacity"]
        assert capacity["desired"] == 3

    run(test)
