"""An evacuation, led: a region's services to other cells, packed, at a limited rate, and back.

The one thing to know: every step is asked for first and written down behind, and asking twice is
asking once. Who leads it may be killed anywhere and started again; it goes on where the records
end. The tasks of the region that is left are given up only when the receiver's run.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, Literal, Protocol

import msgspec
import orjson

from connectors.federation.cells import WRITE_S_MAX, Answer, Ask, Cells, Silent
from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.evacuations import Evacuation, folded, open_of
from connectors.federation.records import (
    CapacityChecked,
    ConfigurationSet,
    EvacuationBegan,
    EvacuationEnded,
    FederationRecord,
    JobReturned,
    JobShifted,
    ModeTurned,
    SourceEmptied,
)
from connectors.federation.routing import NoRoute, routed
from connectors.ports import ObjectStore
from scheduler.model.ids import JOB_ID_CHARACTERS_MAX
from streams.errors import OperatorError
from streams.federation.replication import Unread, active_jobs, replicas

Mode = Literal["failover", "normal"]
POLL_S: Final = 1.0
RUNNING_S_MAX: Final = 1_800.0
"""How long tasks of the receivers are waited for before the leader gives up, to be called again."""
ORIGIN: Final = "flumina.evacuated.job"
"""The attribute by which an evacuated job names the one that it stands for."""


class Records(Protocol):
    """Topic ``federation`` as an evacuation needs it: `streams.federation.journal.Journal`."""

    records: list[FederationRecord]
    configuration: Configuration | None

    async def append(self, *records: FederationRecord) -> None:
        """Write the records, durable and in order, and fold them."""
        ...

    async def catch_up(self) -> None:
        """Fold what others wrote since the last look."""
        ...


class Order(msgspec.Struct, frozen=True):
    """What an operator asks for."""

    region: str
    percent: int
    per_second: int
    actor: str
    why: str
    is_forced: bool = False


class Moved(msgspec.Struct, frozen=True):
    """A service of the region, as its own cell had it."""

    job_id: str
    source: str
    descriptor: dict[str, Any]
    minimum: int
    desired: int
    maximum: int

    @property
    def need(self) -> tuple[int, int]:
        """Processors in thousandths and MiB of memory of all tasks together."""
        resources = self.descriptor["container"]["resources"]
        cpu = round(float(resources.get("cpu", 1)) * 1_000)
        return cpu * self.desired, int(resources.get("memoryMB", 512)) * self.desired


class Leading:
    """Leads one region's evacuation; `go` returns when it has come to its end or was paused."""

    def __init__(
        self,
        journal: Records,
        cells: Cells,
        store: ObjectStore | None,
        *,
        now_ms: Callable[[], int],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``store``: where the replicas of a region that does not answer are."""
        self._journal = journal
        self._cells = cells
        self._store = store
        self._now_ms = now_ms
        self._pause = pause
        self._tell = tell

    @property
    def _configuration(self) -> Configuration:
        found = self._journal.configuration
        if found is None:
            raise OperatorError(
                "The federation has no configuration, so nobody knows which cells a region has.",
                "It was started with --cell-api only.",
                "Set one with regions: `flumina federation set FILE` (docs/federation.md).",
            )
        return found

    async def go(self, order: Order) -> Evacuation:
        """Begin or go on as ordered; the evacuation as it is then."""
        evacuation = open_of(self._journal.records, order.region)
        if evacuation is None:
            self._parties(order.region)
            name = f"{order.region}-{secrets.token_hex(4)}"
            began = EvacuationBegan(
                at_ms=self._now_ms(),
                evacuation=name,
                region=order.region,
                percent=order.percent,
                per_second=order.per_second,
                actor=order.actor,
                why=order.why,
            )
            await self._journal.append(began)
        while True:
            await self._journal.catch_up()
            evacuation = open_of(self._journal.records, order.region)
            if evacuation is None or evacuation.is_paused:
                return self._newest(order.region)
            if evacuation.is_going_back:
                await self._go_back(evacuation)
            elif evacuation.is_there:
                return evacuation
            else:
                await self._go_on(evacuation, order)

    def _newest(self, region: str) -> Evacuation:
        found = folded(self._journal.records).values()
        return [each for each in found if each.region == region][-1]

    def _parties(self, region: str) -> tuple[list[FederatedCell], list[FederatedCell]]:
        """The cells that are left, and those that may receive; raises `OperatorError`."""
        cells = self._configuration.cells
        left = [each for each in cells if each.region == region]
        receivers = [each for each in cells if each.region != region and not each.is_closed]
        if not left or not receivers:
            regions = ", ".join(sorted({each.region for each in cells if each.region})) or "none"
            raise OperatorError(
                f"Region {region!r} cannot be evacuated.",
                "No cell is in it." if not left else "No open cell is in another region.",
                f"Regions of the configuration are: {regions}.",
            )
        return left, receivers

    # There.

    async def _go_on(self, evacuation: Evacuation, order: Order) -> None:
        left, receivers = self._parties(evacuation.region)
        await self._set_closed(evacuation, is_closed=True)
        jobs = await self._services(left)
        wanted = self._to_shift(evacuation, jobs)
        if evacuation.checked is None or not evacuation.checked.is_enough:
            await self._check(evacuation, wanted, receivers, is_forced=order.is_forced)
        for cell in receivers:
            if evacuation.modes.get(cell.name) != "failover":
                await self._turn(evacuation, cell, "failover")
        for job in wanted:
            await self._shift(evacuation, job)
            await self._pause(job.desired / evacuation.per_second)
            await self._journal.catch_up()
            now = open_of(self._journal.records, evacuation.region)
            if now is None or now.is_paused or now.is_going_back:
                return
        if await self._all_run(evacuation):
            ended = EvacuationEnded(at_ms=self._now_ms(), evacuation=evacuation.name, is_back=False)
            await self._journal.append(ended)

    async def _services(self, left: Sequence[FederatedCell]) -> list[Moved]:
        """The region's services: from its cells, and from their replicas where those are silent."""
        found: list[Moved] = []
        for cell in left:
            try:
                jobs = await active_jobs(self._cells, cell, self._configuration.timeout_ms / 1_000)
                descriptors = {job_id: job["jobDescriptor"] for job_id, job in jobs.items()}
            except Unread as error:
                if self._store is None:
                    raise OperatorError(
                        f"The jobs of cell {cell.name} are not known: it {error}.",
                        "No replica of them was named.",
                        "Name the store of the replicas with --replica.",
                    ) from error
                kept = await asyncio.to_thread(replicas, self._store, cell)
                descriptors = {job_id: each.descriptor for job_id, each in kept.items()}
                self._tell(f"cell {cell.name} {error}; its replica has {len(kept)} jobs")
            found += [
                moved
                for job_id, descriptor in sorted(descriptors.items())
                if (moved := _moved(job_id, cell.name, descriptor)) is not None
            ]
        return found

    def _to_shift(self, evacuation: Evacuation, jobs: Sequence[Moved]) -> list[Moved]:
        """What is still to be shifted: the largest first, until the percentage is reached."""
        there = evacuation.tasks_away
        waiting = [each for each in jobs if each.job_id not in evacuation.shifted and each.desired]
        total = there + sum(each.desired for each in waiting)
        chosen: list[Moved] = []
        for job in sorted(waiting, key=lambda each: (-each.desired, each.job_id)):
            if there * 100 >= total * evacuation.percent:
                break
            chosen.append(job)
            there += job.desired
        return chosen

    async def _check(
        self,
        evacuation: Evacuation,
        wanted: Sequence[Moved],
        receivers: Sequence[FederatedCell],
        *,
        is_forced: bool,
    ) -> None:
        """Whether the receivers have room, by what their hosts offer; raises `OperatorError`."""
        free_cpu = free_memory = 0
        unknown = []
        for cell in receivers:
            state = _json(await self._ask(cell, Ask("GET", "/api/flumina/state")))
            free_cpu += sum(host["offeredCpuMilli"] for host in state["hosts"])
            free_memory += sum(host["offeredMemoryMib"] for host in state["hosts"])
            if state.get("isSuppressed"):
                unknown.append(cell.name)
        cpu, memory = (sum(each.need[index] for each in wanted) for index in (0, 1))
        is_enough = cpu <= free_cpu and memory <= free_memory
        checked = CapacityChecked(
            at_ms=self._now_ms(),
            evacuation=evacuation.name,
            tasks=sum(each.desired for each in wanted),
            needed_cpu_milli=cpu,
            needed_memory_mib=memory,
            free_cpu_milli=free_cpu,
            free_memory_mib=free_memory,
            is_enough=is_enough,
            unknown=tuple(unknown),
            is_forced=is_forced,
        )
        await self._journal.append(checked)
        if not is_enough and not is_forced:
            raise OperatorError(
                f"The receivers have too little room: {checked.tasks} tasks want {cpu / 1000:g} "
                f"processors and {memory} MiB, and hosts offer {free_cpu / 1000:g} and "
                f"{free_memory} MiB.",
                f"Nothing waited in {', '.join(unknown)}, so their offers were given back and what "
                "they have is not known."
                if unknown
                else "Hosts are full, or too few.",
                "Grow the receivers, evacuate a smaller percentage, or go on with --force: what "
                "finds no room waits in the receivers' queues.",
            )

    async def _turn(self, evacuation: Evacuation, cell: FederatedCell, mode: Mode) -> None:
        body = {"mode": mode, "why": f"evacuation {evacuation.name}: {evacuation.why}"}
        await self._write(evacuation, cell, "POST", "/api/flumina/commands/rules", body=body)
        turned = ModeTurned(
            at_ms=self._now_ms(), evacuation=evacuation.name, cell=cell.name, mode=mode
        )
        await self._journal.append(turned)
        self._tell(f"cell {cell.name} places in mode {mode}")

    async def _shift(self, evacuation: Evacuation, job: Moved) -> None:
        given = self._configuration
        try:
            where = routed(given, _free_to_go(job.descriptor))
        except NoRoute as error:
            self._tell(f"{job.job_id} stays: {error}")
            return
        receiver = given.cell(where.cell)
        assert receiver is not None
        attributes = {**job.descriptor.get("attributes", {}), ORIGIN: job.job_id}
        descriptor = {**job.descriptor, "attributes": attributes}
        query = (("jobId", name_there(evacuation, job.job_id)),)
        path = "/api/v3/jobs"
        await self._write(evacuation, receiver, "POST", path, query=query, body=descriptor)
        shifted = JobShifted(
            at_ms=self._now_ms(),
            evacuation=evacuation.name,
            job_id=job.job_id,
            source=job.source,
            receiver=receiver.name,
            tasks=job.desired,
            minimum=job.minimum,
            desired=job.desired,
            maximum=job.maximum,
        )
        await self._journal.append(shifted)
        self._tell(f"{job.job_id}: {job.desired} tasks to {receiver.name}")

    async def _all_run(self, evacuation: Evacuation) -> bool:
        """Give up the region's own tasks of each job whose receiver runs; False: paused."""
        waited_s = 0.0
        while True:
            await self._journal.catch_up()
            now = open_of(self._journal.records, evacuation.region)
            if now is None or now.is_paused or now.is_going_back:
                return False
            waiting = [
                each
                for job_id, each in now.shifted.items()
                if job_id not in now.emptied and job_id not in now.returned
            ]
            left = [each for each in waiting if not await self._emptied(now, each)]
            if not left:
                return True
            if waited_s >= RUNNING_S_MAX:
                raise OperatorError(
                    f"{len(left)} of {len(now.shifted)} jobs do not run at their receiver yet, "
                    f"{left[0].job_id} first.",
                    "It has no room, or their tasks do not start there.",
                    "Look at `flumina why`, and call the command again: it goes on from here.",
                )
            await self._pause(POLL_S)
            waited_s += POLL_S

    async def _emptied(self, evacuation: Evacuation, shifted: JobShifted) -> bool:
        receiver = self._cell(shifted.receiver)
        there = name_there(evacuation, shifted.job_id)
        if await self._running(receiver, there) < shifted.desired:
            return False
        try:
            await self._size(evacuation, shifted, minimum=0, desired=0)
        except _NoAnswer:
            # A region that is gone has nothing to be given up; what comes back is ended then.
            silent = shifted.source
            self._tell(f"{shifted.job_id} runs at {receiver.name}; {silent} does not answer")
        emptied = SourceEmptied(
            at_ms=self._now_ms(), evacuation=evacuation.name, job_id=shifted.job_id
        )
        await self._journal.append(emptied)
        return True

    # Back.

    async def _go_back(self, evacuation: Evacuation) -> None:
        for job_id, shifted in reversed(list(evacuation.shifted.items())):
            if job_id in evacuation.returned:
                continue
            if not await self._returned(evacuation, shifted):
                return  # Paused.
        for name, mode in evacuation.modes.items():
            if mode == "failover":
                await self._turn(evacuation, self._cell(name), "normal")
        await self._set_closed(evacuation, is_closed=False)
        ended = EvacuationEnded(at_ms=self._now_ms(), evacuation=evacuation.name, is_back=True)
        await self._journal.append(ended)

    async def _returned(self, evacuation: Evacuation, shifted: JobShifted) -> bool:
        source, waited_s = self._cell(shifted.source), 0.0
        await self._size(evacuation, shifted, minimum=shifted.minimum, desired=shifted.desired)
        while await self._running(source, shifted.job_id) < shifted.desired:
            await self._journal.catch_up()
            now = open_of(self._journal.records, evacuation.region)
            if now is None or now.is_paused:
                return False
            if waited_s >= RUNNING_S_MAX:
                raise OperatorError(
                    f"{shifted.job_id} does not run in {shifted.source} yet.",
                    "The region has no room, or its tasks do not start.",
                    "Look at `flumina why`, and call the command again: it goes on from here.",
                )
            await self._pause(POLL_S)
            waited_s += POLL_S
        path = f"/api/v3/jobs/{name_there(evacuation, shifted.job_id)}"
        query = (("why", f"evacuation {evacuation.name} goes back"),)
        receiver = self._cell(shifted.receiver)
        await self._write(evacuation, receiver, "DELETE", path, query=query, is_gone_fine=True)
        returned = JobReturned(
            at_ms=self._now_ms(), evacuation=evacuation.name, job_id=shifted.job_id
        )
        await self._journal.append(returned)
        self._tell(f"{shifted.job_id} is back in {shifted.source}")
        await self._pause(shifted.desired / evacuation.per_second)
        return True

    # Asking cells.

    async def _size(
        self, evacuation: Evacuation, shifted: JobShifted, *, minimum: int, desired: int
    ) -> None:
        path = f"/api/v3/jobs/{shifted.job_id}/capacityAttributes"
        query = (("why", f"evacuation {evacuation.name}"),)
        body = {"min": minimum, "desired": desired}
        source = self._cell(shifted.source)
        await self._write(evacuation, source, "PUT", path, query=query, body=body)

    async def _running(self, cell: FederatedCell, job_id: str) -> int:
        query = (("jobIds", job_id), ("taskStates", "Started"), ("pageSize", "1"))
        try:
            answer = await self._ask(cell, Ask("GET", "/api/v3/tasks", query))
        except _NoAnswer:
            return 0
        total: int = _json(answer)["pagination"]["totalItems"]
        return total

    async def _set_closed(self, evacuation: Evacuation, *, is_closed: bool) -> None:
        """Let the region's cells get no new jobs, or get them again."""
        given = self._configuration
        cells = tuple(
            msgspec.structs.replace(each, is_closed=is_closed)
            if each.region == evacuation.region
            else each
            for each in given.cells
        )
        if cells == given.cells:
            return
        made = msgspec.structs.replace(given, cells=cells, version=given.version + 1)
        record = ConfigurationSet(
            at_ms=self._now_ms(),
            configuration=made,
            actor=evacuation.actor,
            why=f"evacuation {evacuation.name}",
        )
        await self._journal.append(record)

    async def _write(
        self,
        evacuation: Evacuation,
        cell: FederatedCell,
        method: str,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        body: Mapping[str, Any] | None = None,
        is_gone_fine: bool = False,
    ) -> None:
        """Have the cell take a request; it is sent until it is folded, for it is the same twice."""
        headers = {"X-Flumina-Actor": evacuation.actor}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else orjson.dumps(body)
        answer = await self._ask(cell, Ask(method, path, query, headers, data))
        if answer.status >= 400 and not (is_gone_fine and answer.status in {404, 409, 412}):
            said = _json(answer)
            raise OperatorError(
                f"Cell {cell.name} refused {method} {path}: {said.get('message', answer.status)}.",
                str(said.get("errorDetails", "")),
                "Put it right and call the command again: it goes on from here.",
            )

    async def _ask(self, cell: FederatedCell, ask: Ask) -> Answer:
        answer = await self._cells.ask(cell, ask, WRITE_S_MAX)
        if isinstance(answer, Silent) or answer.status == 503:
            raise _NoAnswer(cell, answer)
        return answer

    def _cell(self, name: str) -> FederatedCell:
        found = self._configuration.cell(name)
        if found is None:
            raise OperatorError(
                f"Cell {name} is in the evacuation, and not in the configuration any more.",
                "The configuration was set without it meanwhile.",
                "Set one that has it.",
            )
        return found


class _NoAnswer(OperatorError):
    def __init__(self, cell: FederatedCell, answer: Answer | Silent) -> None:
        why = answer.why if isinstance(answer, Silent) else "takes no requests now"
        super().__init__(
            f"Cell {cell.name} {why}.",
            "It is down, has no leader, or cannot be reached from here.",
            "Call the command again: it goes on from here.",
        )


def name_there(evacuation: Evacuation, job_id: str) -> str:
    """What a job is called at its receiver: a name that no earlier evacuation has used."""
    tail = f"-{evacuation.name.rpartition('-')[2]}"
    if len(job_id) + len(tail) > JOB_ID_CHARACTERS_MAX:
        # Long names that begin alike stay apart by a digest of the whole.
        tail = f"-{blake2b(job_id.encode(), digest_size=4).hexdigest()}{tail}"
    return job_id[: JOB_ID_CHARACTERS_MAX - len(tail)] + tail


def _moved(job_id: str, cell: str, descriptor: dict[str, Any]) -> Moved | None:
    """The job as a service to be moved; None for any other kind."""
    service = descriptor.get("service")
    if not isinstance(service, dict):
        return None
    size = service.get("capacity", {})
    return Moved(
        job_id, cell, descriptor, size.get("min", 0), size.get("desired", 0), size.get("max", 0)
    )


def _free_to_go(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """The descriptor without the cell that it asked for, which is the one that is left."""
    attributes = {
        name: value
        for name, value in descriptor.get("attributes", {}).items()
        if name != "flumina.cell.request"
    }
    return {**descriptor, "attributes": attributes}


def _json(answer: Answer) -> dict[str, Any]:
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
