"""LAUNCH: what is refused and in which words, what runs, and what its updates say."""

import base64
import json

import pytest

from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    Framework,
    Json,
    ports,
    request,
    scalars,
    task,
)

pytestmark = pytest.mark.integration

CPUS = {"name": "cpus", "type": "SCALAR"}
EITHER = "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
EXECUTOR = {"executor_id": {"value": "e"}, "command": {"value": "true"}}
VARIABLE = {"variables": [{"name": "A"}]}

REFUSED: dict[str, tuple[Json, str]] = {
    "id with a slash": ({"task_id": {"value": "a/b"}}, "'a/b' contains invalid characters"),
    "id with a newline": ({"task_id": {"value": "a\nb"}}, "'a\nb' contains invalid characters"),
    "empty id": ({"task_id": {"value": ""}}, "ID must not be empty"),
    "dots for an id": ({"task_id": {"value": ".."}}, "'..' is disallowed"),
    "endless id": (
        {"task_id": {"value": "x" * 256}},
        "ID must not be greater than 255 characters",
    ),
    "command and executor": ({"executor": EXECUTOR}, EITHER),
    "neither": ({"command": None}, EITHER),
    "no resources": ({"resources": []}, "Task uses no resources"),
    "negative": (
        {"resources": [{**CPUS, "scalar": {"value": -1.0}}]},
        "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0",
    ),
    "less than a thousandth": (
        {"resources": scalars(0.0004)},
        "Resource 'cpus:0' is invalid: Invalid scalar resource: value <= 0",
    ),
    "no value": (
        {"resources": [CPUS]},
        "Resource 'cpus:0' is invalid: Invalid scalar resource",
    ),
    "ports backwards": (
        {"resources": [*scalars(), ports(31005, 31001)]},
        "Resource 'ports:[31005-31001]' is invalid: Invalid ranges resource: begin > end",
    ),
    "negative grace": (
        {"kill_policy": {"grace_period": {"nanoseconds": -1}}},
        "Task's 'kill_policy.grace_period' must be non-negative",
    ),
    "negative time limit": (
        {"max_completion_time": {"nanoseconds": -1}},
        "Task's `max_completion_time` must be non-negative",
    ),
    "variable without value": (
        {"command": {"value": "true", "environment": VARIABLE}},
        (
            "Task's `CommandInfo` is invalid: "
            "Environment variable 'A' of type 'VALUE' must have a value set"
        ),
    ),
    "docker without docker": (
        {"container": {"type": "DOCKER"}},
        (
            "Task's `ContainerInfo` is invalid: "
            "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        ),
    ),
    "check without command": (
        {"health_check": {"type": "COMMAND"}},
        "Task uses invalid health check: Expecting 'command' to be set for COMMAND health check",
    ),
    "limit below request": (
        {"limits": {"cpus": {"value": 0.01}}},
        "The cpu limit must be greater than or equal to the cpu request",
    ),
}
TOO_MUCH: dict[str, tuple[list[Json], str]] = {
    "cpus": (scalars(9.0), "cpus(allocated: *):9; mem(allocated: *):32"),
    "ports": (
        [*scalars(), ports(5, 6)],
        "cpus(allocated: *):0.1; mem(allocated: *):32; ports(allocated: *):[5-6]",
    ),
    "unknown resource": (
        [*scalars(), {"name": "foo", "type": "SCALAR", "scalar": {"value": 1}}],
        "cpus(allocated: *):0.1; mem(allocated: *):32; foo(allocated: *):1",
    ),
    "foreign allocation": (
        [{**r, "allocation_info": {"role": "x"}} for r in scalars()],
        "cpus(allocated: x):0.1; mem(allocated: x):32",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_task_is_an_error_with_mesos_words(port: int, name: str) -> None:
    fields, message = REFUSED[name]
    with Framework(port) as framework:
        offer = framework.offers()[0]
        info = task("wrong", offer, **fields)
        framework.launch([offer], [info])
        status = framework.await_update(info["task_id"]["value"])
        assert (status["state"], status["message"]) == ("TASK_ERROR", message)
        assert status["reason"] == "REASON_TASK_INVALID"
        assert status["source"] == "SOURCE_MASTER"
        assert status["agent_id"] == offer["agent_id"]
        assert "uuid" not in status


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_task_that_does_not_fit_is_an_error(port: int, name: str) -> None:
    resources, text = TOO_MUCH[name]
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("big", offer, resources=resources)])
        status = framework.await_update("big")
        assert status["state"] == "TASK_ERROR"
        assert status["reason"] == "REASON_TASK_INVALID"
        begin = f"Total resources {text} required by task and its executor is more than available "
        assert status["message"].startswith(begin)


def test_a_task_for_another_agent_is_an_error(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("astray", offer, agent_id={"value": "elsewhere"})])
        expected = (
            "Task uses invalid agent elsewhere while agent "
            f"{offer['agent_id']['value']} is expected"
        )
        assert framework.await_update("astray")["message"] == expected


def test_tasks_are_judged_one_by_one_in_order(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        three = scalars(3.0)
        tasks = [
            task("fits", offer, resources=three),
            task("does-not", offer, resources=three),
            task("fits-too", offer),
            task("fits", offer),
        ]
        framework.launch([offer], tasks)
        assert framework.await_update("does-not")["state"] == "TASK_ERROR"
        assert framework.await_update("fits")["message"] == "Task has duplicate ID: fits"
        framework.await_state("fits", "TASK_RUNNING")


def test_malformed_resources_void_the_whole_operation(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        bad = task("bad", offer, resources=[{**CPUS, "scalar": {"value": -1.0}}])
        framework.launch([offer], [task("good", offer), bad])
        for task_id in ("good", "bad"):
            status = framework.await_update(task_id)
            assert status["state"] == "TASK_ERROR"
            assert status["message"].startswith("Resource 'cpus:-1' is invalid")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": None}, "Missing required fields: accept.operations[0].launch.task_infos[0].name"),
        (
            {"task_id": None},
            "Missing required fields: accept.operations[0].launch.task_infos[0].ta",
        ),
        (
            {"resources": [{"name": "cpus", "scalar": {"value": 1}}]},
            "Missing required fields: accept.operations[0].launch.task_infos[0].resources[0].type",
        ),
        ({"resources": [{**CPUS, "type": "FOO"}]}, "Failed to find enum for 'FOO'"),
        (
            {"resources": [{**CPUS, "scalar": {"value": "abc"}}]},
            "Failed to parse 'abc' as a JSON number for field 'value'",
        ),
        ({"command": {"shell": 1}}, "Not expecting a JSON number for field 'shell'"),
        ({"data": "!!"}, "Failed to base64 decode bytes field 'data'"),
    ],
)
def test_a_malformed_task_is_400(port: int, change: Json, text: str) -> None:
    with Framework(port) as framework:
        offer = {"id": {"value": "any"}, "agent_id": {"value": "any"}}
        operation = {"type": "LAUNCH", "launch": {"task_infos": [task("x", offer, **change)]}}
        reply = framework.call("ACCEPT", {"offer_ids": [], "operations": [operation]})
        assert reply.status == 400
        start = f"Failed to convert JSON into Call protobuf: {text}"
        assert reply.text.startswith(start)


@pytest.mark.parametrize(
    "change",
    [
        {"resources": [{**CPUS, "scalar": {"value": "1"}}]},
        {"resources": [None, *scalars()]},
        {"command": {"shell": "true", "value": "true"}},
        {"command": {"value": None}},
        {"labels": None, "invented": [1]},
    ],
)
def test_what_converts_is_addressed(port: int, change: Json) -> None:
    with Framework(port) as framework:
        offer = {"id": {"value": "any"}, "agent_id": {"value": "any"}}
        framework.launch([], [task("x", offer, **change)])


@pytest.mark.parametrize("operation", [{"type": "FOO"}, {}, {"type": "LAUNCH"}, None])
def test_operations_that_say_nothing_are_202(port: int, operation: Json | None) -> None:
    with Framework(port) as framework:
        body = {"offer_ids": [], "operations": [operation]}
        assert framework.call("ACCEPT", body).status == 202


def test_a_running_task_is_told_with_a_uuid_and_its_container(port: int) -> None:
    with Framework(port) as framework:
        status = framework.run("runner")
        assert status["source"] == "SOURCE_EXECUTOR"
        assert status["executor_id"] == {"value": "runner"}
        assert len(base64.b64decode(status["uuid"])) == 16
        assert "reason" not in status
        container = status["container_status"]
        assert container["container_id"]["value"]
        address = container["network_infos"][0]["ip_addresses"][0]
        assert address == {"protocol": "IPv4", "ip_address": "127.0.0.1"}
        assert container["executor_pid"] > 1


@pytest.mark.parametrize(
    ("command", "state", "message"),
    [
        ("true", "TASK_FINISHED", "Command exited with status 0"),
        ("exit 7", "TASK_FAILED", "Command exited with status 7"),
        ("kill -9 $$", "TASK_FAILED", "Command terminated with signal Killed"),
        ("exec no-such-program", "TASK_FAILED", "Command exited with status 127"),
    ],
)
def test_an_end_is_told_with_its_state(
    port: int, is_real: bool, command: str, state: str, message: str
) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("ender", offer, command)])
        status = framework.await_state("ender", state)
        assert status["source"] == "SOURCE_EXECUTOR"
        assert "reason" not in status
        if not is_real:  # The real one's command executor is a stand-in with its own words.
            assert status["message"] == message


def test_arguments_are_not_seen_by_a_shell(port: int) -> None:
    script = '[ "$1" = "a b" ] && [ "$0" = name ]'
    command = {"shell": False, "value": "/bin/sh", "arguments": ["sh", "-c", script, "name", "a b"]}
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("argued", offer, command=command)])
        framework.await_state("argued", "TASK_FINISHED")


def test_the_environment_is_what_the_task_asked_for(port: int) -> None:
    variables = [{"name": "COLOUR", "value": "red"}, {"name": "EMPTY", "value": ""}]
    value = '[ "$COLOUR" = red ] && [ "${EMPTY-unset}" = "" ] && [ -d "$MESOS_SANDBOX" ] && '
    value += '[ "$PWD" -ef "$MESOS_SANDBOX" ] && [ "$MESOS_EXECUTOR_ID" = coloured ] && '
    value += '[ -n "$MESOS_SLAVE_ID" ] && [ -n "$MESOS_FRAMEWORK_ID" ]'
    command = {"value": value, "environment": {"variables": variables}}
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("coloured", offer, command=command)])
        framework.await_state("coloured", "TASK_FINISHED")


def test_labels_come_back_in_the_state(port: int) -> None:
    labels = [{"key": "job", "value": "j1"}]
    with Framework(port) as framework:
        framework.run("labelled", labels={"labels": labels})
        tasks = request(port, "GET", "/tasks?limit=1000").json["tasks"]
        mine = [t for t in tasks if t["framework_id"] == framework.framework_id]
        assert [(t["id"], t["state"], t["labels"]) for t in mine] == [
            ("labelled", "TASK_RUNNING", labels)
        ]


def test_many_tasks_in_one_accept_all_run(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        ids = [f"many-{n}" for n in range(10)]
        framework.launch([offer], [task(i, offer, "exec sleep 600") for i in ids])
        running: set[str] = set()
        while running != set(ids):
            status = framework.await_event("UPDATE")["update"]["status"]
            framework.acknowledge(status)
            if status["state"] == "TASK_RUNNING":
                running.add(status["task_id"]["value"])


def test_a_body_of_two_megabytes_is_read(port: int) -> None:
    with Framework(port) as framework:
        offer = {"id": {"value": "any"}, "agent_id": {"value": "any"}}
        big = task("x", offer, data="QUJD" * 500_000)
        framework.launch([], [big])
        assert framework.await_update("x")["state"] == "TASK_DROPPED"
        assert request(port, body=json.dumps([1] * 500_000), headers=JSON_HEADERS).status == 400
