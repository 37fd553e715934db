"""All simulated agents of a run, without input and output: time and messages in, outputs out.

The one thing to know: everything that happens here follows from the weather (model and seed), the
messages of the master and the times that are passed in; the same three give the same journal.
"""

from collections.abc import Callable
from random import Random

from connectors.devcluster.resources import parse_attributes, parse_resources
from connectors.devcluster.simulated.agent import SimulatedAgent
from connectors.devcluster.simulated.distributions import draw
from connectors.devcluster.simulated.host import Registry
from connectors.devcluster.simulated.model import Weather
from connectors.devcluster.simulated.outputs import (
    CloseLink,
    FleetOutput,
    OpenLink,
    Surroundings,
)
from connectors.devcluster.simulated.timeline import Timeline
from connectors.devcluster.words import Json

# What one process was measured with; see docs/benchmarks.md.
SIMULATED_AGENTS_MAX = 7_000
TASKS_MAX = 100_000
AGENT_PORT = 5051


def address_of(number: int) -> str:
    """An address of its own for each agent, on which nothing listens: 127.64.0.0 and up."""
    return f"127.{64 + (number >> 16)}.{number >> 8 & 0xFF}.{number & 0xFF}"


def resources_of(number: int, resources: str) -> str:
    """The resources of agent ``number``: of several sorts between ``|`` each agent has the next."""
    sorts = resources.split("|")
    return sorts[(number - 1) % len(sorts)].strip()


def agent_info(number: int, resources: str, attributes: str) -> Json:
    """What an agent says of itself when it registers."""
    return {
        "hostname": f"agent{number}",
        "ip": address_of(number),
        "port": AGENT_PORT,
        "attributes": parse_attributes(attributes),
        "resources": parse_resources(resources_of(number, resources)).to_json(),
    }


class Fleet:
    """Agents 1 to N."""

    def __init__(
        self,
        weather: Weather,
        infos: list[Json],
        new_uuid: Callable[[], str],
        new_status_uuid: Callable[[], str],
    ) -> None:
        self.timeline = Timeline()
        registry = Registry(weather)
        self._weather = weather
        self._shared = Surroundings(weather, self.timeline, registry, new_uuid, new_status_uuid)
        self.agents = {
            info["hostname"]: SimulatedAgent(number, info, self._shared)
            for number, info in enumerate(infos, 1)
        }
        self._by_link: dict[str, SimulatedAgent] = {}

    def start(self, now: float) -> None:
        """Start every agent; they register in their order."""
        for agent in self.agents.values():
            agent.start(now)
            self._plan_death(agent, now)

    def take(self) -> list[FleetOutput]:
        """The outputs since the last time, in the order in which they must be carried out."""
        out, self._shared.out = self._shared.out, []
        for output in out:
            if type(output) is OpenLink:
                name = output.message["info"]["hostname"]
                self._by_link[output.link_id] = self.agents[name]
            elif type(output) is CloseLink:
                self._by_link.pop(output.link_id, None)
        return out

    @property
    def next_at(self) -> float | None:
        """When something happens next."""
        return self.timeline.next_at

    def advance(self, now: float) -> None:
        """Let happen what is due."""
        self.timeline.advance(now)

    def from_master(self, link_id: str, message: Json, now: float) -> None:
        """Take what the master sends on a link; nothing when the link is gone."""
        if agent := self._by_link.get(link_id):
            agent.from_master(message, now)

    def link_ended(self, link_id: str, now: float) -> None:
        """The master has ended a link."""
        if agent := self._by_link.pop(link_id, None):
            agent.link_ended(now)

    def live_tasks(self) -> int:
        """How many tasks there are on all agents, ended ones that wait for an answer included."""
        return sum(len(agent.tasks) for agent in self.agents.values())

    # By command

    def kill(self, name: str, now: float) -> str | None:
        """Kill an agent's process; why not, or None."""
        agent = self.agents[name]
        if not agent.is_up:
            return f"{name} does not run; 'flumina dev-cluster start {name}' starts it"
        agent.kill(now)
        return None

    def kill_host(self, name: str, now: float) -> str | None:
        """Kill an agent's host with all that runs there; why not, or None."""
        agent = self.agents[name]
        if not agent.is_host_up:
            return f"the host of {name} is dead already; start {name} brings it back"
        agent.kill_host(now)
        return None

    def revive(self, name: str, now: float) -> str | None:
        """Start an agent's process again, and its host if that was dead; why not, or None."""
        agent = self.agents[name]
        if agent.is_up:
            return f"{name} already runs"
        if agent.is_gone:
            return f"{name} was marked gone for good; it is a new agent when all is started again"
        agent.start(now)
        return None

    # By the model

    def _plan_death(self, agent: SimulatedAgent, now: float) -> None:
        uptime = self._weather.model.hosts.uptime_s
        if uptime is not None:
            # A chance of its own, so that a host's deaths do not hang on what runs on it.
            chance = Random(f"{self._weather.seed}/{agent.number}/deaths")  # noqa: S311 - weather
            self.timeline.at(now + draw(uptime, chance), self._dies, agent, chance)

    def _dies(self, agent: SimulatedAgent, chance: Random, now: float) -> None:
        if agent.is_up:
            agent.kill_host(now)
        later = now + draw(self._weather.model.hosts.downtime_s, chance)
        self.timeline.at(later, self._returns, agent, chance)

    def _returns(self, agent: SimulatedAgent, chance: Random, now: float) -> None:
        if not agent.is_host_up:
            agent.start(now)
        uptime = self._weather.model.hosts.uptime_s
        assert uptime is not None, "a host that has died has an uptime"
        self.timeline.at(now + draw(uptime, chance), self._dies, agent, chance)
