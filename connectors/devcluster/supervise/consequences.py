"""What follows from a command, as sentences: the failure was asked for, what it leads to was not.

The one thing to know: these are Mesos' rules (section 6 of what its API promises), said with this
cluster's own numbers. Nothing is decided here.
"""

from collections.abc import Iterable, Sequence

from connectors.devcluster.network.cuts import SCHEDULER
from connectors.devcluster.node import ClusterConfig


def seconds_text(seconds: float) -> str:
    """A duration as people say it."""
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def _pings(config: ClusterConfig) -> str:
    each, count = config.ping_timeout_seconds, config.missed_pings_max
    return f"{count} missed pings of {seconds_text(each)}: in about {seconds_text(count * each)}"


def of_kill(config: ClusterConfig, node: str, ended: int | None) -> str:
    """What follows from kill -9 of a node, or of a host with so many processes."""
    if node.startswith("master"):
        if config.simulate:
            return (
                "Its streams have ended, and with it all simulated agents and tasks, as if their "
                f"hosts had lost their power; 'flumina dev-cluster start {node}' begins again with "
                "the same agents and no tasks."
            )
        stays = "Its streams have ended; agents and tasks go on. "
        if config.masters > 1:
            return stays + "Another master takes over at once, if one runs. " + _window(config)
        return stays + f"'flumina dev-cluster start {node}' begins a new one. " + _window(config)
    told = "Its offers are rescinded now, and tasks of frameworks without checkpoint are TASK_LOST."
    if ended is not None:
        what = "tasks" if config.simulate else "processes of executors and tasks"
        lives = f"{ended} {what} have ended with it. "
    else:
        lives = "Tasks of frameworks with checkpoint run on. "
    return (
        f"{told} {lives}{_pings(config)} its other tasks are TASK_UNREACHABLE (TASK_LOST "
        f"without PARTITION_AWARE), unless 'flumina dev-cluster start {node}' is quicker."
    )


def _window(config: ClusterConfig) -> str:
    return (
        "A new leader has the registry of agents and waits "
        f"{seconds_text(config.reregister_timeout_seconds)} for them; of those not back it says "
        "nothing until then."
    )


def of_start(config: ClusterConfig, node: str, leader: str | None) -> str:
    """What follows from a node's start while this master leads."""
    if node.startswith("master"):
        if leader not in (node, None):
            return f"It stands by: {leader} leads."
        return "Frameworks subscribe again. " + _window(config)
    return "Its executors, if they live, come back to it within 2 s, with all that has happened."


def of_pause(config: ClusterConfig, node: str) -> str:
    """What follows from SIGSTOP."""
    if node.startswith("master"):
        return "It answers nobody, and still holds the lead: no other master takes over."
    return f"{_pings(config)} its tasks are TASK_UNREACHABLE, while they run."


def of_resume(node: str) -> str:
    """What follows from SIGCONT."""
    if node.startswith("master"):
        return "What came meanwhile is answered now."
    return "If it was given up it registers again, and its tasks are TASK_RUNNING again."


def of_partition(config: ClusterConfig, pairs: Iterable[Sequence[str]]) -> str:
    """What follows from cuts between these senders and receivers."""
    names = {name for pair in pairs for name in pair}
    masters = any(name.startswith("master") for name in names)
    agents = any(name.startswith("agent") for name in names)
    if masters and agents:
        return (
            f"Connections stay open and carry nothing. {_pings(config)} the agent's tasks are "
            "TASK_UNREACHABLE, while they run."
        )
    if masters:
        return (
            "Connections stay open and carry nothing: no heartbeat, no answer, no event; what a "
            "call asked for may be done when the cut is healed. The framework counts as connected."
        )
    return f"Sandboxes and states of the agent cannot be read by {SCHEDULER}s; nothing else."


def of_heal() -> str:
    """What follows from the end of a cut."""
    return (
        "What was sent meanwhile arrives now. An agent that was given up registers again, "
        "and its tasks are TASK_RUNNING again."
    )


def of_gone() -> str:
    """What follows from an operator's word that an agent is gone."""
    return (
        "Its tasks are TASK_GONE_BY_OPERATOR (TASK_LOST without PARTITION_AWARE) and are ended; "
        "it may not come back under its id."
    )


def of_drain(node: str, grace: str | None, *, is_marked_gone: bool) -> str:
    """What follows from draining an agent."""
    patience = f", with at most {grace} of grace" if grace else ""
    after = (
        "Then it is marked gone for good."
        if is_marked_gone
        else f"Then it is DRAINED, until 'flumina dev-cluster reactivate {node}'."
    )
    return f"Nothing is started there, and its tasks are killed{patience}. {after}"
