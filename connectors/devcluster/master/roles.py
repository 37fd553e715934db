"""Who uses which role, and how much: ``/roles``, GET_ROLES and the shares in the metrics.

The one thing to know: a role exists while a framework has it, something is reserved to it, or
something is allocated to it; there are no weights and no quota, so every weight is 1.
"""

from dataclasses import dataclass, field

from connectors.devcluster.master.model import Cluster
from connectors.devcluster.master.sums import used_by
from connectors.devcluster.resources import MILLI, NOTHING, Resources
from connectors.devcluster.words import Json


@dataclass
class RoleUse:
    """One role: its frameworks, and the scalars that are allocated, offered and reserved to it."""

    name: str
    framework_ids: list[str] = field(default_factory=list)
    allocated: Resources = NOTHING
    offered: Resources = NOTHING
    reserved: Resources = NOTHING


def roles_of(cluster: Cluster) -> list[RoleUse]:
    """All roles there are, by name."""
    found: dict[str, RoleUse] = {}

    def role(name: str) -> RoleUse:
        return found.setdefault(name, RoleUse(name))

    for framework in cluster.frameworks.values():
        for name in framework.roles:
            role(name).framework_ids.append(framework.framework_id)
        for name, amount in used_by(framework).items():
            role(name).allocated = role(name).allocated + amount
        for offer in framework.offers.values():
            role(offer.role).offered = role(offer.role).offered + Resources(
                offer.resources.quantities
            )
    for agent in cluster.agents.values():
        if not agent.total.is_plain:
            for name, amount in agent.total.reserved().items():
                use = role(name)
                use.reserved = use.reserved + Resources(amount.quantities)
    return [found[name] for name in sorted(found)]


def _amounts(resources: Resources) -> Json:
    return {name: resources.scalars[name] / MILLI for name in sorted(resources.scalars)}


def roles_view(cluster: Cluster) -> Json:
    """The body of ``/roles``."""
    return {
        "roles": [
            {
                "name": use.name,
                "weight": 1.0,
                "quota": {
                    "role": use.name,
                    "guarantee": {},
                    "limit": {},
                    "consumed": _amounts(use.allocated),
                },
                "resources": _amounts(use.allocated + use.offered),
                "allocated": _amounts(use.allocated),
                "offered": _amounts(use.offered),
                "reserved": _amounts(use.reserved),
                "frameworks": use.framework_ids,
            }
            for use in roles_of(cluster)
        ]
    }
