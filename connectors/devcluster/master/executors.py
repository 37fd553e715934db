"""Executors that a framework brings along, and the default one: what they hold, and their end.

The one thing to know: an executor's own resources are counted once per agent, from its first task
until the agent says that it ended, however few tasks it still has.
"""

from collections.abc import Iterable

import orjson

from connectors.devcluster.master.model import Agent, Cluster, Executor, Framework, hold, release
from connectors.devcluster.resources import from_json
from connectors.devcluster.speciality import post_format
from connectors.devcluster.words import Json

_RULE = "-" * 60


def started(agent: Agent, framework: Framework, info: Json, role: str) -> Executor | None:
    """Count an executor whose first task is launched; None when it is there already."""
    key = (framework.framework_id, info["executor_id"]["value"])
    if key in agent.executors:
        return None
    resources = from_json(info.get("resources", [])).aligned_to(agent.total)
    executor = Executor(
        framework.framework_id, agent.agent_id, complete(info, framework, role), resources, role
    )
    agent.executors[key] = executor
    agent.free = agent.free - resources
    hold(framework, role, resources)
    return executor


def complete(info: Json, framework: Framework, role: str) -> Json:
    """The executor with the framework id that may be left out, and whose its resources are."""
    whole = allocated(info, role)
    return {**whole, "framework_id": {"value": framework.framework_id}}


def allocated(info: Json, role: str) -> Json:
    """A task or an executor whose resources say for which role they are allocated."""
    if "resources" not in info:
        return info
    to_role = {"allocation_info": {"role": role}}
    return {**info, "resources": [{**post_format(r)[0], **to_role} for r in info["resources"]]}


def incompatibility(framework: Framework, role: str, known: Executor, info: Json) -> str | None:
    """Why a task cannot go to an executor that is there under the same id, or None."""
    wanted = complete(info, framework, role)
    if _comparable(wanted) == _comparable(known.info):
        return None
    return (
        "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n"
        f"{_RULE}\nExisting ExecutorInfo:\n{_text(known.info)}\n{_RULE}\n"
        f"ExecutorInfo:\n{_text(wanted)}\n{_RULE}\n"
    )


def _comparable(info: Json) -> Json:
    amount = from_json(info.get("resources", []))
    return {**info, "resources": amount, "type": info.get("type", "CUSTOM")}


def _text(info: Json) -> str:
    return orjson.dumps(info, option=orjson.OPT_INDENT_2).decode()


def exited(cluster: Cluster, agent: Agent, message: Json) -> None:
    """The agent says that an executor ended: free what it held, and tell its framework."""
    framework_id, executor_id = message["framework_id"], message["executor_id"]
    forget(cluster, agent, (framework_id, executor_id))
    framework = cluster.frameworks.get(framework_id)
    if framework is not None:
        failure: Json = {
            "agent_id": {"value": agent.agent_id},
            "executor_id": {"value": executor_id},
            "status": message["status"],
        }
        cluster.send(framework, "FAILURE", failure)


def said(cluster: Cluster, agent: Agent, message: Json) -> None:
    """An executor has a message for its framework; nothing when that is not connected."""
    framework = cluster.frameworks.get(message["framework_id"])
    if framework is not None:
        body: Json = {
            "agent_id": {"value": agent.agent_id},
            "executor_id": {"value": message["executor_id"]},
            "data": message["data"],
        }
        cluster.send(framework, "MESSAGE", body)


def forget(cluster: Cluster, agent: Agent, key: tuple[str, str]) -> None:
    """Free what an executor holds, if it is known."""
    executor = agent.executors.pop(key, None)
    if executor is not None:
        agent.free = agent.free + executor.resources
        release(cluster.frameworks.get(key[0]), executor.role, executor.resources)


def forget_of(cluster: Cluster, agent: Agent, framework_id: str) -> None:
    """Free what the executors of a framework hold on an agent."""
    for key in [k for k in agent.executors if k[0] == framework_id]:
        forget(cluster, agent, key)


def adopt(cluster: Cluster, agent: Agent, reported: Iterable[Json]) -> None:
    """Take over the executors that an agent has, and forget those that it has not."""
    alive = set()
    for entry in reported:
        framework = cluster.frameworks.get(entry["framework_id"])
        if framework is None:
            continue
        info = entry["executor"]
        alive.add((framework.framework_id, info["executor_id"]["value"]))
        started(agent, framework, info, entry["role"])
    for key in agent.executors.keys() - alive:
        forget(cluster, agent, key)
