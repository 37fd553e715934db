"""Sessions on agents: launched, read, given input, and ended with their connection.

The one thing to know: what is not read here is not read from the agent, so a command that says much
waits for its reader. Every call but the two streams has a time-out; the streams end with `close`.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Final

import aiohttp
import msgspec

from connectors.exec import protocol
from connectors.exec.protocol import Channel, Window
from connectors.mesos.recordio import RecordIoError, RecordReader
from scheduler.model.reading.bad_bytes import BAD_BYTES

ANSWER_S: Final = 10.0
CONTAINERS_BYTES_MAX: Final = 16 * 1024 * 1024
"""An agent's /containers with 1,000 containers is below 2 MB."""
RECORD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Mesos' agents send what one read of a pipe gave, 64 KiB at most, as base64."""
INPUTS_MAX: Final = 64
"""Pieces of input that wait for the command to read."""
SAID_BYTES_MAX: Final = 300
_FAULTS: Final = (aiohttp.ClientError, OSError, TimeoutError)


class ExecError(Exception):
    """A session that cannot be had; ``is_missing`` where the task does not run there."""

    def __init__(self, text: str, *, is_missing: bool = False) -> None:
        super().__init__(text)
        self.is_missing = is_missing


class AgentSession:
    """One session; `output` gives what it says, and its end."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, container: protocol.Json, *, is_tty: bool
    ) -> None:
        self._http = http
        self._url = url
        self._container = container
        self.is_tty = is_tty
        self._answer: aiohttp.ClientResponse | None = None
        self._inputs: asyncio.Queue[bytes | None] = asyncio.Queue(INPUTS_MAX)
        self._attached: asyncio.Task[None] | None = None
        self._waited: asyncio.Task[int | None] | None = None

    async def launch(self, argv: Sequence[str], window: Window | None) -> None:
        """Begin; raises `ExecError`."""
        call = msgspec.json.encode(protocol.launch_call(self._container, argv, window))
        headers = {
            "Content-Type": protocol.JSON,
            "Accept": protocol.RECORDIO,
            "Message-Accept": protocol.JSON,
            # What is compressed would be held back until a block is full.
            "Accept-Encoding": "identity",
        }
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._http.post(f"{self._url}/api/v1", data=call, headers=headers)
                if answer.status != 200:
                    said = (await answer.content.read(SAID_BYTES_MAX)).decode(errors="replace")
                    answer.close()
                    raise ExecError(f"the agent answered {answer.status}: {said.strip()}")
        except _FAULTS as fault:
            raise _unreachable(self._url, fault) from fault
        self._answer = answer
        self._attached = asyncio.create_task(self._send_input())
        self._waited = asyncio.create_task(self._exit_code())

    async def output(self) -> AsyncIterator[tuple[Channel, bytes]]:
        """What the command says, until its end or until the agent is gone (`ExecError`)."""
        assert self._answer is not None, "it is launched"
        reader = RecordReader(RECORD_BYTES_MAX)
        try:
            async for piece in self._answer.content.iter_any():
                for record in reader.feed(piece):
                    said = protocol.output_of(record)
                    if said is not None:
                        yield said
        except (*_FAULTS, RecordIoError, protocol.ProtocolError) as fault:
            raise _unreachable(self._url, fault) from fault

    async def exit_code(self) -> int | None:
        """How the command ended, once it has; None where the agent does not say."""
        assert self._waited is not None, "it is launched"
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asyncio.shield(self._waited)
        except TimeoutError:
            return None

    def write(self, data: bytes) -> bool:
        """Give the command input, none of it is its end; False where it reads too slowly."""
        return self._put(protocol.input_data(data))

    def resize(self, window: Window) -> bool:
        """Tell the terminal its size; False where too much waits."""
        return self._put(protocol.input_window(window))

    async def close(self) -> None:
        """End the session and every connection of it; again is nothing."""
        if self._answer is not None:
            self._answer.close()
        tasks = [each for each in (self._attached, self._waited) if each is not None]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()

    def _put(self, record: bytes) -> bool:
        try:
            self._inputs.put_nowait(record)
        except asyncio.QueueFull:
            return False
        return True

    async def _records(self) -> AsyncIterator[bytes]:
        yield protocol.attached(self._container)
        while True:
            try:
                async with asyncio.timeout(protocol.HEARTBEAT_S):
                    record = await self._inputs.get()
            except TimeoutError:
                record = protocol.input_heartbeat()
            if record is None:
                return
            yield record

    async def _send_input(self) -> None:
        """Stream what is given, until the session is over; its end is told by its output."""
        headers = {
            "Content-Type": protocol.RECORDIO,
            "Message-Content-Type": protocol.JSON,
            "Accept": protocol.JSON,
        }
        try:
            async with self._http.post(
                f"{self._url}/api/v1", data=self._records(), headers=headers
            ):
                return
        except _FAULTS:
            return

    async def _exit_code(self) -> int | None:
        call = msgspec.json.encode(protocol.wait_call(self._container))
        headers = {"Content-Type": protocol.JSON, "Accept": protocol.JSON}
        try:
            async with self._http.post(f"{self._url}/api/v1", data=call, headers=headers) as answer:
                if answer.status != 200:
                    return None
                return protocol.exit_code_of(await answer.content.read(CONTAINERS_BYTES_MAX))
        except (*_FAULTS, protocol.ProtocolError):
            return None


async def open_session(
    host_url: str,
    *,
    framework_id: str,
    task_id: str,
    argv: Sequence[str],
    window: Window | None,
) -> AgentSession:
    """A session beside the task on this host, begun; raises `ExecError`."""
    http = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S),
        connector=aiohttp.TCPConnector(limit=3),
    )
    try:
        parent = await _container(http, host_url, framework_id, task_id)
        container = protocol.nested(parent, str(uuid.uuid4()))
        session = AgentSession(http, host_url, container, is_tty=window is not None)
        await session.launch(argv, window)
    except BaseException:
        await http.close()
        raise
    return session


async def _container(
    http: aiohttp.ClientSession, host_url: str, framework_id: str, task_id: str
) -> str:
    try:
        async with asyncio.timeout(ANSWER_S):
            async with http.get(f"{host_url}/containers", allow_redirects=False) as answer:
                if answer.status != 200:
                    raise ExecError(f"{host_url}/containers answered {answer.status}")
                body = bytearray()
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > CONTAINERS_BYTES_MAX:
                        raise ExecError(f"{host_url}/containers answered too much")
    except _FAULTS as fault:
        raise _unreachable(host_url, fault) from fault
    try:
        containers = msgspec.json.decode(bytes(body))
    except BAD_BYTES as fault:
        raise ExecError(f"{host_url}/containers answered no JSON: {fault}") from fault
    found = protocol.container_of(containers, framework_id, task_id)
    if found is None:
        text = f"the host at {host_url} runs no container of task {task_id}"
        raise ExecError(text, is_missing=True)
    return found


def _unreachable(url: str, fault: Exception) -> ExecError:
    said = str(fault) or type(fault).__name__
    return ExecError(f"the agent at {url} broke off: {said[:SAID_BYTES_MAX]}")
