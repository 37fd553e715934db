"""Every shape of container that the connector makes, launched: the master finds no fault in it.

The one thing to know: a real agent without an image store fails such a task later, by its agent;
what is asked here is that the master's validation passes, which would answer TASK_ERROR.
"""

from typing import Any

import pytest

from connectors.mesos.containers import Containerizer, described
from tests.contract.mesos_master.master_client import Framework, ports, scalars, task
from tests.unit.mesos.test_containers import container, task_of

pytestmark = pytest.mark.integration

ATTRIBUTES = {
    "capabilities": "CHOWN,NET_BIND_SERVICE",
    "seccompProfile": "default.json",
    "rlimits": "nofile=1024:4096,core=0",
    "shmSizeMB": "128",
    "volumes": "host:/tmp:/host:ro,sandbox:data:/data:rw",
    "limits": "cpus=1,mem=64",
    "noNewPrivileges": "true",
    "apparmorProfile": "docker-default",
}
# An agent without the cgroups isolators refuses limits; the real one of these tests is such a one.
NO_LIMITS_HERE = "limits can only be set on tasks launched in Mesos containers when the agent has"
SHAPES: dict[str, dict[str, Any]] = {
    "image": {},
    "image by tag": {"image_tag": "1.2.3"},
    "no image": {"image": ""},
    "entry point": {"entry": 1},
    "networks": {"security_groups": ("sg-1", "sg-2"), "iam_role": "worker"},
    **{name: {"attributes": {name: text}} for name, text in ATTRIBUTES.items()},
    "all": {"attributes": {**ATTRIBUTES, "limits": ""}, "security_groups": ("sg-1",), "entry": 1},
}


@pytest.mark.parametrize("containerizer", ["none", "mesos", "docker"])
def test_no_shape_is_an_error_to_the_master(port: int, containerizer: Containerizer) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        infos = {}
        for number, (name, given) in enumerate(SHAPES.items()):
            settings = dict(given)
            attributes = settings.pop("attributes", {})
            settings["attributes"] = tuple(
                (f"flumina.container.{key}", text) for key, text in attributes.items()
            )
            one = 31500 + number
            made = described(task_of(container("true", "x", **settings), one), containerizer)
            task_id = f"{containerizer}-{name.replace(' ', '-')}"
            resources = [*scalars(), ports(one, one)]
            infos[task_id] = task(task_id, offer, "", **{"resources": resources, **made})
        framework.launch([offer], list(infos.values()))
        seen: dict[str, dict[str, Any]] = {}
        while seen.keys() != infos.keys():
            update = framework.await_event("UPDATE")["update"]["status"]
            seen.setdefault(update["task_id"]["value"], update)
            framework.acknowledge(update)
    faults = {
        name: status.get("message")
        for name, status in seen.items()
        if (
            status["state"] in {"TASK_ERROR", "TASK_DROPPED"} or status["source"] == "SOURCE_MASTER"
        )
        and NO_LIMITS_HERE not in status.get("message", "")
    }
    assert not faults
