"""The policies that `flumina simulate` knows by name, as placement rules of the product.

The one thing to know: a name is nothing but rules, the same value that a cell has in its log. What
the simulation shows of a name, a cell does with these rules.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from scheduler.model.rules import PlacementRules, Profile, Tier, Weights
from scheduler.placement.fitness.gpu import BEST_FIT, FEED, FGD, FRAGMENTS, MODELS

OURS: Final = "gpu"
"""Our policy for hosts with GPUs."""
OURS_WEIGHTS: Final[Weights] = (
    (BEST_FIT, 9),
    (FEED, 1_500),
    (FRAGMENTS, 2_000),
    (MODELS, 1_000),
)
"""Found by search on the nine mixes of the trace; docs/decisions/0017 has what else was tried."""
FGD_WEIGHTS: Final[Weights] = ((BEST_FIT, 1), (FGD, 101))
"""One step of fgd is 10 of 1,000 points and weighs more than all of best fit, which breaks ties."""


def pack() -> PlacementRules:
    """Few hosts, filled: the product's profile ``pack``."""
    return _all_work(_profile("pack"))


def spread() -> PlacementRules:
    """Many hosts, each with as few tasks of a job as can be: the product's profile ``spread``."""
    return _all_work(_profile("spread"))


def failover() -> PlacementRules:
    """The product's rules in the mode of a cell that takes over another's work."""
    return PlacementRules(mode="failover")


def empty() -> PlacementRules:
    """The emptiest host first, by cpu and memory: what spreads a job over hosts and no more."""
    return _all_work(Profile(name="empty", weights=(("spread", 1_000),), soft_weight=1_000))


def gpu() -> PlacementRules:
    """Ours: idle devices stay usable, fed with cpu, and of models that others do not need."""
    return _all_work(Profile(name=OURS, weights=OURS_WEIGHTS, soft_weight=2_000))


def fgd() -> PlacementRules:
    """Fragmentation gradient descent, Weng et al. 2023, in whole numbers 0 to 100."""
    return _all_work(Profile(name="fgd", weights=FGD_WEIGHTS))


def bestfit() -> PlacementRules:
    """The host that is left with least, cpu and devices by half."""
    return _all_work(Profile(name="bestfit", weights=((BEST_FIT, 1),)))


POLICIES: Final[Mapping[str, Callable[[], PlacementRules]]] = MappingProxyType(
    {
        "pack": pack,
        "spread": spread,
        "empty": empty,
        "failover": failover,
        "gpu": gpu,
        "fgd": fgd,
        "bestfit": bestfit,
    }
)


def _profile(name: str) -> Profile:
    return next(each for each in PlacementRules().profiles if each.name == name)


def _all_work(profile: Profile) -> PlacementRules:
    """The product's rules, with one profile for all kinds of work."""
    tier = Tier(name="Flex", service_profile=profile.name, batch_profile=profile.name)
    return msgspec.structs.replace(PlacementRules(), profiles=(profile,), tiers=(tier,))
