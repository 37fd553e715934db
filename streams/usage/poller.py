"""Asks the master for its agents and each agent for its containers, again and again.

The one thing to know: it stands beside the cell and not in it. It reads, decides nothing, and may
be killed or stay away for good: what is lost are figures. A host that is slow costs itself only.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import aiohttp
import msgspec
import structlog

from connectors.mesos.usage import (
    OTHER_FORM,
    Before,
    Host,
    Tags,
    TaskUsage,
    Usage,
    cell_usage,
    host_usage,
    hosts_of,
    keys_of,
    sample_of,
    tags_of,
    task_usages,
)
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.clock import elapsed_s, now_ms

logger = structlog.get_logger(__name__)

HOSTS_AT_ONCE_MAX: Final = 32
ANSWER_S_MAX: Final = 5.0
PAUSE_S_MIN: Final = 10.0
PAUSE_S_MAX: Final = 300.0
"""A host that did not answer is left alone for so long; the pause doubles each time."""
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one answer: the state of an agent with some thousand tasks has a few MiB."""


class PollError(Exception):
    """Somebody did not answer as they should; the text says who and how."""


class Poller:
    """What is known between two rounds; `round` asks everybody once."""

    def __init__(self, masters: Sequence[str], cells: Sequence[str]) -> None:
        """``cells``: all that have tasks there; a host's own figures go to the first."""
        self._masters = tuple(masters)
        self._cell = cells[0]
        self._cells = tuple(cells)
        self._http: aiohttp.ClientSession | None = None
        self._gate = asyncio.Semaphore(HOSTS_AT_ONCE_MAX)
        self._tags: dict[str, dict[tuple[str, str], Tags]] = {}
        self._before: dict[str, dict[str, Before]] = {}
        self._pauses: dict[str, tuple[float, float]] = {}
        """Of hosts that do not answer: until when they are left alone, and for how long."""
        self.failed: dict[str, str] = {}
        """The hosts that did not answer when they were asked last, and how."""

    async def round(self) -> list[Usage]:
        """Everybody's figures now; raises PollError when no master answers."""
        slaves = await self._from_masters("/slaves")
        try:
            hosts = hosts_of(slaves)
        except OTHER_FORM as error:
            raise PollError(f"the master's list of agents has another form: {error!r}") from error
        known, names = {host.host_id for host in hosts}, {host.name for host in hosts}
        for kept in (self._tags, self._before, self._pauses):
            for host_id in kept.keys() - known:
                del kept[host_id]
        self.failed = {name: why for name, why in self.failed.items() if name in names}
        found = await asyncio.gather(*(self._of_host(host) for host in hosts))
        usages = [usage for told in found for usage in told]
        sums = [cell_usage(cell, self._tasks_of(cell, usages), now_ms()) for cell in self._cells]
        return [*usages, *sums]

    def _tasks_of(self, cell: str, usages: list[Usage]) -> list[Usage]:
        if len(self._cells) == 1:
            return usages
        return [each for each in usages if isinstance(each, TaskUsage) and each.cell == cell]

    async def close(self) -> None:
        """Give back every connection."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def _from_masters(self, path: str) -> dict[str, Any]:
        """The answer of the leading master, asked through any of them."""
        faults = []
        for master in self._masters:
            try:
                # Who does not lead sends us to who does.
                found = await self._get(f"http://{master}{path}", follow=True)
            except PollError as error:
                faults.append(str(error))
                continue
            if isinstance(found, dict):
                return found
        raise PollError("; ".join(faults) or "no master answered with an object")

    async def _of_host(self, host: Host) -> list[Usage]:
        until, pause = self._pauses.get(host.host_id, (0.0, 0.0))
        if elapsed_s() < until:
            return []
        async with self._gate:
            try:
                found = await self._asked(host)
            except (PollError, *OTHER_FORM) as error:
                pause = min(max(2 * pause, PAUSE_S_MIN), PAUSE_S_MAX)
                self._pauses[host.host_id] = (elapsed_s() + pause, pause)
                is_told = isinstance(error, PollError)
                self.failed[host.name] = str(error) if is_told else f"another form: {error!r}"
                return []
        self._pauses.pop(host.host_id, None)
        self.failed.pop(host.name, None)
        return found

    async def _asked(self, host: Host) -> list[Usage]:
        containers = _objects(await self._get(f"{host.url}/containers"))
        tags = self._tags.get(host.host_id, {})
        if not keys_of(containers) <= tags.keys():
            # A task's labels never change, so the whole state is asked for new ones only.
            state = await self._get(f"{host.url}/state")
            ours = tags_of(state) if isinstance(state, dict) else {}
            # Others' containers are remembered too, so that they do not make us ask again.
            tags = {key: ours.get(key, _FOREIGN) for key in keys_of(containers)}
            self._tags[host.host_id] = tags
        mine = {key: tag for key, tag in tags.items() if tag is not _FOREIGN}
        before = self._before.get(host.host_id, {})
        usages: list[Usage] = list(task_usages(host, containers, mine, before))
        self._before[host.host_id] = dict(filter(None, map(sample_of, containers)))
        metrics = await self._get(f"{host.url}/metrics/snapshot")
        if isinstance(metrics, dict):
            usages.append(host_usage(host, self._cell, metrics, now_ms()))
        return usages

    async def _get(self, url: str, *, follow: bool = False) -> object:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        try:
            async with (
                asyncio.timeout(ANSWER_S_MAX),
                self._http.get(url, allow_redirects=follow) as answer,
            ):
                body = await answer.content.read(ANSWER_BYTES_MAX + 1)
                while len(body) <= ANSWER_BYTES_MAX and (more := await answer.content.readany()):
                    body += more
        except TimeoutError:
            raise PollError(f"{url} did not answer within {ANSWER_S_MAX:g} s") from None
        except (aiohttp.ClientError, OSError) as fault:
            raise PollError(f"{url} cannot be read: {fault!r}") from fault
        if answer.status != 200 or len(body) > ANSWER_BYTES_MAX:
            raise PollError(f"{url} answered {answer.status} with {len(body)} bytes")
        try:
            return msgspec.json.decode(body)
        except BAD_BYTES as fault:
            raise PollError(f"{url} answered with no JSON: {fault}") from fault


_FOREIGN: Final = Tags("", "", "", None, "", None)


def _objects(found: object) -> list[dict[str, Any]]:
    if not isinstance(found, Iterable):
        return []
    return [each for each in found if isinstance(each, dict)]
