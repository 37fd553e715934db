"""Offers become void: taken back in silence, or rescinded with a word to their framework.

The one thing to know: what an offer held is free again at once, on its agent and in its
framework's share.
"""

from collections.abc import Iterable

from connectors.devcluster.master.model import Cluster, Offer, release


def take_back(cluster: Cluster, offer: Offer) -> None:
    """Make the offer void and its resources free, without a word to the framework."""
    agent = cluster.agents[offer.agent_id]
    del agent.offers[offer.offer_id]
    agent.free = agent.free + offer.resources
    framework = cluster.frameworks.get(offer.framework_id)
    release(framework, offer.role, offer.resources)
    if framework is not None:
        del framework.offers[offer.offer_id]


def rescind(cluster: Cluster, offers: Iterable[Offer]) -> None:
    """Make the offers void and say so to their frameworks."""
    for offer in list(offers):
        framework = cluster.frameworks.get(offer.framework_id)
        take_back(cluster, offer)
        if framework is not None:
            cluster.send(framework, "RESCIND", {"offer_id": {"value": offer.offer_id}})
