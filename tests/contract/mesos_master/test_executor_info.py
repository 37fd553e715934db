"""What a custom executor is told of itself: as the master completes it."""

from pathlib import Path

import pytest

from tests.contract.mesos_master.executor_client import launched, waiting
from tests.contract.mesos_master.master_client import Framework, Json, task

pytestmark = pytest.mark.integration


def scalar(name: str, value: float, **more: object) -> Json:
    """A scalar resource of the form that executors see: no role, and whose it is."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


OURS = {"allocation_info": {"role": "*"}}
OF_EXECUTOR = [
    scalar("cpus", 0.1, **OURS),
    scalar("mem", 32.0, **OURS),
    scalar("disk", 10.0, **OURS),
]


def test_resources_are_told_with_their_role_and_commands_with_their_defaults(
    port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        info = waiting(tmp_path, "e")
        executor = launched(framework, tmp_path, info, "one")
        executor.subscribe()
        first, launch = executor.expect("SUBSCRIBED", "LAUNCH")
        command = {"value": info["command"]["value"], "shell": True}
        task_info = launch["launch"]["task"]
        for told in (first["subscribed"]["executor_info"], task_info["executor"]):
            assert told == {
                **info,
                "framework_id": {"value": framework.framework_id},
                "command": command,
                "resources": OF_EXECUTOR,
            }
        assert task_info["resources"] == [scalar("cpus", 0.1, **OURS), scalar("mem", 32.0, **OURS)]
        agent = first["subscribed"]["agent_info"]
        assert agent.keys() == {"hostname", "port", "id", "resources", "attributes"}
        assert all("role" not in each for each in agent["resources"])
        assert first["subscribed"]["framework_info"]["checkpoint"] is True


def test_of_two_executors_with_one_id_both_are_shown(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        info = waiting(tmp_path, "e")
        executor = launched(framework, tmp_path, info, "one")
        executor.subscribe()
        first, _ = executor.expect("SUBSCRIBED", "LAUNCH")
        offer = framework.offer_of(first["subscribed"]["agent_info"]["id"]["value"])
        other = {**info, "command": {"value": "exit 0"}}
        framework.launch([offer], [task("two", offer, command=None, executor=other)])
        status = framework.await_update("two")
        assert (status["state"], status["reason"]) == ("TASK_ERROR", "REASON_TASK_INVALID")
        lines = status["message"].splitlines()
        rule = "-" * 60
        assert lines[0] == (
            "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID."
        )
        assert [lines[at + 1] for at, line in enumerate(lines[:-1]) if line == rule] == [
            "Existing ExecutorInfo:",
            "ExecutorInfo:",
        ]
        assert lines[-1] == rule
