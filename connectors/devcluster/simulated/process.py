"""The process of a simulated cluster: the same master, and agents that are no processes.

The one thing to know: only what carries messages to agents and back is different. Frameworks speak
to the same master over the same HTTP, and its journal is written as ever.
"""

import asyncio
import os
from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from connectors.devcluster.journal import Journal
from connectors.devcluster.master.model import EndLink, ToAgent
from connectors.devcluster.master.process import Master
from connectors.devcluster.master.standby import Leading, run_master
from connectors.devcluster.node import ClusterConfig, log, main_arguments
from connectors.devcluster.simulated import outputs
from connectors.devcluster.simulated.collector import Collector
from connectors.devcluster.simulated.fleet import TASKS_MAX, Fleet, agent_info
from connectors.devcluster.simulated.model import weather_of
from connectors.devcluster.words import Json

_COMMANDS = "/inner/simulated/"


class SimulatedMaster(Master):
    """A master with all its agents inside."""

    def __init__(self, config: ClusterConfig, node: str) -> None:
        weather = weather_of(Path(config.tasks_model) if config.tasks_model else None, config.seed)
        infos = [
            agent_info(number, config.resources, config.attributes_of(f"agent{number}"))
            for number in range(1, config.simulate + 1)
        ]
        self._fleet = Fleet(weather, infos, _new_container_id, _new_status_uuid)
        self._agents_journal = Journal(config.root / "agents" / "journal.jsonl")
        self._is_pumping = False
        self._appointment: asyncio.TimerHandle | None = None
        self._appointment_at = 0.0
        self._collector: Collector | None = None
        super().__init__(config, node)
        cluster = self.state.cluster
        cluster.settings = replace(cluster.settings, simulated=weather.title, tasks_max=TASKS_MAX)
        for entry in cluster.recovered.values():
            # A cluster that is started again on the same folder knows its agents.
            if known := self._fleet.agents.get(entry["hostname"]):
                known.agent_id = entry["agent_id"]
        log(f"simulated agents: {config.simulate}; {weather.title}")

    def begin(self) -> Leading:
        """Let time pass, register all agents, and give what is to be served."""
        app, quick, _ = super().begin()
        now = self._clock.now()
        self._fleet.start(now)
        # All are there before anybody can ask: the delay of their registration is over at once.
        self._pump(now + 1.0)
        self._collector = Collector()
        log("simulated agents are registered", memory_mib=resident_mib())

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if str(scope.get("path", "")).startswith(_COMMANDS):
                answer = await self._command(Request(scope, receive))
                await answer(scope, receive, send)
            else:
                await app(scope, receive, send)

        return Leading(serve, quick, self.settle)

    def settle(self) -> None:
        """Write both journals and be woken when the agents' next moment has come."""
        super().settle()
        self._agents_journal.flush()
        self._make_appointment()
        if self._collector is not None:
            self._collector.look(self._clock.now())

    def _carry_out_all(self) -> None:
        for output in self.state.take():
            if type(output) is ToAgent:
                self._to_agent(output.link_id, output.message)
            elif type(output) is EndLink:
                self._fleet.link_ended(output.link_id, self._clock.now())
            else:
                self._carry_out_one(output)

    def _to_agent(self, link_id: str, message: Json) -> None:
        self._fleet.from_master(link_id, message, self._clock.now())

    # Between master and agents

    def _make_appointment(self) -> None:
        """Be woken when the next thing happens on an agent."""
        if self._is_pumping:
            return
        due = self._fleet.next_at
        if self._appointment is not None:
            if due is not None and self._appointment_at <= due:
                return
            self._appointment.cancel()
            self._appointment = None
        if due is not None:
            self._appointment_at = due
            loop = asyncio.get_running_loop()
            wait = max(0.0, due - self._clock.now())
            self._appointment = loop.call_later(wait, self._due)

    def _due(self) -> None:
        self._appointment = None
        self._pump(self._clock.now())

    def _pump(self, now: float) -> None:
        """Let happen what is due on the agents, and give the master what they say."""
        self._is_pumping = True
        try:
            self._fleet.advance(now)
            while out := self._fleet.take():
                for output in out:
                    self._take(output, now)
                # What the master answers may make an agent speak at once: it ends in ``out`` again.
                self._carry_out_all()
        finally:
            self._is_pumping = False
        # What the streams were given is sent only when the loop goes on.
        self.settle()

    def _take(self, output: outputs.FleetOutput, now: float) -> None:
        match output:
            case outputs.ToMaster():
                self.state.from_agent(output.link_id, (output.message,))
            case outputs.OpenLink():
                self.state.register(output.link_id, output.message, now)
            case outputs.CloseLink():
                self.state.link_closed(output.link_id, now)
            case outputs.Journal():
                self._agents_journal.add(output.what, output.facts)

    # Commands

    async def _command(self, request: Request) -> PlainTextResponse:
        """Obey ``kill`` or ``start`` of a simulated agent, as the supervisor passes them on."""
        if (await request.body()).decode("latin-1") != self._config.token:
            return PlainTextResponse("Only this cluster's own commands may do this", 403)
        verb, _, name = request.url.path.removeprefix(_COMMANDS).partition("/")
        if name not in self._fleet.agents:
            there = f"there are agent1 to agent{len(self._fleet.agents)}"
            return PlainTextResponse(f"there is no {name!r} here; {there}", 404)
        now = self._clock.now()
        said = ""
        match verb:
            case "kill":
                problem = self._fleet.kill(name, now)
            case "kill-host":
                said = str(self._fleet.agents[name].running())
                problem = self._fleet.kill_host(name, now)
            case "start":
                problem = self._fleet.revive(name, now)
            case _:
                return PlainTextResponse(
                    f"simulated agents do not know {verb!r}; 'kill' and 'start' are what they know",
                    404,
                )
        self._pump(now)
        return PlainTextResponse(problem or said, 409 if problem else 200)


def _random_uuids() -> Iterator[bytes]:
    """Random UUIDs (version 4), in a tenth of the time that the library takes."""
    while True:
        # The kernel is asked for many at once.
        raw = bytearray(os.urandom(16 * 256))
        for place in range(0, len(raw), 16):
            raw[place + 6] = raw[place + 6] & 0x0F | 0x40
            raw[place + 8] = raw[place + 8] & 0x3F | 0x80
            yield bytes(raw[place : place + 16])


_uuids = _random_uuids()


def _new_status_uuid() -> str:
    """A fresh id as the v1 API writes bytes."""
    return b2a_base64(next(_uuids), newline=False).decode()


def _new_container_id() -> str:
    """A fresh id as text."""
    text = next(_uuids).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def resident_mib() -> int:
    """The memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def main() -> None:
    """Run the simulated cluster that the command line names."""
    config, node = main_arguments()
    asyncio.run(run_master(config, node, lambda: SimulatedMaster(config, node).begin()))


if __name__ == "__main__":
    main()
