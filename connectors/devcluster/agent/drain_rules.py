"""What a drain means for a task, for agents that run processes and for simulated ones.

The one thing to know: it is pure of any agent. A drain is the configuration as the master sent it,
without what is absent; None where there is none.
"""

from connectors.devcluster.words import Json

REFUSED = "Task was received while agent was already draining"


def config_of(message: Json) -> Json:
    """The drain that a message of the master asks for."""
    return {k: message[k] for k in ("max_grace_period", "mark_gone") if message.get(k)}


def kill_policy(drain: Json | None, info: Json) -> Json | None:
    """How a task is killed by it: with its own grace or the drain's, whichever is shorter."""
    longest = (drain or {}).get("max_grace_period", {}).get("nanoseconds")
    if longest is None:
        return None
    own = info.get("kill_policy", {}).get("grace_period", {}).get("nanoseconds", longest)
    return {"grace_period": {"nanoseconds": min(own, longest)}}


def told(drain: Json | None, status: Json) -> Json:
    """The status as it is told of a task of a draining agent."""
    if drain is None or status["state"] not in ("TASK_KILLING", "TASK_KILLED"):
        # Only of kills: a task that fails while its agent drains has failed (observed).
        return status
    status = {**status, "reason": "REASON_AGENT_DRAINING"}
    if drain.get("mark_gone"):
        # Also in place of TASK_KILLING, although the task still runs then (observed).
        status["state"] = "TASK_GONE_BY_OPERATOR"
    return status
