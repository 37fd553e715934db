"""What simulated agents put out, and what all of a run share.

The one thing to know: outputs are carried out by the process, in order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from connectors.devcluster.simulated.host import Registry
from connectors.devcluster.simulated.model import Weather
from connectors.devcluster.simulated.timeline import Timeline
from connectors.devcluster.words import Json


class ToMaster(msgspec.Struct, frozen=True):
    """A message on an agent's link."""

    link_id: str
    message: Json


class OpenLink(msgspec.Struct, frozen=True):
    """An agent registers."""

    link_id: str
    message: Json


class CloseLink(msgspec.Struct, frozen=True):
    """An agent's link breaks."""

    link_id: str


class Journal(msgspec.Struct, frozen=True):
    """A line of the agents' journal."""

    what: str
    facts: Json


FleetOutput = ToMaster | OpenLink | CloseLink | Journal


@dataclass
class Surroundings:
    """What all agents of a run share."""

    weather: Weather
    timeline: Timeline
    registry: Registry
    new_uuid: Callable[[], str]
    new_status_uuid: Callable[[], str]
    out: list[FleetOutput] = field(default_factory=list)
    links: int = 0

    def new_link(self) -> str:
        """The id of a link that there was not before."""
        self.links += 1
        return f"simulated-{self.links}"
