"""What a task has written: its stdout and stderr, read from the host that ran it.

The one thing to know: Mesos' agents put a file's bytes into JSON just as they are, so the answer
to ``/files/read`` may be no UTF-8 at all (observed on 1.11.0). It is decoded so that every byte
comes back as it was; offsets count bytes.

An agent answers at most 64 KiB a time, and keeps a sandbox for a week after its end by default.
"""

import asyncio
import json
from typing import Any, Final

import aiohttp
import msgspec

from scheduler.model.ids import TaskId

READ_BYTES_MAX: Final = 64 * 1024
"""Mesos' own limit for one answer (16 pages), observed on 1.11.0."""
FILE_ANSWER_BYTES_MAX: Final = READ_BYTES_MAX * 6 + 1024
"""Each byte may be written as six characters (``\\u0000``)."""
STATE_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""An agent's /state with 1,000 completed tasks is about 2 MB."""

FileName = str
"""Of a file in the sandbox: stdout, stderr, or a path below its directory."""


class SandboxError(Exception):
    """The file cannot be read; the text says why and what to do."""


class HostGoneError(SandboxError):
    """The host does not answer; it may be down, or not reachable from here."""


class TaskNeverRanError(SandboxError):
    """The host knows no sandbox of this task: it never ran there, or was cleaned away."""


class FileMissingError(SandboxError):
    """The sandbox is there, the file is not."""


class Piece(msgspec.Struct, frozen=True):
    """Some bytes of a file, and where they begin."""

    data: bytes
    offset: int

    @property
    def next_offset(self) -> int:
        """Where to read on."""
        return self.offset + len(self.data)


class SandboxReader:
    """Reads sandboxes through the hosts' own HTTP endpoints; close it when done."""

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None

    async def directory(self, host_url: str, framework_id: str, task_id: TaskId) -> str:
        """The directory of the task's latest run on that host. Raises SandboxError."""
        body = await self._get(f"{host_url}/state", {}, STATE_ANSWER_BYTES_MAX, "state")
        found = sandbox_directory(object_in(body, host_url), framework_id, task_id)
        if found is None:
            raise TaskNeverRanError(
                f"the host at {host_url} has no sandbox of task {task_id}: it never ran there, "
                "or the sandbox has been cleaned away (by default a week after the task's end)"
            )
        return found

    async def read(
        self, host_url: str, directory: str, name: FileName, offset: int, length: int
    ) -> Piece:
        """Up to ``length`` bytes of the file from ``offset``; none at its end. Raises SandboxError.

        A file that is shorter than ``offset`` gives no bytes: ``size`` tells whether it was cut.
        """
        assert offset >= 0, "offsets count from the file's beginning"
        assert length > 0, "a length of 0 would never come to an end"
        said = await self._file(host_url, directory, name, offset, min(length, READ_BYTES_MAX))
        return Piece(_exact(said.get("data"), host_url), offset)

    async def size(self, host_url: str, directory: str, name: FileName) -> int:
        """How many bytes the file has now. Raises SandboxError."""
        # Mesos answers an offset of -1 with the file's size, in the field "offset".
        size = (await self._file(host_url, directory, name, -1, 0)).get("offset")
        if not isinstance(size, int):
            raise SandboxError(f"the host at {host_url} did not say how long {name} is")
        return size

    async def close(self) -> None:
        """Give back every connection."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def _file(
        self, host_url: str, directory: str, name: FileName, offset: int, length: int
    ) -> dict[str, Any]:
        """The answer of ``/files/read``."""
        asked = {"path": f"{directory}/{name}", "offset": str(offset), "length": str(length)}
        body = await self._get(f"{host_url}/files/read", asked, FILE_ANSWER_BYTES_MAX, name)
        return object_in(body, host_url)

    async def _get(self, url: str, asked: dict[str, str], bytes_max: int, what: str) -> bytes:
        """The body of a 200; SandboxError for anything else."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None), auto_decompress=True
            )
        answer, body = await ask_host(self._http, url, asked, bytes_max, self._timeout_s)
        if answer.status == 404:
            raise FileMissingError(f"{url} has no {what}: it was not written yet, or cleaned away")
        if answer.status != 200:
            said = body[:200].decode("utf-8", errors="replace").strip()
            raise SandboxError(f"{url} answered {answer.status} for {what}: {said or 'no reason'}")
        return body


def sandbox_directory(state: dict[str, Any], framework_id: str, task_id: TaskId) -> str | None:
    """The directory of the task's latest run in an agent's ``/state``, or None."""
    latest: str | None = None
    # Live ones come last, so that a run under way hides the earlier ones of the same task.
    for frameworks in ("completed_frameworks", "frameworks"):
        for framework in _objects(state, frameworks):
            if framework.get("id") != framework_id:
                continue
            for executors in ("completed_executors", "executors"):
                for executor in _objects(framework, executors):
                    directory = executor.get("directory")
                    if isinstance(directory, str) and _ran(executor, task_id):
                        latest = directory
    return latest


def _ran(executor: dict[str, Any], task_id: TaskId) -> bool:
    """Whether this executor is the task's own, or has run it."""
    if executor.get("id") == task_id:  # the command executor is named like its task
        return True
    return any(
        task.get("id") == task_id
        for tasks in ("tasks", "queued_tasks", "completed_tasks")
        for task in _objects(executor, tasks)
    )


def _objects(parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list, or none where there is no such list."""
    found = parent.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


async def ask_host(
    http: aiohttp.ClientSession, url: str, asked: dict[str, str], bytes_max: int, timeout_s: float
) -> tuple[aiohttp.ClientResponse, bytes]:
    """A host's answer and its whole body, whatever its status; SandboxError where there is none."""
    try:
        async with asyncio.timeout(timeout_s):
            async with http.get(url, params=asked, allow_redirects=False) as answer:
                return answer, await _bounded(answer, bytes_max)
    except TimeoutError:
        raise HostGoneError(
            f"{url} did not answer within {timeout_s:g} s; the host may be down or overloaded, "
            "try again"
        ) from None
    except aiohttp.InvalidURL:
        raise SandboxError(
            f"{url!r} is no address: the host has not told where it answers HTTP"
        ) from None
    except (aiohttp.ClientError, OSError) as fault:
        raise HostGoneError(
            f"{url} cannot be read ({fault}); the host may be down or not reachable from here"
        ) from fault


async def _bounded(answer: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """The whole body; SandboxError where it is longer than it can rightly be."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > bytes_max:
            raise SandboxError(f"{answer.url.path} answered with more than {bytes_max} bytes")
    return bytes(body)


def object_in(body: bytes, host_url: str) -> dict[str, Any]:
    """The JSON object of an answer, whose texts may hold bytes that are no UTF-8.

    Raises `SandboxError` for anything else.
    """
    try:
        # The standard library, because only it takes the lone surrogates that stand for bytes.
        found = json.loads(body.decode("utf-8", errors="surrogateescape"))
    except (ValueError, RecursionError) as fault:
        raise SandboxError(f"the host at {host_url} answered with no JSON: {fault}") from fault
    if not isinstance(found, dict):
        raise SandboxError(f"the host at {host_url} answered with no JSON object")
    return found


def _exact(text: object, host_url: str) -> bytes:
    """The bytes that the agent put into a JSON text."""
    if not isinstance(text, str):
        raise SandboxError(f"the host at {host_url} answered without the file's data")
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:
        # A surrogate that was written as an escape, which no agent of Mesos does.
        return text.encode("utf-8", errors="replace")
