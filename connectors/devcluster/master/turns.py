"""In whose turn an offer is made: dominant shares of roles, then of the frameworks in a role.

The one thing to know: as in Mesos, roles form a tree. ``a/b`` first shares with ``a`` itself what
the whole of ``a`` gets. Equal shares are decided by who was given fewer offers, then by name.
"""

from collections.abc import Iterable, Mapping

from connectors.devcluster.master.model import Cluster, Framework

Place = tuple[object, ...]


def wanting(cluster: Cluster) -> list[tuple[Framework, str]]:
    """Frameworks and roles that take offers, in no order."""
    return [
        (framework, role)
        for framework in cluster.frameworks.values()
        if framework.is_connected
        for role in framework.roles
        if role not in framework.suppressed
    ]


def in_turn(
    cluster: Cluster, candidates: list[tuple[Framework, str]]
) -> list[tuple[Framework, str]]:
    """These frameworks and roles, those whose turn it is first."""
    if len(candidates) < 2:  # one alone has no order
        return candidates
    capacity = cluster.capacity()
    nodes = _nodes(cluster)
    turns = [
        (_place(f, role, nodes, capacity), i, f, role) for i, (f, role) in enumerate(candidates)
    ]
    return [(framework, role) for _, _, framework, role in sorted(turns, key=lambda t: t[:2])]


def _nodes(cluster: Cluster) -> dict[str, tuple[dict[str, int], int]]:
    """What each role of the tree holds, with all below it, and how often it was given offers."""
    nodes: dict[str, tuple[dict[str, int], int]] = {}
    for framework in cluster.frameworks.values():
        for role, allocated in framework.allocated.items():
            for path in _paths(role):
                amounts, count = nodes.get(path, ({}, 0))
                for name, amount in allocated.items():
                    amounts[name] = amounts.get(name, 0) + amount
                nodes[path] = (amounts, count + framework.allocations.get(role, 0))
    return nodes


def _paths(role: str) -> Iterable[str]:
    """The role and all above it, and the leaf that stands for the role without those below it."""
    parts = role.split("/")
    for length in range(1, len(parts) + 1):
        yield "/".join(parts[:length])
    yield role + "/."


def _place(
    framework: Framework,
    role: str,
    nodes: Mapping[str, tuple[dict[str, int], int]],
    capacity: Mapping[str, int],
) -> Place:
    place: list[object] = []
    for path in _paths(role):
        amounts, count = nodes.get(path, ({}, 0))
        place.append((_dominant_share(amounts, capacity), count, path))
    share = _dominant_share(framework.allocated.get(role, {}), capacity)
    place.append((share, framework.allocations.get(role, 0), framework.framework_id))
    return tuple(place)


def _dominant_share(amounts: Mapping[str, int], capacity: Mapping[str, int]) -> float:
    return max(
        (amounts.get(name, 0) / amount for name, amount in capacity.items() if amount),
        default=0.0,
    )
