"""The agent process: the link to the master, the executors' socket, the state and file endpoints.

The one thing to know: it decides nothing. Messages become calls of ``AgentState``; its outputs are
carried out in order, and what must survive is on disk before the message that rests on it is sent.
It may be killed at any instant; its executors live on and come back to the next agent process.
"""

import asyncio
import base64
import functools
import os
import sys
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from starlette.applications import Starlette
from starlette.types import ASGIApp

from connectors.devcluster.agent import cpuset_groups
from connectors.devcluster.agent import executor as executor_program
from connectors.devcluster.agent.cpu_sets import CpuSets, topology_here
from connectors.devcluster.agent.cpuset_groups import find_cpusets
from connectors.devcluster.agent.executor_api import ExecutorApi
from connectors.devcluster.agent.files import SandboxFiles
from connectors.devcluster.agent.isolation import probe
from connectors.devcluster.agent.launching import (
    Place,
    command_error,
    executor_spec,
    task_spec,
)
from connectors.devcluster.agent.log_shipping import log_shipping
from connectors.devcluster.agent.model import (
    EXECUTOR_REREGISTRATION_SECONDS,
    AgentOutput,
    EndStream,
    Forget,
    Keep,
    KeepAgentId,
    KeepDrain,
    KeepExecutor,
    KeepFramework,
    KeepOperations,
    KeepTask,
    Launch,
    LaunchExecutor,
    LocalExecutor,
    LocalTask,
    Phase,
    ToKeeper,
    ToMaster,
    ToStream,
)
from connectors.devcluster.agent.operator_http import AgentOperatorHttp
from connectors.devcluster.agent.persistent import link_persistent
from connectors.devcluster.agent.sessions import Sessions
from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.agent.store import AgentStore
from connectors.devcluster.agent.task_doors import TaskDoors
from connectors.devcluster.agent.usage import Sampler
from connectors.devcluster.agent.view import agent_state_view
from connectors.devcluster.agent.volumes import Volumes
from connectors.devcluster.journal import Journal
from connectors.devcluster.master.leadership import leader_of
from connectors.devcluster.network.cuts import told_by_supervisor
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
from connectors.devcluster.wire.negotiation import HTTP_ERRORS
from connectors.devcluster.wire.recordio import Decoder, FramingError
from connectors.devcluster.words import TERMINAL, Json
from connectors.metadata.facts import facts_of

TICK_SECONDS = 0.05
RELINK_SECONDS = 0.1
# An agent of Mesos ends when its machine is taken down, and whatever started it starts it again;
# this one goes on asking instead.
RELINK_WHEN_DOWN_SECONDS = 1.0


class Agent:
    """The agent's outside."""

    def __init__(
        self, config: ClusterConfig, node: str, *, lifeline_end: int | None = None
    ) -> None:
        """``lifeline_end``: a descriptor whose other end whoever outlives nothing holds."""
        self._config = config
        self._node = node
        self._lifeline = lifeline_end
        self._clock = Clock()
        home = config.root / node
        home.mkdir(parents=True, exist_ok=True)
        self._store = AgentStore(home)
        self._journal = Journal(home / "journal.jsonl")
        info = {
            "hostname": node,
            "ip": config.host,
            "port": config.port_of(node),
            "resources": parse_resources(config.resources_of(node)).to_json(),
            "attributes": parse_attributes(config.attributes_of(node)),
        }
        self.state = AgentState(info, lambda: str(uuid.uuid4()), _status_uuid)
        # Two that bind a task to threads would be in each other's way.
        words = f"{config.isolation},-affinity" if config.cpu_sets else config.isolation
        self.isolation = probe(config.cgroup_prefix(node), words)
        self.isolation.disk_seconds = config.disk_watch_seconds
        self.isolation.cgroups.remove_left(config.cgroup_prefix(node))
        self._cpu_sets = self._divided() if config.cpu_sets else None
        self._doors = TaskDoors(config.root / "identity", self._clock.now, config.host)
        agent_id = self._store.agent_id(info)
        now = self._clock.now()
        self._volumes = Volumes(home)
        self._volumes.restore(self.state.operations)
        self.state.restore(
            agent_id,
            self._store.frameworks(),
            self._store.tasks(now),
            self._store.executors(now),
            self._store.drain(),
        )
        self._journal.write("AGENT_STARTED", agent_id=agent_id, pid=os.getpid())
        self._keepers: dict[str, asyncio.StreamWriter] = {}
        # Of containers that this process launched: what is in them is written nowhere.
        self._session_places: dict[str, Json] = {}
        self._executor_api = ExecutorApi(self.state, self._clock.now, self._carry_out)
        # What tasks write is shipped only where there is a store for it.
        self._logs = log_shipping(home, node, config.store_url, config.task_log_mib)
        self._launcher: asyncio.subprocess.Process | None = None
        self._is_gone = False
        self._relink_seconds = RELINK_SECONDS
        self._work: set[asyncio.Task[None]] = set()
        self._to_master: deque[Json] = deque()
        self._master_wake = asyncio.Event()

    def _divided(self) -> CpuSets:
        """The agent's part of the computer's threads, of which nothing is given out yet."""
        names, prefix = self._config.agent_names, self._config.cgroup_prefix(self._node)
        cpuset_groups.remove_left([prefix])
        topology = topology_here(names.index(self._node), len(names))
        return CpuSets(topology, find_cpusets(prefix, self.isolation.cgroups), log)

    def app(self) -> ASGIApp:
        """The HTTP application."""
        sampler = Sampler(self.state, self.sandbox_of, self.isolation, self._clock.now)
        operators = AgentOperatorHttp(
            self.state,
            SandboxFiles(self._store, lambda: self.state.agent_id),
            self._show_state,
            sampler.statistics,
            self._clock.now,
            own_metrics=self._own_metrics,
            sessions=Sessions(self._session_place),
        )
        routes = operators.routes() + self._executor_api.routes()
        if self._logs is not None:
            routes += self._logs.routes()
        return Starlette(routes=routes, exception_handlers=HTTP_ERRORS)

    def _session_place(self, container_id: str) -> Json | None:
        """What a session beside the task of this container needs; None where none runs."""
        task = self.state.task_in(container_id)
        if task is None or task.phase is not Phase.RUNNING or task.state in TERMINAL:
            return None
        place, task_pid = self._session_places.get(container_id), self._store.task_pid(container_id)
        return None if place is None or not task_pid else {**place, "task_pid": task_pid}

    def sandbox_of(self, item: LocalTask | LocalExecutor) -> Path:
        """The directory that the task or executor runs in."""
        agent_id = self.state.agent_id or ""
        if isinstance(item, LocalExecutor):
            return self._store.executor_sandbox(agent_id, item)
        return self._store.sandbox(agent_id, item)

    async def run(self) -> None:
        """Serve until the process is ended."""
        end_with_supervisor()
        gate = told_by_supervisor(self._node)
        await self.begin()
        self._begin(self._keep_link())
        port = self._config.port_of(self._node)
        listening = functools.partial(log, "agent is listening", port=port)
        await serve(self.app(), self._config.host, port, gate, listening)

    async def begin(self) -> None:
        """Launch what is asked for and let time pass; a link to a master is somebody else's."""
        # By way of the open directory: a path of its own may be too long for a socket.
        home = os.open(self._store.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._home_descriptor = home
        path = self._store.home / executor_program.SOCKET_NAME
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._keeper_came,
            f"/proc/self/fd/{home}/{executor_program.SOCKET_NAME}",
            limit=1 << 20,
        )
        path.chmod(0o600)
        await self._start_launcher()
        self._begin(self._tick())
        if self._logs is not None:
            self._logs.begin()

    async def stop(self) -> None:
        """Give back what `begin` took; tasks have their keepers, and those the lifeline."""
        self._is_gone = True
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        self._server.close()
        os.close(self._home_descriptor)
        for writer in list(self._keepers.values()):
            writer.close()
        if (launcher := self._launcher) is not None:
            assert launcher.stdin is not None
            launcher.stdin.close()
            await launcher.wait()
        self._journal.close()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(end_if_failed)

    def _own_metrics(self) -> dict[str, float]:
        """What Mesos' agents have no name for."""
        sets = self._cpu_sets
        return {} if sets is None else {"flumina/noise_milli": float(sets.noise_milli)}

    def _show_state(self) -> Json:
        view = agent_state_view(self.state, self._store, self.isolation)
        if self._cpu_sets is not None:
            view["flumina_cpu_sets"] = self._cpu_sets.to_json()
        return view

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.state.tick(self._clock.now())
            self._carry_out()
            if self._logs is not None:
                self._logs.follow(self.state)
            if self._cpu_sets is not None:
                self._cpu_sets.follow(self.state)
                self._cpu_sets.measure(self._clock.now())

    def _carry_out(self) -> None:
        while outputs := self.state.take():
            for output in outputs:
                self._carry_out_one(output)

    def _carry_out_one(self, output: AgentOutput) -> None:
        match output:
            case ToMaster():
                self.tell_master(output.message)
            case ToKeeper():
                if writer := self._keepers.get(output.container_id):
                    writer.write(orjson.dumps(output.message) + b"\n")
            case ToStream():
                self._executor_api.write(output.stream_id, output.event)
            case EndStream():
                self._executor_api.end(output.stream_id)
            case Launch():
                self._launch(output.task.container_id, functools.partial(self._spec, output.task))
            case LaunchExecutor():
                spec = functools.partial(self._executor_spec, output.executor)
                self._launch(output.executor.container_id, spec)
            case _:
                self._keep(output)

    def tell_master(self, message: Json) -> None:
        """Have the message sent, behind those before it."""
        self._to_master.append(message)
        self._master_wake.set()

    def _keep(self, output: AgentOutput) -> None:
        """Carry out what only touches the disk."""
        match output:
            case KeepTask():
                if self._is_kept(output.task.framework_id):
                    self._store.make_container(output.task)
                    self._store.keep_task(output.task)
            case KeepExecutor():
                if self._is_kept(output.executor.framework_id):
                    self._store.keep_executor(output.executor)
            case Keep():
                if self._is_kept(output.task.framework_id) and not output.task.is_stranger:
                    self._store.keep(output.task, output.fact)
            case Forget():
                self._store.forget(output.container_id)
                self._session_places.pop(output.container_id, None)
                self.isolation.forget(output.container_id)
                self._doors.forget(output.container_id)
            case _:
                self._keep_own(output)

    def _keep_own(self, output: AgentOutput) -> None:
        """Write down what concerns no task in particular."""
        match output:
            case KeepFramework():
                info = self.state.frameworks.get(output.framework_id)
                self._store.keep_framework(output.framework_id, info)
            case KeepAgentId():
                if self.state.agent_id is not None:
                    self._store.keep_agent_id(self.state.agent_id, self.state.info)
            case KeepOperations():
                self._volumes.keep(self.state.operations)
            case KeepDrain():
                self._store.keep_drain(self.state.drain)
            case _:
                raise AssertionError(f"nobody carries out {output}")

    def _is_kept(self, framework_id: str) -> bool:
        return bool(self.state.frameworks.get(framework_id, {}).get("checkpoint"))

    # Keepers

    def _launch(self, container_id: str, make_spec: Callable[[str], Json]) -> None:
        """Write the line for a container to the launcher, or say why it cannot be."""
        launcher, agent_id = self._launcher, self.state.agent_id
        try:
            if launcher is None or launcher.stdin is None or agent_id is None:
                raise OSError("the agent has no launcher")
            launcher.stdin.write(orjson.dumps(make_spec(agent_id)) + b"\n")
        except OSError as error:
            self.state.launch_failed(container_id, str(error), self._clock.now())

    def _spec(self, task: LocalTask, agent_id: str) -> Json:
        if problem := command_error(task.info.get("command", {})):
            raise OSError(problem)
        self._store.make_container(task)
        if self._is_kept(task.framework_id):
            self._store.keep_task(task)
        executor = self.state.executors.get((task.framework_id, task.executor_id or ""))
        parent_id = None if executor is None else executor.container_id
        sandbox = self._store.make_sandbox(agent_id, task, parent_id)
        self._volumes.link(sandbox, task.info)
        link_persistent(sandbox, task.info)
        if self._logs is not None:
            name = str(self.state.frameworks.get(task.framework_id, {}).get("name", ""))
            self._logs.began(task, name, sandbox)
        place = self._place(agent_id, task.framework_id, task.container_id, sandbox)
        facts = facts_of(task.info, self.state.info)
        plan = self.isolation.plan(
            task.container_id, sandbox, task.info, has_metadata=facts.is_served
        )
        spec = task_spec(task, place) | {"confinement": plan}
        container = self._store.container(task.container_id)
        spec["env"] |= self._doors.prepare(
            task.container_id, container, facts, has_network="network" in plan
        )
        self._session_places[task.container_id] = {
            "env": spec["env"],
            "sandbox": str(sandbox),
            "plan": plan,
        }
        return spec

    def _executor_spec(self, executor: LocalExecutor, agent_id: str) -> Json:
        if problem := command_error(executor.info.get("command", {})):
            raise OSError(problem)
        container = self._store.container(executor.container_id)
        container.mkdir(parents=True, exist_ok=True)
        if self._is_kept(executor.framework_id):
            self._store.keep_executor(executor)
        sandbox = self._store.make_executor_sandbox(agent_id, executor)
        self._volumes.link(sandbox, executor.info)
        place = self._place(agent_id, executor.framework_id, executor.container_id, sandbox)
        # Its tasks run in its container, as many as it is given: only what does not depend on
        # their number can confine it.
        info = {k: executor.info[k] for k in ("container",) if k in executor.info}
        plan = self.isolation.plan(executor.container_id, sandbox, {"resources": [], **info})
        return executor_spec(executor, place) | {"confinement": plan}

    def _place(self, agent_id: str, framework_id: str, container_id: str, sandbox: Path) -> Place:
        return Place(
            agent_id,
            self._config.host,
            self._config.port_of(self._node),
            self._store.home / "journal.jsonl",
            self._store.container(container_id) / "executor.json",
            sandbox,
            self._is_kept(framework_id),
        )

    async def _start_launcher(self) -> None:
        """Start the warm process that executors are forked from, with the cluster's lifeline."""
        descriptor = lifeline() if self._lifeline is None else self._lifeline
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
            container_id, error = report["container_id"], report["error"]
            self.state.launch_failed(container_id, error, self._clock.now())
            self._carry_out()
        log("the launcher of executors ended; starting another")
        await self._start_launcher()

    async def _keeper_came(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        container_id = None
        try:
            while line := await reader.readline():
                message = orjson.loads(line)
                container_id = message["container_id"]
                self._keepers[container_id] = writer
                self.state.from_keeper(message, self._clock.now())
                if task_pid := message.get("task_pid"):
                    container = self._store.container(message["container_id"])
                    self._doors.began(message["container_id"], container, task_pid)
                if self._cpu_sets is not None:
                    # Before its keeper is told to run it: the command inherits from the keeper.
                    self._cpu_sets.follow(self.state)
                self._carry_out()
        except ConnectionError as error:
            if not self._is_gone:
                log("connection of a keeper broke", container=container_id, error=error)
        finally:
            writer.close()
        if container_id is not None and self._keepers.get(container_id) is writer:
            del self._keepers[container_id]
            end = self._store.last_end(container_id)
            self._store.end_left_of(container_id)
            self.state.keeper_gone(container_id, end, self._clock.now())
            self._carry_out()

    async def _recover(self) -> None:
        """Wait for the executors of an earlier agent process, a little while."""
        deadline = self._clock.now() + EXECUTOR_REREGISTRATION_SECONDS
        while self.state.recovering() and self._clock.now() < deadline:  # noqa: ASYNC110 - 2 s
            await asyncio.sleep(TICK_SECONDS)
        ids = self.state.recovering()
        ends = {i: end for i in ids if (end := self._store.last_end(i)) is not None}
        dead = frozenset(i for i in ids if self._store.has_lost_keeper(i))
        self.state.end_recovery(ends, self._clock.now(), dead)
        self._carry_out()

    # The master

    async def _keep_link(self) -> None:
        """Recover, then stay registered with whichever master is there."""
        await self._recover()
        headers = {TOKEN_HEADER: self._config.token}
        # The master pings; a link on which nothing comes for as long as the master would wait is
        # dead, whatever TCP believes.
        pings = self._config.missed_pings_max + 1
        silence = pings * self._config.ping_timeout_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=silence)
        # The address tells the master who speaks, so that links can be cut by name.
        connector = aiohttp.TCPConnector(local_addr=self._config.source_of(self._node))
        async with aiohttp.ClientSession(
            headers=headers, timeout=timeout, connector=connector
        ) as session:
            while not self._is_gone:
                try:
                    await self._link(session)
                except (aiohttp.ClientError, TimeoutError, FramingError) as error:
                    log("no link to the master", error=repr(error))
                finally:
                    self.state.unlinked()
                    self._to_master.clear()
                await asyncio.sleep(self._relink_seconds)
                self._relink_seconds = RELINK_SECONDS

    async def _link(self, session: aiohttp.ClientSession) -> None:
        leader = leader_of(self._config)
        if leader is None:
            return
        url = f"{leader.url}/inner/agents"
        body = orjson.dumps(self.state.registration())
        async with session.post(url, data=body) as response:
            if response.status != 200:
                log("the master refused the agent", answer=(await response.text())[:200])
                return
            link_id = response.headers["Link-Id"]
            url = f"{leader.url}/inner/links/{link_id}"
            sending = asyncio.create_task(self._send(session, url))
            # When sending ends the link is dead: closing it wakes the reader below.
            sending.add_done_callback(lambda _: response.close())
            try:
                decoder = Decoder()
                async for data in response.content.iter_any():
                    for record in decoder.feed(data):
                        self.hear(orjson.loads(record))
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    def hear(self, message: Json) -> None:
        """Obey the master."""
        if message["type"] == "SHUTDOWN":
            log("the master shuts this agent down", why=message["message"])
            self._is_gone = not message.get("may_return", False)
            self._relink_seconds = RELINK_WHEN_DOWN_SECONDS
        self.state.from_master(message, self._clock.now())
        self._carry_out()

    async def _send(self, session: aiohttp.ClientSession, url: str) -> None:
        """Send what is queued, in order, until the master does not want it on this link."""
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


def _status_uuid() -> str:
    return base64.b64encode(uuid.uuid4().bytes).decode()


def main() -> None:
    """Run the agent that the command line names."""
    config, node = main_arguments()

    async def _run() -> None:
        await Agent(config, node).run()

    asyncio.run(_run())


if __name__ == "__main__":
    main()
