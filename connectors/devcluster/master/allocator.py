"""Who is offered what: fair sharing by dominant share, refused offers, suppressed roles.

The one thing to know: as in Mesos, all that a framework may have of an agent goes to it in one
offer, and a refusal holds only while there is no more of it than what was refused.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from connectors.devcluster.master import inverse_offers
from connectors.devcluster.master.model import (
    REFUSE_SECONDS_DEFAULT,
    REFUSE_SECONDS_MAX,
    Agent,
    Cluster,
    Framework,
    Offer,
    OfferFilter,
    hold,
)
from connectors.devcluster.master.turns import in_turn, wanting
from connectors.devcluster.resources import (
    NOTHING,
    PLAIN,
    REFINED,
    Resources,
    to_milli,
)
from connectors.devcluster.speciality import special
from connectors.devcluster.words import Json


def allocate(cluster: Cluster, now: float) -> None:
    """Offer what is free to the frameworks that want it, the poorest first."""
    cluster.operator.count("allocator/mesos/allocation_runs")
    _forget_expired(cluster, now)
    candidates = wanting(cluster)
    _look_anew_if_changed(cluster, candidates)
    made: dict[str, list[Offer]] = {}
    for agent in cluster.agents.values() if candidates else ():
        # Nothing is looked at twice: with thousands of agents most are as they were.
        if agent.looked_at is agent.free and agent.looked_for == cluster.demands:
            continue
        if not agent.is_active:
            continue
        if agent.free.is_offerable():
            _offer(cluster, agent, candidates, made, now)
        agent.looked_at, agent.looked_for = agent.free, cluster.demands
    for framework_id, offers in made.items():
        framework = cluster.frameworks[framework_id]
        events = [offer_json(cluster, framework, offer) for offer in offers]
        cluster.send(framework, "OFFERS", {"offers": events})
    inverse_offers.allocate(cluster, now)


def _look_anew_if_changed(cluster: Cluster, candidates: list[tuple[Framework, str]]) -> None:
    """Look at every agent again when somebody wants something else than the last time."""
    demand: list[tuple[object, ...]]
    demand = [(f.framework_id, role, f.stream_id, f.info, f.constraints) for f, role in candidates]
    if demand != cluster.demand:
        cluster.demand = demand
        cluster.demands += 1


def _offer(
    cluster: Cluster,
    agent: Agent,
    candidates: list[tuple[Framework, str]],
    made: dict[str, list[Offer]],
    now: float,
) -> None:
    """Offer what is free of one agent."""
    for framework, role in in_turn(cluster, candidates):
        part = _part_for(framework, role, agent)
        if not part or _is_refused(
            cluster, (framework.framework_id, role, agent.agent_id), part, now
        ):
            continue
        offer = _make_offer(cluster, framework, role, agent, part)
        made.setdefault(framework.framework_id, []).append(offer)
        if not agent.free.is_offerable():
            return


def _part_for(framework: Framework, role: str, agent: Agent) -> Resources:
    """What of the agent's free resources may be offered to the framework in this role."""
    capabilities = framework.capabilities
    if "gpus" in agent.total.scalars and "GPU_RESOURCES" not in capabilities:
        # Mesos' --filter_gpu_resources: such agents are kept for those who know of GPUs.
        return NOTHING
    constraints = framework.constraints.get(role)
    if constraints is not None and not constraints.allows(agent.hostname, agent.attributes):
        return NOTHING
    part = agent.free
    if not part.is_plain:
        part = part.allocatable_to(role).only(_readable_with(capabilities))
    return part if is_enough(framework, role, part) else NOTHING


def _readable_with(capabilities: frozenset[str]) -> Callable[[str], bool]:
    def is_readable(key: str) -> bool:
        found = special(key)
        return (
            ("RESERVATION_REFINEMENT" in capabilities or not found.is_refined)
            and ("SHARED_RESOURCES" in capabilities or not found.is_shared)
            and ("REVOCABLE_RESOURCES" in capabilities or "revocable" not in found.facts)
        )

    return is_readable


def is_enough(framework: Framework, role: str, part: Resources) -> bool:
    """Whether it is worth an offer, by what the framework asked for or by Mesos' defaults."""
    filters = framework.info.get("offer_filters", {}).get(role, {})
    wanted = filters.get("min_allocatable_resources")
    if wanted is None:
        return part.is_offerable()
    amounts = part.quantities
    choices = [q.get("quantities", {}) for q in wanted.get("quantities", [])]
    if not choices:
        return bool(part)
    return any(
        all(amounts.get(name, 0) >= to_milli(least["value"]) for name, least in choice.items())
        for choice in choices
    )


def _is_refused(cluster: Cluster, key: tuple[str, str, str], part: Resources, now: float) -> bool:
    filters = cluster.filters.get(key, ())
    return any(f.until > now and f.resources.contains(part) for f in filters)


def _forget_expired(cluster: Cluster, now: float) -> None:
    """Drop the refusals that have run out; their agents are looked at again."""
    ends = cluster.filter_ends
    while ends and ends[0][0] <= now:
        _, key = heappop(ends)
        if key not in cluster.filters:
            continue
        left = [f for f in cluster.filters[key] if f.until > now]
        if left:
            cluster.filters[key] = left
        else:
            del cluster.filters[key]
        if agent := cluster.agents.get(key[2]):
            agent.looked_at = None


def _make_offer(
    cluster: Cluster, framework: Framework, role: str, agent: Agent, part: Resources
) -> Offer:
    offer_id = f"{cluster.master_id}-O{cluster.next_offer}"
    cluster.next_offer += 1
    unavailability = inverse_offers.unavailability_of(cluster, agent)
    offer = Offer(offer_id, framework.framework_id, agent.agent_id, role, part, unavailability)
    agent.free = agent.free - part
    agent.offers[offer_id] = offer
    framework.offers[offer_id] = offer
    framework.allocations[role] = framework.allocations.get(role, 0) + 1
    hold(framework, role, part)
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
        "resources": offer.resources.to_json(role, style=style_of(framework)),
        "attributes": agent.attributes,
    }
    if role is not None:
        result["allocation_info"] = {"role": role}
    executors = [e for f, e in agent.executors if f == framework.framework_id]
    if executors:
        result["executor_ids"] = [{"value": e} for e in executors]
    if offer.unavailability is not None:
        result["unavailability"] = offer.unavailability
    return result


def style_of(framework: Framework) -> str:
    """The form in which this framework reads and writes resources."""
    return REFINED if "RESERVATION_REFINEMENT" in framework.capabilities else PLAIN


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
    heappush(cluster.filter_ends, (until, key))


def forget_refusals(
    cluster: Cluster, framework_id: str, roles: Iterable[str] | None = None
) -> None:
    """Drop a framework's filters, of these roles or of all."""
    wanted = None if roles is None else set(roles)
    for key in list(cluster.filters):
        if key[0] == framework_id and (wanted is None or key[1] in wanted):
            del cluster.filters[key]
    # Refusals for a year would otherwise be remembered as ends of nothing.
    cluster.filter_ends = [end for end in cluster.filter_ends if end[1] in cluster.filters]
    heapify(cluster.filter_ends)
    cluster.demand = None
