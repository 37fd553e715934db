"""What was held of a cell between two instants: reserved amounts times time, in whole numbers.

The one thing to know: a task holds what its job asked for from the moment its launch has left the
cell until the log says that it ended, whether it used it or not. Time is the log's own clock. Sums
are of thousandths, MiB and milliseconds, and nothing is rounded: the parts of any split of a
stretch of time add up to the whole, exactly.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from scheduler.model.changes import Change, TaskChanged
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import Placed, is_on_host
from scheduler.state import State
from scheduler.versions import spec_of

By = Literal["owner", "app", "group", "job"]

HOLDING: Final = frozenset(
    ("Launched", "StartInitiated", "Started", "Disconnected", "KillInitiated")
)
"""States in which a task holds what it asked for."""
HOUR_MS: Final = 3_600_000


class Account(NamedTuple):
    """Who pays: a job, and what it is counted under."""

    owner: str
    app: str
    group: str
    job: JobId


class Held(NamedTuple):
    """Amounts times milliseconds; sums of them are exact."""

    tasks: int = 0
    """Tasks that held something, each in as many stretches as it was launched."""
    task_ms: int = 0
    cpu_milli_ms: int = 0
    memory_mib_ms: int = 0
    gpu_milli_ms: int = 0

    def plus(self, other: "Held") -> "Held":
        """The sum of both."""
        return Held(*map(int.__add__, self, other))


class _Open(NamedTuple):
    account: Account
    since_ms: int
    cpu_milli: int
    memory_mib: int
    gpu_milli: int


class Ledger:
    """Counts while a machine folds from one instant to another."""

    def __init__(self, from_ms: int) -> None:
        self.from_ms = from_ms
        self._open: dict[TaskId, _Open] = {}
        self._held: dict[Account, Held] = {}

    def begin(self, state: State) -> "Ledger":
        """Count on from this state, in which tasks hold something already; this."""
        for task_id, task in state.tasks.items():
            if is_on_host(task.state) and not isinstance(task.state, Placed):
                self._began(state, task_id, task.job_id, self.from_ms)
        return self

    def take(self, state: State, changes: Iterable[tuple[int, Change]]) -> None:
        """Take in what one record changed; ``state`` is the one after it."""
        now_ms = max(state.clock.now_ms, self.from_ms)
        for _, change in changes:
            if type(change) is not TaskChanged:
                continue
            was = self._open.get(change.task_id)
            is_held = change.state in HOLDING
            if was is not None and (not is_held or was.account.job != change.job_id):
                self._ended(change.task_id, was, now_ms)
                was = None
            if is_held and was is None:
                self._began(state, change.task_id, change.job_id, now_ms)

    def _began(self, state: State, task_id: TaskId, job_id: JobId, at_ms: int) -> None:
        job, task = state.jobs.get(job_id), state.tasks.get(task_id)
        if job is None or task is None:
            return  # Begun, ended and forgotten within one record, which is no time at all.
        spec = spec_of(job, task)  # A job that is updated has tasks of several sizes.
        need = spec.container.need
        account = Account(spec.owner_email, spec.application_name, spec.capacity_group, job_id)
        gpu_milli = need.gpus * 1_000 + need.gpu_milli
        self._open[task_id] = _Open(account, at_ms, need.cpu_milli, need.memory_mib, gpu_milli)

    def _ended(self, task_id: TaskId, was: _Open, at_ms: int) -> None:
        del self._open[task_id]
        self._count(self._held, was, at_ms)

    @staticmethod
    def _count(held: dict[Account, Held], was: _Open, at_ms: int) -> None:
        ms = max(0, at_ms - was.since_ms)
        amounts = (was.cpu_milli, was.memory_mib, was.gpu_milli)
        one = Held(1, ms, *(each * ms for each in amounts))
        held[was.account] = held.get(was.account, Held()).plus(one)

    def until(self, to_ms: int) -> dict[Account, Held]:
        """What was held by each job up to this instant, by what was taken in so far."""
        held = dict(self._held)
        for was in self._open.values():
            self._count(held, was, to_ms)
        return held


class CostRow(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What one owner, application, group or job held."""

    name: str
    tasks: int
    task_hours: float
    cpu_hours: float
    """Of whole cpus."""
    memory_gib_hours: float
    gpu_hours: float
    cpu_milli_ms: int
    """The same exactly: thousandths of a cpu times milliseconds; MiB and thousandths of devices."""
    memory_mib_ms: int
    gpu_milli_ms: int
    owner: str = ""
    """Of a job, as are the next two."""
    app: str = ""
    group: str = ""


class Costs(msgspec.Struct, frozen=True, rename="camel"):
    """What was held between two instants, the dearest first."""

    from_ms: int
    to_ms: int
    by: By
    items: tuple[CostRow, ...]
    total: CostRow
    dropped: int = 0
    """Rows that are not in ``items``; ``total`` counts them."""


def costs(
    held: dict[Account, Held], by: By, from_ms: int, to_ms: int, rows_max: int | None = None
) -> Costs:
    """What was held, summed up by one name of the accounts."""
    sums: dict[str, Held] = {}
    accounts: dict[str, Account] = {}
    for account in sorted(held):
        name = str(getattr(account, by))
        sums[name] = sums.get(name, Held()).plus(held[account])
        accounts[name] = account
    rows = [_row(name, sums[name], accounts[name] if by == "job" else None) for name in sums]
    rows.sort(key=lambda each: (-each.cpu_milli_ms, -each.memory_mib_ms, each.name))
    return Costs(
        from_ms,
        to_ms,
        by,
        tuple(rows[:rows_max]),
        _row("", summed(held.values())),
        max(0, len(rows) - (len(rows) if rows_max is None else rows_max)),
    )


def summed(parts: Iterable[Held]) -> Held:
    """The sum of all parts."""
    total = Held()
    for each in parts:
        total = total.plus(each)
    return total


def together(parts: Sequence[Costs]) -> Costs:
    """The costs of several cells as one: rows of one name are added up."""
    rows: dict[str, list[CostRow]] = {}
    for part in parts:
        for each in part.items:
            rows.setdefault(each.name, []).append(each)
    items = sorted(
        map(_added, rows.values()),
        key=lambda each: (-each.cpu_milli_ms, -each.memory_mib_ms, each.name),
    )
    return Costs(
        min(each.from_ms for each in parts),
        max(each.to_ms for each in parts),
        parts[0].by,
        tuple(items),
        _added([each.total for each in parts]),
        sum(each.dropped for each in parts),
    )


def _added(rows: Sequence[CostRow]) -> CostRow:
    cpu = sum(each.cpu_milli_ms for each in rows)
    memory = sum(each.memory_mib_ms for each in rows)
    gpu = sum(each.gpu_milli_ms for each in rows)
    return msgspec.structs.replace(
        rows[0],
        tasks=sum(each.tasks for each in rows),
        task_hours=round(sum(each.task_hours for each in rows), 6),
        cpu_hours=_hours(cpu, 1_000),
        memory_gib_hours=_hours(memory, 1_024),
        gpu_hours=_hours(gpu, 1_000),
        cpu_milli_ms=cpu,
        memory_mib_ms=memory,
        gpu_milli_ms=gpu,
    )


def _row(name: str, held: Held, account: Account | None = None) -> CostRow:
    return CostRow(
        name,
        held.tasks,
        _hours(held.task_ms, 1),
        _hours(held.cpu_milli_ms, 1_000),
        _hours(held.memory_mib_ms, 1_024),
        _hours(held.gpu_milli_ms, 1_000),
        held.cpu_milli_ms,
        held.memory_mib_ms,
        held.gpu_milli_ms,
        *((account.owner, account.app, account.group) if account else ()),
    )


def _hours(amount_ms: int, unit: int) -> float:
    return round(amount_ms / unit / HOUR_MS, 6)


COLUMNS: Final[Sequence[str]] = CostRow.__struct_encode_fields__
"""The columns of a table of costs, as JSON, CSV and Parquet name them."""
