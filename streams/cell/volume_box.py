"""The volume box: works with volumes, which the fold has decided, are carried out and told.

The one thing to know: as with the outbox, nothing is done before `VolumeWorkStarted` was read back
in this epoch. Other than a call to Mesos, a work is begun again by whoever leads next: a provider
does the same number once. Works take long, so some go on beside each other; one volume has one.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from connectors.cancelling import TaskGroup
from connectors.ports import VolumeAsk, VolumeRefused, VolumeTold, VolumeUnsure
from connectors.volumes.opening import Providers
from scheduler.model.events import CellEvent
from scheduler.model.volumes import (
    VolumeId,
    VolumeMeasured,
    VolumeProvider,
    VolumeWorkEnded,
    VolumeWorkStarted,
)
from scheduler.state import State
from scheduler.volumes.standing import Volume, VolumeWork
from streams.cell.follower import Follower
from streams.cell.lead import Lead

logger = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 4
WORK_S: Final = 2 * 3_600.0
"""The longest works of providers have an hour for their longest step."""
MEASURE_EVERY_S: Final = 60.0
MEASURED_AT_ONCE_MAX: Final = 50
"""Volumes that are looked at in one pass, those of which least is known lately first."""
DETAIL_CHARACTERS_MAX: Final = 500
_OF_SNAPSHOT: Final = "snapshot:"


class VolumeBox:
    """Carries out the works of one leadership."""

    def __init__(self, lead: Lead, follower: Follower, providers: Providers) -> None:
        self._lead = lead
        self._follower = follower
        self._providers = providers
        self._busy: set[VolumeId] = set()
        """Volumes with which a thread is at work, also after nobody waits for it any more."""
        self._threads = ThreadPoolExecutor(AT_ONCE_MAX + 1, "volumes")
        self._measured: dict[VolumeId, None] = {}
        """In the order in which they were measured last."""

    async def run(self) -> None:
        """Carry out until cancelled, or until leadership is lost."""
        try:
            async with TaskGroup() as group:
                group.create_task(self._begin_all(group))
                group.create_task(self._measure_all())
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _begin_all(self, group: TaskGroup) -> None:
        version = -1
        while True:
            version = await self._follower.newer(version, self._lead.pace.tick_s)
            if self._lead.is_behind():
                continue
            waiting = self._waiting()[: max(0, AT_ONCE_MAX - len(self._busy))]
            if not waiting:
                continue
            await self._lead.write_and_read_back(
                [VolumeWorkStarted(volume_id, number) for volume_id, number in waiting]
            )
            for volume_id, number in waiting:
                started = self._started(volume_id, number)
                if started is not None:
                    self._busy.add(volume_id)
                    group.create_task(self._carry_out(*started))

    def _waiting(self) -> list[tuple[VolumeId, int]]:
        state = self._follower.machine.state
        found = []
        for volume_id in state.volume_works:
            work = state.volumes[volume_id].work
            assert work is not None
            if volume_id not in self._busy and work.started_epoch != self._lead.epoch:
                found.append((volume_id, work.number))
        return found

    def _started(self, volume_id: VolumeId, number: int) -> tuple[VolumeProvider, VolumeAsk] | None:
        """The work, if the fold took our word for it and nothing undid it."""
        if self._lead.is_behind():
            return None
        state = self._follower.machine.state
        volume = state.volumes.get(volume_id)
        work = volume.work if volume is not None else None
        if volume is None or work is None or work.number != number:
            return None
        if work.started_epoch != self._lead.epoch:
            return None
        return volume.provider, ask_of(state, volume, work)

    async def _carry_out(self, provider: VolumeProvider, ask: VolumeAsk) -> None:
        self._lead.check()
        ended = await self._outcome(provider, ask)
        if ended.fate != "done":
            logger.warning(
                "volume work failed",
                volume=ask.volume_id,
                verb=ask.verb,
                fate=ended.fate,
                detail=ended.detail,
            )
        await self._lead.write([ended])

    async def _outcome(self, provider: VolumeProvider, ask: VolumeAsk) -> VolumeWorkEnded:
        loop = asyncio.get_running_loop()
        doing = loop.run_in_executor(
            self._threads, lambda: self._providers.of(provider).carry_out(ask)
        )
        doing.add_done_callback(lambda _: self._busy.discard(ask.volume_id))
        try:
            async with asyncio.timeout(WORK_S):
                told = await asyncio.shield(doing)
        except VolumeRefused as error:
            return _failed(ask, "refused", str(error))
        except VolumeUnsure as error:
            return _failed(ask, "unknown", str(error))
        except TimeoutError:
            return _failed(ask, "unknown", f"it took longer than {WORK_S:.0f} s")
        except Exception as error:  # one volume's fault is not the cell's end, and is told
            logger.critical("volume work broke", page=True, volume=ask.volume_id, exc_info=error)
            return _failed(ask, "unknown", f"{type(error).__name__}: {error}")
        return _done(ask, told)

    async def _measure_all(self) -> None:
        """Look now and then how much is in volumes that are in use, and say what is news."""
        while True:
            await asyncio.sleep(MEASURE_EVERY_S)
            if self._lead.is_behind():
                continue
            state = self._follower.machine.state
            news: list[CellEvent] = []
            for volume in self._to_measure(state):
                used_mib = await self._used_mib(volume, ask_of(state, volume, None))
                if used_mib >= 0 and is_news(volume, used_mib):
                    news.append(VolumeMeasured(volume.volume_id, used_mib))
            if news and not self._lead.is_behind():
                await self._lead.write(news)

    def _to_measure(self, state: State) -> list[Volume]:
        used = [
            each
            for each in state.volumes.values()
            if each.attachment is not None and each.work is None and each.provider != "ebs"
        ]
        order = {volume_id: at for at, volume_id in enumerate(self._measured)}
        used.sort(key=lambda each: order.get(each.volume_id, -1))
        return used[:MEASURED_AT_ONCE_MAX]

    async def _used_mib(self, volume: Volume, ask: VolumeAsk) -> int:
        self._measured.pop(volume.volume_id, None)
        self._measured[volume.volume_id] = None
        while len(self._measured) > MEASURED_AT_ONCE_MAX * 200:
            del self._measured[next(iter(self._measured))]
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._threads, lambda: self._providers.of(volume.provider).used_mib(ask)
            )
        except (VolumeRefused, VolumeUnsure, OSError) as error:
            logger.warning("volume not measured", volume=volume.volume_id, why=str(error))
            return -1


def is_news(volume: Volume, used_mib: int) -> bool:
    """Whether a measure is worth an event: it crosses the quota, or differs by a twentieth."""
    if used_mib == volume.used_mib:
        return False
    if volume.used_mib < 0:
        return True
    limit = volume.size_mib
    if limit and (used_mib > limit) != (volume.used_mib > limit):
        return True
    return abs(used_mib - volume.used_mib) * 20 >= max(20, volume.used_mib)


def ask_of(state: State, volume: Volume, work: VolumeWork | None) -> VolumeAsk:
    """The work as its provider needs it; without one, what is needed to look at the volume."""
    argument = work.argument if work is not None else ""
    of_snapshot = argument.removeprefix(_OF_SNAPSHOT)
    is_snapshot = work is not None and work.verb == "snapshot"
    is_rolled_back = argument.startswith(_OF_SNAPSHOT)
    snapshot = of_snapshot if is_snapshot or is_rolled_back else ""
    references = {each.name: each.reference for each in volume.snapshots}
    host = volume.host
    if work is not None and work.verb in {"create", "attach", "detach"}:
        host = work.host
    return VolumeAsk(
        verb=work.verb if work is not None else "detach",
        volume_id=volume.volume_id,
        cell=state.cell,
        work=work.number if work is not None else 0,
        reference=volume.reference,
        host=host,
        target="" if snapshot else argument,
        instance_id=work.instance_id if work is not None else "",
        zone=work.zone if work is not None else volume.zone,
        size_mib=volume.size_mib,
        volume_class=volume.volume_class,
        snapshot=snapshot,
        snapshot_reference=references.get(snapshot, ""),
        archive=volume.archive,
    )


def _done(ask: VolumeAsk, told: VolumeTold) -> VolumeWorkEnded:
    return VolumeWorkEnded(
        volume_id=ask.volume_id,
        work=ask.work,
        fate="done",
        reference=told.reference,
        path=told.path,
        host=told.host,
        zone=told.zone,
        used_mib=told.used_mib,
    )


def _failed(ask: VolumeAsk, fate: str, detail: str) -> VolumeWorkEnded:
    is_refused = fate == "refused"
    text = detail[:DETAIL_CHARACTERS_MAX]
    return VolumeWorkEnded(
        ask.volume_id, ask.work, "refused" if is_refused else "unknown", detail=text
    )
