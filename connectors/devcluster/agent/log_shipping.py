"""What the agent's tasks write, on its way to the store, in a thread of the agent.

The one thing to know: it needs nothing of the agent but to be told which tasks run. What it has
done is on disk below ``task-logs`` of the agent's directory, so it goes on after the agent was
killed; and what it does may fail, for minutes or for good, without any task or the agent minding:
the store is asked again, ever more seldom, and the bytes wait on the host.
"""

import functools
import random
import threading
import time
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from connectors.devcluster.agent.model import LocalTask, Phase
from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.node import log, write_atomically
from connectors.objects.opening import open_store
from connectors.ports import ObjectStore, StoreFailed
from connectors.tasklogs.host_client import (
    BYTES_MAX,
    KIND_HEADER,
    NEXT_HEADER,
    OFFSET_HEADER,
    PATH,
    SIZE_HEADER,
    UNKNOWN,
    WHY_HEADER,
)
from connectors.tasklogs.limits import MIB, Limits
from connectors.tasklogs.shipper import Kept, TaskFacts, TaskShipper
from connectors.tasklogs.stream import Piece
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.reading.bad_bytes import BAD_BYTES

LOOK_S: Final = 0.5
RETRY_S_MAX: Final = 60.0
FRAMEWORK_PREFIX: Final = "flumina-"
"""A cell's framework is called so; the tasks of others are not ours to keep."""


class LogShipping:
    """Ships the output of an agent's tasks; answers who follows it."""

    def __init__(self, home: Path, host: str, store: ObjectStore, limits: Limits) -> None:
        self._folder = home / "task-logs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._host = host
        self._store = store
        self._limits = limits
        self._lock = threading.Lock()
        self._shippers: dict[str, TaskShipper] = {}
        self._running: frozenset[str] | None = None
        self._failures = 0
        self._ask_again_at_s = 0.0
        self._resting_until_s: dict[str, float] = {}
        """Tasks whose files cannot be dealt with, by no fault of the store."""
        self._restore()

    def _restore(self) -> None:
        """Go on with what was not complete when the last process ended."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                kept = msgspec.json.decode(path.read_bytes(), type=Kept)
            except (OSError, *BAD_BYTES) as error:
                # Without it the task's output cannot be joined; the sandbox still has it.
                log("the state of a task's log cannot be read", path=path, error=error)
                path.rename(path.with_suffix(".unreadable"))
                continue
            self._shippers[kept.facts.run] = self._shipper(kept)

    def _shipper(self, kept: Kept) -> TaskShipper:
        path = self._folder / f"{kept.facts.run}.json"
        return TaskShipper(kept, functools.partial(write_atomically, path), self._limits)

    # Told by the agent

    def began(self, task: LocalTask, framework_name: str, sandbox: Path) -> None:
        """Keep what this task writes from now on; its sandbox is made."""
        job_id = job_id_of(TaskId(task.task_id))
        if job_id is None or not framework_name.startswith(FRAMEWORK_PREFIX):
            return
        facts = TaskFacts(
            cell=framework_name.removeprefix(FRAMEWORK_PREFIX),
            job_id=job_id,
            task_id=task.task_id,
            framework_id=task.framework_id,
            run=task.container_id,
            host=self._host,
            sandbox=str(sandbox),
        )
        kept = Kept(facts)
        write_atomically(self._folder / f"{facts.run}.json", msgspec.json.encode(kept))
        if self._running is not None:
            self._running |= {facts.run}
        with self._lock:
            self._shippers[facts.run] = self._shipper(kept)

    def follow(self, state: AgentState) -> None:
        """Learn which tasks run; the others have ended, once the agent has recovered its own."""
        if state.recovering():
            return
        tasks = state.tasks.values()
        self._running = frozenset(t.container_id for t in tasks if t.phase is not Phase.ENDED)

    # The thread

    def begin(self) -> None:
        """Ship until the process ends."""
        threading.Thread(target=self._run, name="log-shipping", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_S)
            self.step()

    def _is_ended(self, run: str) -> bool:
        running = self._running
        return running is not None and run not in running

    def step(self) -> None:
        """Look at every task once, and ship what is due."""
        with self._lock:
            shippers = list(self._shippers.items())
        is_asked = time.monotonic() >= self._ask_again_at_s
        for run, shipper in shippers:
            if time.monotonic() < self._resting_until_s.get(run, 0.0):
                continue
            # Before the look: what it wrote at last is there when it is known to have ended.
            is_ended = self._is_ended(run)
            now_ms = _now_ms()
            try:
                shipper.look(now_ms, is_ended=is_ended)
                if is_asked:
                    shipper.ship(self._store, now_ms, is_ended=is_ended)
                    self._failures = 0
            except StoreFailed as error:
                is_asked = False
                self._back_off(error)
            except Exception as error:  # noqa: BLE001 - one task's files must not end the others'
                log("a task's log was not shipped", run=run, error=repr(error))
                self._resting_until_s[run] = time.monotonic() + RETRY_S_MAX
            if shipper.is_complete:
                self._forget(run, shipper)

    def _back_off(self, error: Exception) -> None:
        """Ask the store again later: twice as late each time, and not all agents at once."""
        wait_s = min(RETRY_S_MAX, 2.0**self._failures) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
        self._failures = min(self._failures + 1, 10)
        self._ask_again_at_s = time.monotonic() + wait_s
        log("the store of task logs fails; asked again", in_s=round(wait_s, 1), error=error)

    def _forget(self, run: str, shipper: TaskShipper) -> None:
        with self._lock:
            del self._shippers[run]
        self._resting_until_s.pop(run, None)
        shipper.close()
        (self._folder / f"{run}.json").unlink(missing_ok=True)

    # Who follows

    def routes(self) -> list[Route]:
        """The HTTP routes."""
        return [Route(PATH, self._read)]

    def _piece(
        self, shipper: TaskShipper, name: str, offset: int | None, count: int
    ) -> Piece | None:
        piece = shipper.read(name, offset, count)
        if piece is not None and (piece.data or piece.kind != "bytes"):
            return piece
        # Not found yet, or at its end as it was seen last: what is there this moment?
        try:
            shipper.look(_now_ms(), is_ended=self._is_ended(shipper.facts.run))
        except OSError as error:
            log("a task's files cannot be looked at", task=shipper.facts.task_id, error=error)
        return shipper.read(name, offset, count)

    def _read(self, request: Request) -> Response:
        """A piece of a file, by the offsets of the stream; the file is looked up, never opened."""
        query = request.query_params
        offset = _number(query.get("offset"))
        count = _number(query.get("length")) or BYTES_MAX
        name, asked = query.get("file", ""), (query.get("framework_id"), query.get("task_id"))
        with self._lock:
            found = [
                each
                for each in self._shippers.values()
                if (each.facts.framework_id, each.facts.task_id) == asked
            ]
        piece = self._piece(found[-1], name, offset, min(count, BYTES_MAX)) if found else None
        if piece is None:
            text = "This agent ships no file of this name of this task (any more).\n"
            return PlainTextResponse(text, 404, {KIND_HEADER: UNKNOWN})
        headers = {
            KIND_HEADER: piece.kind,
            OFFSET_HEADER: str(piece.offset),
            NEXT_HEADER: str(piece.next_offset),
            SIZE_HEADER: str(piece.size),
            WHY_HEADER: piece.why,
        }
        return Response(piece.data, 200, headers, "application/octet-stream")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _number(text: str | None) -> int | None:
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if is_number and text is not None else None


def log_shipping(home: Path, host: str, store_url: str, file_mib: int) -> LogShipping | None:
    """The shipping of an agent's task logs; None where there is no store to ship to."""
    if not store_url:
        return None
    limits = Limits(file_bytes_max=file_mib * MIB)
    return LogShipping(home, host, open_store(store_url), limits)
