"""Who is offered what: fair sharing by dominant share, refused offers, suppressed roles.

The one thing to know: as in Mesos, all that is free on an agent goes to one framework in one offer,
and a refusal holds only while the agent has no more free than what was refused.
"""

from collections.abc import Iterable

from connectors.devcluster.master.model import (
    REFUSE_SECONDS_DEFAULT,
    REFUSE_SECONDS_MAX,
    Agent,
    Cluster,
    Framework,
    Offer,
    OfferFilter,
    hold,
    release,
)
from connectors.devcluster.resources import Resources, total
from connectors.devcluster.words import Json


def allocate(cluster: Cluster, now: float) -> None:
    """Offer what is free to the frameworks that want it, the poorest first."""
    _forget_expired(cluster, now)
    capacity = total(Resources(a.total.scalars) for a in cluster.agents.values())
    made: dict[str, list[Offer]] = {}
    for agent in cluster.agents.values():
        if not agent.is_connected or not agent.free.is_offerable():
            continue
        for framework, role in _in_turn(cluster, capacity):
            if not _is_refused(cluster, framework, role, agent, now):
                offer = _make_offer(cluster, framework, role, agent)
                made.setdefault(framework.framework_id, []).append(offer)
                break
    for framework_id, offers in made.items():
        framework = cluster.frameworks[framework_id]
        events = [offer_json(cluster, framework, offer) for offer in offers]
        cluster.send(framework, "OFFERS", {"offers": events})


def _in_turn(cluster: Cluster, capacity: Resources) -> list[tuple[Framework, str]]:
    """Frameworks and roles that take offers, those with the smallest dominant share first."""
    turn = [
        (_dominant_share(framework, capacity), framework.framework_id, role)
        for framework in cluster.frameworks.values()
        if framework.is_connected
        for role in framework.roles
        if role not in framework.suppressed
    ]
    return [(cluster.frameworks[framework_id], role) for _, framework_id, role in sorted(turn)]


def _dominant_share(framework: Framework, capacity: Resources) -> float:
    return max(
        (framework.allocated.get(n, 0) / amount for n, amount in capacity.scalars.items()),
        default=0.0,
    )


def _is_refused(
    cluster: Cluster, framework: Framework, role: str, agent: Agent, now: float
) -> bool:
    filters = cluster.filters.get((framework.framework_id, role, agent.agent_id), ())
    return any(f.until > now and f.resources.contains(agent.free) for f in filters)


def _forget_expired(cluster: Cluster, now: float) -> None:
    for key in list(cluster.filters):
        left = [f for f in cluster.filters[key] if f.until > now]
        if left:
            cluster.filters[key] = left
        else:
            del cluster.filters[key]


def _make_offer(cluster: Cluster, framework: Framework, role: str, agent: Agent) -> Offer:
    offer_id = f"{cluster.master_id}-O{cluster.next_offer}"
    cluster.next_offer += 1
    offer = Offer(offer_id, framework.framework_id, agent.agent_id, role, agent.free)
    agent.free = agent.free - offer.resources
    agent.offers[offer_id] = offer
    framework.offers[offer_id] = offer
    hold(framework, offer.resources)
    return offer


def offer_json(cluster: Cluster, framework: Framework, offer: Offer) -> Json:
    """The offer as an event carries it; roles are named only to MULTI_ROLE frameworks."""
    agent = cluster.agents[offer.agent_id]
    role = offer.role if framework.is_multi_role else None
    result: Json = {
        "id": {"value": offer.offer_id},
        "framework_id": {"value": offer.framework_id},
        "agent_id": {"value": agent.agent_id},
        "hostname": agent.hostname,
        "url": {
            "scheme": "http",
            "address": {"hostname": agent.hostname, "ip": agent.ip, "port": agent.port},
            "path": "/slave(1)",
        },
        "resources": offer.resources.to_json(role),
        "attributes": agent.attributes,
    }
    if role is not None:
        result["allocation_info"] = {"role": role}
    return result


def take_back(cluster: Cluster, offer: Offer) -> None:
    """Make the offer void and its resources free, without a word to the framework."""
    agent = cluster.agents[offer.agent_id]
    del agent.offers[offer.offer_id]
    agent.free = agent.free + offer.resources
    framework = cluster.frameworks.get(offer.framework_id)
    release(framework, offer.resources)
    if framework is not None:
        del framework.offers[offer.offer_id]


def rescind(cluster: Cluster, offers: Iterable[Offer]) -> None:
    """Make the offers void and say so to their frameworks."""
    for offer in list(offers):
        framework = cluster.frameworks.get(offer.framework_id)
        take_back(cluster, offer)
        if framework is not None:
            cluster.send(framework, "RESCIND", {"offer_id": {"value": offer.offer_id}})


def refuse(
    cluster: Cluster, offer: Offer, resources: Resources, filters: Json | None, now: float
) -> None:
    """Remember that the framework does not want these resources of the offer's agent."""
    seconds = float((filters or {}).get("refuse_seconds", REFUSE_SECONDS_DEFAULT))
    if seconds < 0:
        seconds = REFUSE_SECONDS_DEFAULT
    seconds = min(seconds, REFUSE_SECONDS_MAX)
    if seconds == 0 or not resources:
        return
    # At least one allocation passes before a refusal ends, as in Mesos' allocator.
    until = now + max(seconds, cluster.settings.allocation_seconds)
    key = (offer.framework_id, offer.role, offer.agent_id)
    cluster.filters.setdefault(key, []).append(OfferFilter(resources, until))


def forget_refusals(
    cluster: Cluster, framework_id: str, roles: Iterable[str] | None = None
) -> None:
    """Drop a framework's filters, of these roles or of all."""
    wanted = None if roles is None else set(roles)
    for key in list(cluster.filters):
        if key[0] == framework_id and (wanted is None or key[1] in wanted):
            del cluster.filters[key]
