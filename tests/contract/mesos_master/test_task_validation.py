"""What the master refuses of a task, in its order and its words; and what it lets pass."""

from typing import Any

import pytest

from tests.contract.mesos_master.master_client import Framework, Json, ports, scalars, task

pytestmark = pytest.mark.integration

NAMELESS = {"variables": [{"name": "A"}]}
EITHER = "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
EXECUTOR = {"executor_id": {"value": "e"}, "command": {"value": "true"}}
NO_GRACE = {"kill_policy": {"grace_period": {"nanoseconds": -1}}}
NO_TIME = {"max_completion_time": {"nanoseconds": -1}}
NO_CHECK = {"check": {"type": "COMMAND"}}
NO_HEALTH = {"health_check": {"type": "COMMAND"}}
NO_VALUE = {"command": {"value": "true", "environment": NAMELESS}}
NO_DOCKER = {"container": {"type": "DOCKER"}}
NO_LIMIT = {"limits": {"disk": {"value": 1.0}}}
TOO_MUCH = {"resources": scalars(1000.0)}


def scalar(name: str, value: float, **more: Any) -> Json:
    """A scalar resource."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


def checked(kind: str, **check: Any) -> Json:
    """A task with a check or a health check."""
    return {kind: check}


def variable(**fields: Any) -> Json:
    """A task with an environment variable."""
    variables = [{"name": "A", **fields}]
    return {"command": {"value": "true", "environment": {"variables": variables}}}


def mounted(**volume: Any) -> Json:
    """A task in a container with a volume."""
    volumes = [{"container_path": "x", "mode": "RW", **volume}]
    return {"container": {"type": "MESOS", "volumes": volumes}}


CHECK = "Task uses invalid check: "
HEALTH = "Task uses invalid health check: "
COMMAND = "Task's `CommandInfo` is invalid: "
VOLUME = "Task's `ContainerInfo` is invalid: Invalid volume: "
INVALID = "Task uses invalid resources: "

# Each is wrong in two ways; the first one is told.
ORDER: dict[str, tuple[Json, str]] = {
    "id before agent": (
        {"task_id": {"value": "a/b"}, "agent_id": {"value": "x"}},
        "'a/b' contains invalid characters",
    ),
    "agent before grace": (
        {"agent_id": {"value": "x"}, **NO_GRACE},
        "Task uses invalid agent x while agent ",
    ),
    "grace before time limit": (
        {**NO_GRACE, **NO_TIME},
        "Task's 'kill_policy.grace_period' must be non-negative",
    ),
    "time limit before check": (
        {**NO_TIME, **NO_CHECK},
        "Task's `max_completion_time` must be non-negative",
    ),
    "check before health check": (
        {**NO_CHECK, **NO_HEALTH},
        f"{CHECK}Expecting 'command' to be set for COMMAND check",
    ),
    "health check before resources": (
        {**NO_HEALTH, "resources": []},
        f"{HEALTH}Expecting 'command' to be set for COMMAND health check",
    ),
    "resources before command": ({"resources": [], **NO_VALUE}, "Task uses no resources"),
    "command before container": (
        {**NO_VALUE, **NO_DOCKER},
        f"{COMMAND}Environment variable 'A' of type 'VALUE' must have a value set",
    ),
    "container before limits": (
        {**NO_DOCKER, **NO_LIMIT},
        (
            "Task's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed "
            "ContainerInfo"
        ),
    ),
    "limits before fit": (
        {**NO_LIMIT, **TOO_MUCH},
        "Only cpus and mem may be included in a task's resource limits",
    ),
    "command and executor before fit": ({"executor": EXECUTOR, **TOO_MUCH}, EITHER),
    "resources before command and executor": (
        {"executor": EXECUTOR, "resources": []},
        "Task uses no resources",
    ),
}

REFUSED: dict[str, tuple[Json, str]] = {
    "id with a backslash": ({"task_id": {"value": "a\\b"}}, "'a\\b' contains invalid characters"),
    "id with a tab": ({"task_id": {"value": "a\tb"}}, "'a\tb' contains invalid characters"),
    "id with DEL": ({"task_id": {"value": "a\x7fb"}}, "'a\x7fb' contains invalid characters"),
    "a dot for an id": ({"task_id": {"value": "."}}, "'.' is disallowed"),
    "check without type": (checked("check"), f"{CHECK}CheckInfo must specify 'type'"),
    "unknown check": (
        checked("check", type="UNKNOWN"),
        f"{CHECK}'UNKNOWN' is not a valid check type",
    ),
    "check of nothing": (
        checked("check", type="COMMAND", command={"command": {}}),
        f"{CHECK}Command check must contain 'shell command'",
    ),
    "check with a bad variable": (
        checked(
            "check", type="COMMAND", command={"command": {"value": "x", "environment": NAMELESS}}
        ),
        (
            f"{CHECK}Check's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' "
            "must have a value set"
        ),
    ),
    "HTTP check of nothing": (
        checked("check", type="HTTP"),
        f"{CHECK}Expecting 'http' to be set for HTTP check",
    ),
    "HTTP check of half a path": (
        checked("check", type="HTTP", http={"port": 80, "path": "x"}),
        f"{CHECK}The path 'x' of HTTP check must start with '/'",
    ),
    "TCP check of nothing": (
        checked("check", type="TCP"),
        f"{CHECK}Expecting 'tcp' to be set for TCP check",
    ),
    "check before its time": (
        checked("check", type="TCP", tcp={"port": 1}, delay_seconds=-1.0),
        f"{CHECK}Expecting 'delay_seconds' to be non-negative",
    ),
    "check in no time": (
        checked("check", type="TCP", tcp={"port": 1}, timeout_seconds=-1.0),
        f"{CHECK}Expecting 'timeout_seconds' to be non-negative",
    ),
    "health check without type": (
        checked("health_check"),
        f"{HEALTH}HealthCheck must specify 'type'",
    ),
    "unknown health check": (
        checked("health_check", type="UNKNOWN"),
        f"{HEALTH}'UNKNOWN' is not a valid health check type",
    ),
    "health check of nothing": (
        checked("health_check", type="COMMAND", command={}),
        f"{HEALTH}Command health check must contain 'shell command'",
    ),
    "health check by no program": (
        checked("health_check", type="COMMAND", command={"shell": False}),
        f"{HEALTH}Command health check must contain 'executable path'",
    ),
    "health check with a bad variable": (
        checked("health_check", type="COMMAND", command={"value": "x", "environment": NAMELESS}),
        (
            f"{HEALTH}Health check's `CommandInfo` is invalid: Environment variable 'A' of type "
            "'VALUE' must have a value set"
        ),
    ),
    "health check by ftp": (
        checked("health_check", type="HTTP", http={"port": 80, "scheme": "ftp"}),
        f"{HEALTH}Unsupported HTTP health check scheme: 'ftp'",
    ),
    "health check of half a path": (
        checked("health_check", type="HTTP", http={"port": 80, "path": "x"}),
        f"{HEALTH}The path 'x' of HTTP health check must start with '/'",
    ),
    "health check with less than no grace": (
        checked("health_check", type="TCP", tcp={"port": 1}, grace_period_seconds=-1.0),
        f"{HEALTH}Expecting 'grace_period_seconds' to be non-negative",
    ),
    "variable of unknown type": (
        variable(type="UNKNOWN", value="1"),
        f"{COMMAND}Environment variable of type 'UNKNOWN' is not allowed",
    ),
    "secret variable without secret": (
        variable(type="SECRET"),
        f"{COMMAND}Environment variable 'A' of type 'SECRET' must have a secret set",
    ),
    "secret variable with a value": (
        variable(type="SECRET", value="x", secret={"type": "VALUE", "value": {"data": "QQ=="}}),
        f"{COMMAND}Environment variable 'A' of type 'SECRET' must not have a value set",
    ),
    "secret with a null byte": (
        variable(type="SECRET", secret={"type": "VALUE", "value": {"data": "AA=="}}),
        (
            f"{COMMAND}Environment variable 'A' specifies a secret containing null bytes, which "
            "is not allowed in the environment"
        ),
    ),
    "secret without reference": (
        variable(type="SECRET", secret={"type": "REFERENCE"}),
        (
            f"{COMMAND}Environment variable 'A' specifies an invalid secret: Secret of type "
            "REFERENCE must have the 'reference' field set"
        ),
    ),
    "plain variable with a secret": (
        variable(value="x", secret={"type": "VALUE", "value": {"data": "QQ=="}}),
        f"{COMMAND}Environment variable 'A' of type 'VALUE' must not have a secret set",
    ),
    "volume of nothing": (
        mounted(),
        f"{VOLUME}Only one of them should be set: 'host_path', 'image' and 'source'",
    ),
    "volume of unknown source": (mounted(source={}), f"{VOLUME}'source.type' is unknown"),
    "volume of no sandbox path": (
        mounted(source={"type": "SANDBOX_PATH"}),
        f"{VOLUME}'source.sandbox_path' is not set for SANDBOX_PATH volume",
    ),
    "volume of no host path": (
        mounted(source={"type": "HOST_PATH"}),
        f"{VOLUME}'source.host_path' is not set for HOST_PATH volume",
    ),
    "limit of an unknown amount": (
        {"limits": {"cpus": {"value": 1.0}}, "resources": [scalar("mem", 32.0)]},
        "When a CPU limit is specified, a CPU request must also be specified",
    ),
    "memory limit below request": (
        {"limits": {"mem": {"value": 1.0}}},
        "The memory limit must be greater than or equal to the memory request",
    ),
    "ranges that overlap": (
        {
            "resources": [
                {
                    "name": "ports",
                    "type": "RANGES",
                    "ranges": {"range": [{"begin": 1, "end": 3}, {"begin": 2, "end": 4}]},
                }
            ]
        },
        "Resource 'ports:[1-3, 2-4]' is invalid: Invalid ranges resource: overlapping ranges",
    ),
    "set with doubles": (
        {"resources": [{"name": "s", "type": "SET", "set": {"item": ["a", "a"]}}]},
        "Resource 's:{a, a}' is invalid: Invalid set resource: duplicated elements",
    ),
    "set that is not there": (
        {"resources": [*scalars(), {"name": "s", "type": "SET", "set": {"item": ["a"]}}]},
        (
            "Total resources cpus(allocated: *):0.1; mem(allocated: *):32; s(allocated: *):{a} "
            "required by task and its executor is more than available "
        ),
    ),
    "resource without a name": (
        {"resources": [scalar("", 1.0)]},
        "Resource ':1' is invalid: Empty resource name",
    ),
    "scalar with ranges": (
        {"resources": [scalar("cpus", 1.0, ranges={"range": []})]},
        "Resource 'cpus:1' is invalid: Invalid scalar resource",
    ),
    "half a gpu": (
        {"resources": [*scalars(), scalar("gpus", 0.5)]},
        f"{INVALID}Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
    ),
    "a gpu that is not there": (
        {"resources": [*scalars(), scalar("gpus", 1.0)]},
        "Total resources cpus(allocated: *):0.1; mem(allocated: *):32; gpus(allocated: *):1 ",
    ),
    "revocable and not": (
        {"resources": [*scalars(), scalar("cpus", 0.1, revocable={})]},
        (
            "Task mixes revocable and non-revocable resources: Cannot use both revocable and "
            "non-revocable 'cpus' at the same time"
        ),
    ),
    "revocable that is not there": (
        {"resources": [scalar("cpus", 0.1, revocable={}), scalar("mem", 32.0)]},
        "Total resources cpus(allocated: *){REV}:0.1; mem(allocated: *):32 required by task and ",
    ),
    "shared cpus": (
        {"resources": [scalar("cpus", 0.1, shared={})]},
        "Resource 'cpus<SHARED>:0.1' is invalid: Resource cpus cannot be shared",
    ),
    "volume on unreserved disk": (
        {
            "resources": [
                *scalars(),
                scalar(
                    "disk",
                    1.0,
                    disk={
                        "persistence": {"id": "x"},
                        "volume": {"container_path": "a", "mode": "RW"},
                    },
                ),
            ]
        },
        (
            f"{INVALID}Invalid DiskInfo: Persistent volumes cannot be created from unreserved "
            "resources"
        ),
    ),
    "volume that does not persist": (
        {
            "resources": [
                *scalars(),
                scalar("disk", 1.0, disk={"volume": {"container_path": "a", "mode": "RW"}}),
            ]
        },
        f"{INVALID}Invalid DiskInfo: Non-persistent volume not supported",
    ),
    "empty disk": (
        {"resources": [*scalars(), scalar("disk", 1.0, disk={})]},
        f"{INVALID}Invalid DiskInfo: DiskInfo is set but empty",
    ),
    "disk of a source that is not there": (
        {
            "resources": [
                *scalars(),
                scalar("disk", 1.0, disk={"source": {"type": "PATH", "path": {"root": "/x"}}}),
            ]
        },
        (
            "Total resources cpus(allocated: *):0.1; mem(allocated: *):32; "
            "disk(allocated: *)[PATH:/x]:1 required"
        ),
    ),
    "disk of a provider that is not there": (
        {"resources": [*scalars(), scalar("disk", 1.0, provider_id={"value": "x"})]},
        "Total resources cpus(allocated: *):0.1; mem(allocated: *):32; disk(allocated: *):1 ",
    ),
    "reserved to a role": (
        {"resources": [scalar("cpus", 0.1, role="x"), scalar("mem", 32.0)]},
        "Total resources cpus(allocated: *)(reservations: [(STATIC,x)]):0.1; mem(allocated: *):32 ",
    ),
    "reserved to no role": (
        {"resources": [scalar("cpus", 0.1, role="x/")]},
        "Resource 'cpus:0.1' is invalid: Role 'x/' cannot end with a slash",
    ),
    "reserved to everybody": (
        {"resources": [scalar("cpus", 0.1, reservation={})]},
        (
            "Resource 'cpus:0.1' is invalid: Invalid reservation: role \"*\" cannot be "
            "dynamically reserved"
        ),
    ),
}

RUNS: dict[str, Json] = {
    "no cpus": {"resources": [scalar("mem", 32.0)]},
    "no memory": {"resources": [scalar("cpus", 0.1)]},
    "hardly any cpus": {"resources": scalars(0.001, 32.0)},
    "nothing of both": {"resources": scalars(0.0, 0.0)},
    "no ports of many": {"resources": [*scalars(), ports(31000, 31000)]},
    "an id with a space": {"task_id": {"value": "a b"}},
    "an id with letters of any kind": {"task_id": {"value": "ä€"}},
    "the longest id": {"task_id": {"value": "x" * 255}},
    "no name": {"name": ""},
    "discovery": {"discovery": {"visibility": "CLUSTER", "name": "d"}},
    "a container of nothing": {"container": {"type": "MESOS"}},
}


@pytest.mark.parametrize("name", [*ORDER, *REFUSED])
def test_a_refused_task_hears_the_first_reason(port: int, name: str) -> None:
    fields, begin = {**ORDER, **REFUSED}[name]
    with Framework(port) as framework:
        offer = framework.offers()[0]
        info = task("wrong", offer, **fields)
        framework.launch([offer], [info])
        status = framework.await_update(info["task_id"]["value"])
        assert status["state"] == "TASK_ERROR"
        assert status["message"].startswith(begin)
        assert status["reason"] == "REASON_TASK_INVALID"


@pytest.mark.parametrize("name", RUNS)
def test_an_odd_task_runs_all_the_same(port: int, name: str) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        info = task("odd", offer, **RUNS[name])
        framework.launch([offer], [info])
        task_id = info["task_id"]["value"]
        framework.acknowledge(framework.await_state(task_id, "TASK_RUNNING"))


def test_an_id_is_taken_until_the_end_is_acknowledged(port: int) -> None:
    with Framework(port) as framework:
        here, there = framework.offers(2)
        framework.launch([here], [task("same", here, "true")], 3600.0)
        end = framework.await_state("same", "TASK_FINISHED")
        framework.launch([there], [task("same", there, "true")], 3600.0)
        refused = framework.await_update("same")
        assert refused["message"] == "Task has duplicate ID: same"
        framework.acknowledge(end)
        # An acknowledgement is 202 before it has any effect. The other agent is asked: where an
        # executor of that name has not ended yet, the agent of Mesos 1.11.0 aborts itself.
        for _ in range(20):
            framework.call("REVIVE")
            offer = framework.offer_of(there["agent_id"]["value"])
            framework.launch([offer], [task("same", offer, "true")], 0.0)
            status = framework.await_update("same")
            if status["state"] != "TASK_ERROR":
                return
        raise AssertionError("the id never became free")
