"""What the master refuses of executors and of task groups: one bad task refuses the whole group."""

from typing import Any

import pytest

from tests.contract.mesos_master.master_client import Framework, Json, scalars, task

pytestmark = pytest.mark.integration

SLEEP = {"value": "exec sleep 600"}


def executor(executor_id: str = "e", /, **more: Any) -> Json:
    """An executor of the framework's own; None leaves a field out."""
    info: Json = {
        "executor_id": {"value": executor_id},
        "command": SLEEP,
        "resources": scalars(0.2, 64.0),
        **more,
    }
    return {k: v for k, v in info.items() if v is not None}


def default(framework: Framework, /, **more: Any) -> Json:
    """The default executor of a task group; None leaves a field out."""
    info: Json = {
        "executor_id": {"value": "d"},
        "type": "DEFAULT",
        "framework_id": {"value": framework.framework_id},
        "resources": scalars(0.1, 32.0, disk=16.0),
        **more,
    }
    return {k: v for k, v in info.items() if v is not None}


REFUSED: dict[str, tuple[Json, str]] = {
    "another framework's": (
        executor(framework_id={"value": "other"}),
        "ExecutorInfo has an invalid FrameworkID (Actual: other vs Expected: ",
    ),
    "a bad id": (executor("a/b"), "'a/b' contains invalid characters"),
    "no command": (executor(command=None), "'ExecutorInfo.command' must be set"),
    "a custom one without command": (
        executor(command=None, type="CUSTOM"),
        "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
    ),
    "the default one with a command": (
        executor(type="DEFAULT"),
        "'ExecutorInfo.command' must not be set for 'DEFAULT' executor",
    ),
    "the default one for a single task": (
        executor(command=None, type="DEFAULT"),
        "'ExecutorInfo.type' must be 'CUSTOM'",
    ),
    "less than no grace": (
        executor(shutdown_grace_period={"nanoseconds": -1}),
        "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
    ),
    "more than there is": (
        executor(resources=scalars(10.0, 64.0)),
        (
            "Total resources cpus(allocated: *):10.1; mem(allocated: *):96 required by task and "
            "its executor is more than available "
        ),
    ),
    "malformed resources": (
        executor(resources=scalars(-1.0, 64.0)),
        "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0",
    ),
}

# Of a group's executor: what is changed of the default one, and the message.
GROUP_EXECUTORS: dict[str, tuple[Json, str]] = {
    "no framework id": ({"framework_id": None}, "'ExecutorInfo.framework_id' must be set"),
    "another framework's": (
        {"framework_id": {"value": "zz"}},
        "ExecutorInfo has an invalid FrameworkID (Actual: zz vs Expected: ",
    ),
    "no type": ({"type": None}, "'ExecutorInfo.type' must be set"),
    "a command": (
        {"command": SLEEP},
        "'ExecutorInfo.command' must not be set for 'DEFAULT' executor",
    ),
    "a Docker container": (
        {"container": {"type": "DOCKER", "docker": {"image": "x"}}},
        "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor",
    ),
    "no resources": (
        {"resources": []},
        "Executor 'd' uses less CPUs (None) than the minimum required (0.01)",
    ),
    "hardly any cpus": (
        {"resources": scalars(0.001, 32.0, disk=1.0)},
        "Executor 'd' uses less CPUs (0.001) than the minimum required (0.01)",
    ),
    "hardly any memory": (
        {"resources": scalars(0.1, 16.0, disk=1.0)},
        "Executor 'd' uses less memory (16MB) than the minimum required (32MB)",
    ),
    "no disk": ({"resources": scalars(0.1, 32.0)}, "Executor 'd' uses no disk"),
}

# Of a group's second task: what is changed, and the message.
GROUP_TASKS: dict[str, tuple[Json, str]] = {
    "a bad id": ({"task_id": {"value": "b/b"}}, "Task 'b/b' is invalid: 'b/b' contains invalid"),
    "another agent": (
        {"agent_id": {"value": "no"}},
        "Task 'two' is invalid: Task uses invalid agent no while agent ",
    ),
    "no resources": ({"resources": []}, "Task 'two' is invalid: Task uses no resources"),
    "malformed resources": (
        {"resources": scalars(-1.0)},
        "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0",
    ),
    "a bad health check": (
        {"health_check": {"type": "COMMAND"}},
        "Task 'two' is invalid: Task uses invalid health check: Expecting 'command' to be set ",
    ),
    "a Docker container": (
        {"container": {"type": "DOCKER", "docker": {"image": "x"}}},
        "Task 'two' is invalid: Docker ContainerInfo is not supported on the task",
    ),
    "another executor": (
        {"executor": executor(), "command": None},
        "The `ExecutorInfo` of task 'two' is different from executor 'd'",
    ),
    "more than there is": (
        {"resources": scalars(9.0)},
        (
            "Total resources cpus(allocated: *):9.2; mem(allocated: *):96; disk(allocated: *):16 "
            "required by task group and its executor are more than available "
        ),
    ),
}


def launch_group(
    framework: Framework, offer: Json, info: Json, tasks: list[Json], **more: Any
) -> None:
    """Launch a task group on the offer."""
    group = {"executor": info, "task_group": {"tasks": tasks}}
    operation = {"type": "LAUNCH_GROUP", "launch_group": group, **more}
    body = {"offer_ids": [offer["id"]], "operations": [operation]}
    assert framework.call("ACCEPT", body).status == 202


def assert_refused(framework: Framework, count: int, begin: str) -> None:
    """Every task of the group is TASK_ERROR, with the same message."""
    for _ in range(count):
        status = framework.await_event("UPDATE")["update"]["status"]
        assert status["state"] == "TASK_ERROR"
        assert status["reason"] == "REASON_TASK_GROUP_INVALID"
        assert status["message"].startswith(begin)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_executor_is_an_error_of_its_task(port: int, name: str) -> None:
    info, begin = REFUSED[name]
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("t", offer, command=None, executor=info)])
        status = framework.await_update("t")
        assert (status["state"], status["reason"]) == ("TASK_ERROR", "REASON_TASK_INVALID")
        assert status["message"].startswith(begin)


@pytest.mark.parametrize("change", [{"resources": scalars(0.3, 64.0)}, {"name": "other"}])
def test_an_executor_of_the_same_id_is_the_same(port: int, change: Json) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        tasks = [
            task("first", offer, command=None, executor=executor()),
            task("second", offer, command=None, executor=executor(**change)),
        ]
        framework.launch([offer], tasks)
        status = framework.await_update("second")
        assert status["state"] == "TASK_ERROR"
        assert status["message"].startswith(
            "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n"
        )


def test_an_offer_names_the_executors_that_are_there(port: int) -> None:
    with Framework(port) as framework:
        offers = framework.offers(2)
        framework.call("SUPPRESS")
        info = executor("there")
        framework.launch([offers[0]], [task("t", offers[0], command=None, executor=info)], 0.0)
        framework.call("REVIVE")
        offer = framework.offer_of(offers[0]["agent_id"]["value"])
        assert offer["executor_ids"] == [{"value": "there"}]


@pytest.mark.parametrize("name", GROUP_EXECUTORS)
def test_a_bad_executor_refuses_the_group(port: int, name: str) -> None:
    change, begin = GROUP_EXECUTORS[name]
    with Framework(port) as framework:
        offer = framework.offers()[0]
        tasks = [task(n, offer) for n in ("one", "two")]
        launch_group(framework, offer, default(framework, **change), tasks)
        assert_refused(framework, 2, begin)


@pytest.mark.parametrize("name", GROUP_TASKS)
def test_one_bad_task_refuses_the_group(port: int, name: str) -> None:
    change, begin = GROUP_TASKS[name]
    with Framework(port) as framework:
        offer = framework.offers()[0]
        tasks = [task("one", offer), task("two", offer, **change)]
        launch_group(framework, offer, default(framework), tasks)
        assert_refused(framework, 2, begin)


def test_a_group_cannot_have_an_id(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        tasks = [task("one", offer)]
        launch_group(framework, offer, default(framework), tasks, id={"value": "o"})
        assert_refused(framework, 1, "The `id` field cannot be set on LAUNCH_GROUP operations")


@pytest.mark.parametrize("is_aware", [True, False])
def test_a_group_on_offers_that_are_not_there_did_not_happen(port: int, is_aware: bool) -> None:
    capabilities = [{"type": "PARTITION_AWARE"}] if is_aware else []
    with Framework(port, capabilities=capabilities) as framework:
        ghost = {"id": {"value": "ghost"}, "agent_id": {"value": "nobody"}}
        launch_group(framework, ghost, default(framework), [task(n, ghost) for n in ("a", "b")])
        for _ in range(2):
            status = framework.await_event("UPDATE")["update"]["status"]
            assert status["state"] == ("TASK_DROPPED" if is_aware else "TASK_LOST")
            assert status["reason"] == "REASON_INVALID_OFFERS"
