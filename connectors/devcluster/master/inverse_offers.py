"""Inverse offers: frameworks are asked to leave agents that the operator will take away.

The one thing to know: a framework is asked once for each agent on which it holds anything, an offer
included, and again when its answer's filter has run out; nothing is taken from it before the
machine is down. Call ``schedule_changed`` after the schedule has changed.
"""

from collections.abc import Iterable

from connectors.devcluster.master import void
from connectors.devcluster.master.model import (
    REFUSE_SECONDS_DEFAULT,
    REFUSE_SECONDS_MAX,
    Agent,
    Cluster,
    Framework,
    InverseOffer,
)
from connectors.devcluster.words import Json


def schedule_changed(cluster: Cluster, now: float) -> None:
    """Take back all offers and inverse offers of the machines concerned; they are made anew."""
    for agent in cluster.agents.values():
        unavailability = unavailability_of(cluster, agent)
        was_told = any(o.unavailability is not None for o in agent.offers.values())
        if unavailability is None and not was_told and not agent.inverse_offers:
            continue
        void.rescind(cluster, agent.offers.values())
        rescind(cluster, agent)
        for key in [k for k in cluster.inverse_filters if k[1] == agent.agent_id]:
            del cluster.inverse_filters[key]
        for key in [k for k in cluster.inverse_answers if k[1] == agent.agent_id]:
            del cluster.inverse_answers[key]
    cluster.next_allocation_at = now


def unavailability_of(cluster: Cluster, agent: Agent) -> Json | None:
    """When the agent's machine will be unavailable, if the operator has said so."""
    return cluster.unavailability.get((agent.hostname.lower(), agent.ip))


def allocate(cluster: Cluster, now: float) -> None:
    """Make the inverse offers that are due."""
    if not cluster.unavailability:
        return
    for key in [k for k, until in cluster.inverse_filters.items() if until <= now]:
        del cluster.inverse_filters[key]
    made: dict[str, list[Json]] = {}
    for agent in cluster.agents.values():
        unavailability = unavailability_of(cluster, agent)
        if unavailability is None or not agent.is_active:
            continue
        asked = {o.framework_id for o in agent.inverse_offers.values()}
        for framework_id in sorted(_holders(agent) - asked):
            framework = cluster.frameworks.get(framework_id)
            key = (framework_id, agent.agent_id)
            if framework is None or not framework.is_connected or key in cluster.inverse_filters:
                continue
            offer = _make(cluster, framework, agent, unavailability)
            made.setdefault(framework_id, []).append(_json(agent, offer))
    for framework_id, offers in made.items():
        framework = cluster.frameworks[framework_id]
        cluster.send(framework, "INVERSE_OFFERS", {"inverse_offers": offers})


def _holders(agent: Agent) -> set[str]:
    """The frameworks that hold anything of the agent."""
    holders = {o.framework_id for o in agent.offers.values()}
    holders |= {t.framework_id for t in agent.tasks.values() if t.holds_resources}
    return holders | {e.framework_id for e in agent.executors.values()}


def _make(
    cluster: Cluster, framework: Framework, agent: Agent, unavailability: Json
) -> InverseOffer:
    # Offers and inverse offers are numbered together, as in Mesos.
    inverse_offer_id = f"{cluster.master_id}-O{cluster.next_offer}"
    cluster.next_offer += 1
    offer = InverseOffer(inverse_offer_id, framework.framework_id, agent.agent_id, unavailability)
    agent.inverse_offers[inverse_offer_id] = offer
    framework.inverse_offers[inverse_offer_id] = offer
    return offer


def _json(agent: Agent, offer: InverseOffer) -> Json:
    return {
        "id": {"value": offer.inverse_offer_id},
        "url": {
            "scheme": "http",
            "address": {"hostname": agent.hostname, "ip": agent.ip, "port": agent.port},
            "path": "/slave(1)",
        },
        "framework_id": {"value": offer.framework_id},
        "agent_id": {"value": offer.agent_id},
        "unavailability": offer.unavailability,
    }


def answered(
    cluster: Cluster, framework: Framework, body: Json, now: float, *, is_accepted: bool
) -> None:
    """Remember what a framework said of leaving; unknown inverse offers are ignored."""
    seconds = float(body.get("filters", {}).get("refuse_seconds", REFUSE_SECONDS_DEFAULT))
    if seconds < 0:
        seconds = REFUSE_SECONDS_DEFAULT
    until = now + min(seconds, REFUSE_SECONDS_MAX)
    for item in body.get("inverse_offer_ids", []):
        offer = framework.inverse_offers.get(item["value"])
        if offer is None:
            continue
        key = (framework.framework_id, offer.agent_id)
        _forget(cluster, offer)
        cluster.inverse_filters[key] = until
        cluster.inverse_answers[key] = {
            "status": "ACCEPT" if is_accepted else "DECLINE",
            "framework_id": {"value": framework.framework_id},
            "timestamp": {"nanoseconds": int(now * 1e9)},
        }


def rescind(cluster: Cluster, agent: Agent) -> None:
    """Make the agent's inverse offers void and say so."""
    for offer in list(agent.inverse_offers.values()):
        framework = cluster.frameworks.get(offer.framework_id)
        _forget(cluster, offer)
        if framework is not None:
            inverse_offer_id = {"value": offer.inverse_offer_id}
            body = {"inverse_offer_id": inverse_offer_id}
            cluster.send(framework, "RESCIND_INVERSE_OFFER", body)


def drop(cluster: Cluster, offers: Iterable[InverseOffer]) -> None:
    """Make inverse offers void without a word, as when a framework's stream is gone."""
    for offer in list(offers):
        _forget(cluster, offer)
        cluster.inverse_filters.pop((offer.framework_id, offer.agent_id), None)


def _forget(cluster: Cluster, offer: InverseOffer) -> None:
    agent = cluster.agents.get(offer.agent_id)
    if agent is not None:
        agent.inverse_offers.pop(offer.inverse_offer_id, None)
    framework = cluster.frameworks.get(offer.framework_id)
    if framework is not None:
        framework.inverse_offers.pop(offer.inverse_offer_id, None)
