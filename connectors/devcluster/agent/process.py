"""The agent process: the link to the master, the executors' socket, the state and file endpoints.

The one thing to know: it decides nothing. Messages become calls of ``AgentState``; its outputs are
carried out in order, and what must survive is on disk before the message that rests on it is sent.
It may be killed at any instant; its executors live on and come back to the next agent process.
"""

import asyncio
import base64
import os
import sys
import uuid
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from connectors.devcluster.agent import executor as executor_program
from connectors.devcluster.agent.files import SandboxFiles
from connectors.devcluster.agent.state import (
    EXECUTOR_REREGISTRATION_SECONDS,
    AgentOutput,
    AgentState,
    Forget,
    Keep,
    KeepAgentId,
    KeepFramework,
    Launch,
    LocalTask,
    ToExecutor,
    ToMaster,
)
from connectors.devcluster.agent.store import AgentStore
from connectors.devcluster.agent.view import agent_state_view
from connectors.devcluster.journal import Journal
from connectors.devcluster.node import (
    LIFELINE_VARIABLE,
    TOKEN_HEADER,
    Clock,
    ClusterConfig,
    end_if_failed,
    end_with_supervisor,
    lifeline,
    log,
    main_arguments,
    serve,
)
from connectors.devcluster.resources import parse_attributes, parse_resources
from connectors.devcluster.wire.recordio import Decoder, FramingError

Json = dict[str, Any]

TICK_SECONDS = 0.05
RELINK_SECONDS = 0.1
# The master pings; a link on which nothing comes for this long is dead, whatever TCP believes.
_PINGS_OF_SILENCE = 6
# The fixed search path that Mesos gives to executors; nothing of the agent's own environment
# reaches a task.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Agent:
    """The agent's outside."""

    def __init__(self, config: ClusterConfig, node: str) -> None:
        self._config = config
        self._node = node
        self._clock = Clock()
        home = config.root / node
        home.mkdir(parents=True, exist_ok=True)
        self._store = AgentStore(home)
        self._journal = Journal(home / "journal.jsonl")
        info = {
            "hostname": node,
            "ip": config.host,
            "port": config.port_of(node),
            "resources": parse_resources(config.resources).to_json(),
            "attributes": parse_attributes(config.attributes_of(node)),
        }
        self.state = AgentState(info, lambda: str(uuid.uuid4()), _status_uuid)
        agent_id = self._store.agent_id(info)
        now = self._clock.now()
        self.state.restore(agent_id, self._store.frameworks(), self._store.tasks(now))
        self._journal.write("AGENT_STARTED", agent_id=agent_id, pid=os.getpid())
        self._executors: dict[str, asyncio.StreamWriter] = {}
        self._launcher: asyncio.subprocess.Process | None = None
        self._is_gone = False
        self._work: set[asyncio.Task[None]] = set()
        self._to_master: deque[Json] = deque()
        self._master_wake = asyncio.Event()

    def app(self) -> ASGIApp:
        """The HTTP application."""
        routes = [Route(path, self._show_state) for path in ("/state", "/slave(1)/state")]
        routes += [Route("/health", _healthy), Route("/slave(1)/health", _healthy)]
        files = SandboxFiles(self._store, lambda: self.state.agent_id)
        return Starlette(routes=routes + files.routes())

    async def run(self) -> None:
        """Serve until the process is ended."""
        end_with_supervisor()
        # By way of the open directory: a path of its own may be too long for a socket.
        home = os.open(self._store.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        path = self._store.home / executor_program.SOCKET_NAME
        path.unlink(missing_ok=True)
        await asyncio.start_unix_server(
            self._executor_came,
            f"/proc/self/fd/{home}/{executor_program.SOCKET_NAME}",
            limit=1 << 20,
        )
        path.chmod(0o600)
        await self._start_launcher()
        self._begin(self._tick())
        self._begin(self._keep_link())
        port = self._config.port_of(self._node)
        await serve(
            self.app(), self._config.host, port, lambda: log("agent is listening", port=port)
        )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(end_if_failed)

    async def _show_state(self, _request: Request) -> Response:
        body = agent_state_view(self.state, self._store)
        return Response(orjson.dumps(body), media_type="application/json")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.state.tick(self._clock.now())
            self._carry_out()

    def _carry_out(self) -> None:
        while outputs := self.state.take():
            for output in outputs:
                self._carry_out_one(output)

    def _carry_out_one(self, output: AgentOutput) -> None:
        match output:
            case ToMaster():
                self._to_master.append(output.message)
                self._master_wake.set()
            case ToExecutor():
                if writer := self._executors.get(output.container_id):
                    writer.write(orjson.dumps(output.message) + b"\n")
            case Launch():
                self._launch(output.task)
            case Keep():
                if self._is_kept(output.task):
                    self._store.keep(output.task, output.fact)
            case KeepFramework():
                info = self.state.frameworks.get(output.framework_id)
                self._store.keep_framework(output.framework_id, info)
            case KeepAgentId():
                if self.state.agent_id is not None:
                    self._store.keep_agent_id(self.state.agent_id, self.state.info)
            case Forget():
                self._store.forget(output.container_id)

    def _is_kept(self, task: LocalTask) -> bool:
        return bool(self.state.frameworks.get(task.framework_id, {}).get("checkpoint"))

    # Executors

    def _launch(self, task: LocalTask) -> None:
        now = self._clock.now()
        command = task.info["command"]
        launcher = self._launcher
        if launcher is None or launcher.stdin is None or self.state.agent_id is None:
            self.state.launch_failed(task.key, "the agent has no launcher", now)
            return
        problem = _launch_error(command)
        if problem is not None:
            self.state.launch_failed(task.key, problem, now)
            return
        try:
            self._store.make_container(task)
            if self._is_kept(task):
                self._store.keep_task(task)
            sandbox = self._store.make_sandbox(self.state.agent_id, task)
        except OSError as error:
            text = f"cannot make the sandbox: {error.strerror}"
            self.state.launch_failed(task.key, text, now)
            return
        launcher.stdin.write(orjson.dumps(self._spec(task, sandbox)) + b"\n")

    def _spec(self, task: LocalTask, sandbox: Path) -> Json:
        command = task.info["command"]
        if command.get("shell", True):
            argv = ["sh", "-c", command["value"]]
        else:
            argv = command.get("arguments") or [command["value"]]
        limit = task.info.get("max_completion_time", {}).get("nanoseconds", 0)
        return {
            "container_id": task.container_id,
            "framework_id": task.framework_id,
            "task_id": task.task_id,
            "program": "/bin/sh" if command.get("shell", True) else command["value"],
            "argv": argv,
            "env": self._environment(task, sandbox),
            "sandbox": str(sandbox),
            "state_file": str(self._store.container(task.container_id) / "executor.json"),
            "journal": str(self._store.home / "journal.jsonl"),
            "checkpoint": self._is_kept(task),
            "time_limit_seconds": limit / 1e9 if limit else None,
        }

    def _environment(self, task: LocalTask, sandbox: Path) -> dict[str, str]:
        agent_id = self.state.agent_id or ""
        endpoint = f"{self._config.host}:{self._config.port_of(self._node)}"
        environment = {
            "PATH": DEFAULT_PATH,
            "MESOS_SANDBOX": str(sandbox),
            "MESOS_DIRECTORY": str(sandbox),
            "MESOS_FRAMEWORK_ID": task.framework_id,
            "MESOS_EXECUTOR_ID": task.task_id,
            "MESOS_TASK_ID": task.task_id,
            "MESOS_SLAVE_ID": agent_id,
            "MESOS_AGENT_ID": agent_id,
            "MESOS_AGENT_ENDPOINT": endpoint,
            "MESOS_CONTAINER_IP": self._config.host,
            "MESOS_CHECKPOINT": "1" if self._is_kept(task) else "0",
            "MESOS_ALLOCATION_ROLE": task.role,
        }
        given = task.info["command"].get("environment", {}).get("variables", [])
        environment.update({v["name"]: v["value"] for v in given if "value" in v})
        return environment

    async def _start_launcher(self) -> None:
        """Start the warm process that executors are forked from, with the cluster's lifeline."""
        descriptor = lifeline()
        # Its environment is this and nothing else; tasks never see more than their own.
        environment = {} if descriptor is None else {LIFELINE_VARIABLE: str(descriptor)}
        self._launcher = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            executor_program.__file__,
            str(self._store.home),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            pass_fds=() if descriptor is None else (descriptor,),
            start_new_session=True,
        )
        self._begin(self._hear_launcher(self._launcher))

    async def _hear_launcher(self, launcher: asyncio.subprocess.Process) -> None:
        assert launcher.stdout is not None
        while line := await launcher.stdout.readline():
            report = orjson.loads(line)
            for task in list(self.state.tasks.values()):
                if task.container_id == report["container_id"]:
                    self.state.launch_failed(task.key, report["error"], self._clock.now())
            self._carry_out()
        log("the launcher of executors ended; starting another")
        await self._start_launcher()

    async def _executor_came(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        container_id = None
        try:
            while line := await reader.readline():
                message = orjson.loads(line)
                container_id = message["container_id"]
                self._executors[container_id] = writer
                self.state.from_executor(message, self._clock.now())
                self._carry_out()
        except ConnectionError as error:
            log("connection of an executor broke", container=container_id, error=error)
        finally:
            writer.close()
        if container_id is not None and self._executors.get(container_id) is writer:
            del self._executors[container_id]
            end = self._store.last_end(container_id)
            self.state.executor_gone(container_id, end, self._clock.now())
            self._carry_out()

    async def _recover(self) -> None:
        """Wait for the executors of an earlier agent process, a little while."""
        deadline = self._clock.now() + EXECUTOR_REREGISTRATION_SECONDS
        while self.state.recovering() and self._clock.now() < deadline:  # noqa: ASYNC110 - 2 s
            await asyncio.sleep(TICK_SECONDS)
        ids = [t.container_id for t in self.state.recovering()]
        ends = {i: end for i in ids if (end := self._store.last_end(i)) is not None}
        self.state.end_recovery(ends, self._clock.now())
        self._carry_out()

    # The master

    async def _keep_link(self) -> None:
        """Recover, then stay registered with whichever master is there."""
        await self._recover()
        headers = {TOKEN_HEADER: self._config.token}
        silence = _PINGS_OF_SILENCE * self._config.ping_timeout_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=silence)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            while not self._is_gone:
                try:
                    await self._link(session)
                except (aiohttp.ClientError, TimeoutError, FramingError) as error:
                    log("no link to the master", error=repr(error))
                finally:
                    self.state.unlinked()
                    self._to_master.clear()
                await asyncio.sleep(RELINK_SECONDS)

    async def _link(self, session: aiohttp.ClientSession) -> None:
        url = f"{self._config.master_url}/inner/agents"
        body = orjson.dumps(self.state.registration())
        async with session.post(url, data=body) as response:
            if response.status != 200:
                log("the master refused the agent", answer=(await response.text())[:200])
                return
            link_id = response.headers["Link-Id"]
            sending = asyncio.create_task(self._send(session, link_id))
            # When sending ends the link is dead: closing it wakes the reader below.
            sending.add_done_callback(lambda _: response.close())
            try:
                decoder = Decoder()
                async for data in response.content.iter_any():
                    for record in decoder.feed(data):
                        self._hear(orjson.loads(record))
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    def _hear(self, message: Json) -> None:
        if message["type"] == "SHUTDOWN":
            log("the master shuts this agent down", why=message["message"])
            self._is_gone = True
        self.state.from_master(message, self._clock.now())
        self._carry_out()

    async def _send(self, session: aiohttp.ClientSession, link_id: str) -> None:
        """Send what is queued, in order, until the master does not want it on this link."""
        url = f"{self._config.master_url}/inner/links/{link_id}"
        timeout = aiohttp.ClientTimeout(total=10.0)
        while True:
            self._master_wake.clear()
            messages = list(self._to_master)
            if not messages:
                await self._master_wake.wait()
                continue
            async with session.post(url, data=orjson.dumps(messages), timeout=timeout) as answer:
                if answer.status != 202:
                    return
            for _ in messages:
                self._to_master.popleft()


def _launch_error(command: Json) -> str | None:
    """What this agent cannot do, said rather than left out."""
    if "value" not in command:
        return "the command has no value"
    if command.get("uris"):
        return "this development cluster does not fetch URIs"
    return None


def _status_uuid() -> str:
    return base64.b64encode(uuid.uuid4().bytes).decode()


async def _healthy(_request: Request) -> Response:
    return Response()


def main() -> None:
    """Run the agent that the command line names."""
    config, node = main_arguments()

    async def _run() -> None:
        await Agent(config, node).run()

    asyncio.run(_run())


if __name__ == "__main__":
    main()
