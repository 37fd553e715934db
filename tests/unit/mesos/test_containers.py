"""A job's container as a TaskInfo: one line a field, for each containerizer."""

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.mesos.calls import call_of
from connectors.mesos.containers import Containerizer, described
from connectors.mesos.settings import MesosSettings
from scheduler.model.attributes import UnreadableAttribute
from scheduler.model.effects import AcceptOffers, TaskToRun
from scheduler.model.ids import HostId, JobId, OfferId, ProposalId, TaskId
from scheduler.model.job import Container
from scheduler.model.mounts import Mounted
from scheduler.model.profile import READERS, profile_of
from scheduler.model.resources import Need
from scheduler.model.volumes import AddressAllocation
from tests.architecture.tree import ROOT

DIGEST = "sha256:" + hashlib.sha256(b"image").hexdigest()
NEED = Need(cpu_milli=100, memory_mib=32, disk_mib=0, ports=0, network_mbps=0)


def task_of(container: Container, *ports: int) -> TaskToRun:
    """A task that runs the container."""
    return TaskToRun(
        task_id=TaskId("j-0"),
        job_id=JobId("j"),
        index=0,
        need=container.need,
        ports=ports,
        command=container.command,
        environment=(("A", "1"),),
        labels=(),
        kill_grace_ms=1000,
        container=container,
        application="web",
    )


def container(*words: str, entry: int = 0, image: str = "team/worker", **more: Any) -> Container:
    """A container with an image, by digest unless a tag is given."""
    named: dict[str, Any] = {"image": image}
    if image and "image_tag" not in more:
        named["image_digest"] = DIGEST
    return Container(NEED, words or ("run", "x"), entry_point_words=entry, **{**named, **more})


def info(containerizer: Containerizer, given: Container, *ports: int) -> dict[str, Any]:
    """What a TaskInfo says of the container."""
    return described(task_of(given, *ports), containerizer)


def with_attributes(containerizer: Containerizer, **attributes: str) -> dict[str, Any]:
    """The same, for a container with attributes; names are those after ``flumina.container.``."""
    pairs = tuple((f"flumina.container.{name}", text) for name, text in attributes.items())
    return info(containerizer, container(attributes=pairs))


def parameters(**attributes: str) -> list[tuple[str, str]]:
    """Docker's parameters for a container with these attributes."""
    docker = with_attributes("docker", **attributes)["container"]["docker"]
    return [(each["key"], each["value"]) for each in docker["parameters"]]


def test_none_says_nothing_of_a_container() -> None:
    found = info("none", container(attributes=(("flumina.container.rlimits", "nofile=9"),)))
    assert found.keys() == {"command"}
    assert found["command"]["arguments"] == ["run", "x"]


def test_an_image_by_digest_and_by_tag() -> None:
    by_digest = info("docker", container())["container"]
    assert by_digest["docker"]["image"] == f"team/worker@{DIGEST}"
    by_tag = info("mesos", container(image_tag="1.2"))["container"]
    assert by_tag["mesos"]["image"]["docker"] == {"name": "team/worker:1.2"}


def test_a_digest_is_stronger_than_a_tag() -> None:
    both = container(image_tag="1.2", image_digest=DIGEST)
    assert both.full_image == f"team/worker@{DIGEST}"


def test_docker_gives_words_to_the_images_own_entry_point() -> None:
    found = info("docker", container("--port", "80"))
    assert found["command"]["arguments"] == ["--port", "80"]
    assert "value" not in found["command"]
    assert "parameters" not in found["container"]["docker"]


def test_docker_replaces_the_entry_point_by_the_jobs() -> None:
    found = info("docker", container("/bin/sh", "-c", "echo", entry=2))
    assert found["container"]["docker"]["parameters"] == [{"key": "entrypoint", "value": "/bin/sh"}]
    assert found["command"]["arguments"] == ["-c", "echo"]


def test_mesos_takes_the_whole_argv() -> None:
    command = info("mesos", container("/bin/sh", "-c", "echo", entry=2))["command"]
    assert (command["value"], command["arguments"]) == ("/bin/sh", ["/bin/sh", "-c", "echo"])
    assert command["shell"] is False


def test_docker_without_an_image_is_a_container_of_mesos() -> None:
    assert info("docker", container(image=""))["container"] == {"type": "MESOS"}


def test_capabilities() -> None:
    linux = with_attributes("mesos", capabilities="NET_ADMIN,CAP_CHOWN")["container"]["linux_info"]
    assert linux["effective_capabilities"] == {"capabilities": ["CHOWN", "NET_ADMIN"]}
    assert linux["bounding_capabilities"] == linux["effective_capabilities"]
    assert parameters(capabilities="CHOWN") == [("cap-drop", "ALL"), ("cap-add", "CHOWN")]


def test_profiles() -> None:
    linux = with_attributes("mesos", seccompProfile="strict.json")["container"]["linux_info"]
    assert linux == {"seccomp": {"profile_name": "strict.json"}}
    linux = with_attributes("mesos", seccompProfile="unconfined")["container"]["linux_info"]
    assert linux == {"seccomp": {"unconfined": True}}
    said = parameters(seccompProfile="a", apparmorProfile="b", noNewPrivileges="true")
    assert [value for _, value in said] == ["seccomp=a", "apparmor=b", "no-new-privileges"]


def test_rlimits_and_shared_memory() -> None:
    found = with_attributes("mesos", rlimits="nofile=10:20", shmSizeMB="128")["container"]
    assert found["rlimit_info"]["rlimits"] == [{"type": "RLMT_NOFILE", "soft": 10, "hard": 20}]
    assert found["linux_info"] == {"ipc_mode": "PRIVATE", "shm_size": 128}
    said = parameters(rlimits="core=0", shmSizeMB="128")
    assert said == [("shm-size", "128m"), ("ulimit", "core=0:0")]


@pytest.mark.parametrize("containerizer", ["mesos", "docker"])
def test_volumes(containerizer: Containerizer) -> None:
    text = "host:/var/log:/logs:ro, sandbox:data:/data"
    sandbox, host = with_attributes(containerizer, volumes=text)["container"]["volumes"]
    assert host == {"mode": "RO", "container_path": "/logs", "host_path": "/var/log"}
    path = {"type": "SELF", "path": "data"}
    source = {"type": "SANDBOX_PATH", "sandbox_path": path}
    assert sandbox == {"mode": "RW", "container_path": "/data", "source": source}


@pytest.mark.parametrize("containerizer", ["mesos", "docker"])
def test_what_stays_with_the_index_is_mounted_and_its_address_asked_for(
    containerizer: Containerizer,
) -> None:
    text = "sandbox:data:/data"
    given = container(attributes=(("flumina.container.volumes", text),), security_groups=("sg-1",))
    task = replace(
        task_of(given),
        volumes=(Mounted("disk", "j-volume-disk-0", "/mnt/f/disk", "/disk", is_read_only=True),),
        address=AddressAllocation("a-1", "10.0.0.9"),
    )
    found = described(task, containerizer)["container"]
    mounted = {"mode": "RO", "container_path": "/disk", "host_path": "/mnt/f/disk"}
    assert [each["container_path"] for each in found["volumes"]] == ["/data", "/disk"]
    assert found["volumes"][1] == mounted
    (network,) = found["network_infos"]
    assert network["ip_addresses"] == [{"protocol": "IPv4", "ip_address": "10.0.0.9"}]
    assert network["groups"] == ["sg-1"]
    assert "container" not in described(task, "none")


def test_networks() -> None:
    given = container(
        security_groups=("sg-1", "sg-2"),
        iam_role="worker",
        attributes=(
            ("titusParameter.agent.assignIPv6Address", "true"),
            ("titusParameter.agent.subnets", "subnet-1,subnet-2"),
        ),
    )
    (network,) = info("mesos", given)["container"]["network_infos"]
    assert network["groups"] == ["sg-1", "sg-2"]
    assert network["ip_addresses"] == [{"protocol": "IPv4"}, {"protocol": "IPv6"}]
    labels = {each["key"]: each["value"] for each in network["labels"]["labels"]}
    assert labels == {
        "flumina.securityGroups": "sg-1,sg-2",
        "flumina.iamRole": "worker",
        "flumina.subnets": "subnet-1,subnet-2",
    }


def test_limits_above_the_request() -> None:
    limits = with_attributes("mesos", limits="cpus=2,mem=64")["limits"]
    assert limits == {"cpus": {"value": 2.0}, "mem": {"value": 64.0}}


def test_ports_are_found_by_name() -> None:
    discovery = info("mesos", container(), 31000, 31001)["discovery"]
    assert (discovery["name"], discovery["visibility"]) == ("web", "CLUSTER")
    numbers = {each["name"]: each["number"] for each in discovery["ports"]["ports"]}
    assert numbers == {"PORT0": 31000, "PORT1": 31001}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flumina.container.volumes", "host:relative:/x"),
        ("flumina.container.volumes", "sandbox:/absolute:/x"),
        ("flumina.container.volumes", "sandbox:a/../..:/x"),
        ("flumina.container.capabilities", "chown"),
        ("flumina.container.rlimits", "nofile=5:4"),
        ("flumina.container.rlimits", "files=5"),
        ("flumina.container.limits", "cpu=5"),
        ("flumina.container.shmSizeMB", "0"),
        ("flumina.container.noNewPrivileges", "yes"),
        ("flumina.container.seccompProfile", "a b"),
    ],
)
def test_an_attribute_that_cannot_be_read(name: str, text: str) -> None:
    with pytest.raises(UnreadableAttribute) as refused:
        profile_of([(name, text)])
    assert refused.value.name == name
    # A job of an older log, which nobody asked, is launched without it.
    assert profile_of([(name, text)], is_lenient=True) == profile_of([])


def test_the_setting_decides() -> None:
    effect = AcceptOffers(
        ProposalId("p"), HostId("h"), (OfferId("o"),), (task_of(container()),), refuse_ms=0
    )

    def launched(containerizer: Containerizer) -> dict[str, Any]:
        settings = MesosSettings(
            masters=("127.0.0.1",), framework_id="f", containerizer=containerizer
        )
        (operation,) = call_of(effect, settings)["accept"]["operations"]
        return dict(operation["launch"]["task_infos"][0])

    assert "container" not in launched("none")
    assert launched("mesos")["container"]["type"] == "MESOS"
    assert launched("docker")["container"]["type"] == "DOCKER"


def labels(task: TaskToRun, containerizer: Containerizer = "none") -> dict[str, str]:
    """The labels with which a task is launched."""
    settings = MesosSettings(masters=("m",), framework_id="f", containerizer=containerizer)
    effect = AcceptOffers(ProposalId("p"), HostId("h"), (OfferId("o"),), (task,), refuse_ms=0)
    (operation,) = call_of(effect, settings)["accept"]["operations"]
    (info,) = operation["launch"]["task_infos"]
    return {each["key"]: each["value"] for each in info["labels"]["labels"]}


@pytest.mark.parametrize("containerizer", ["none", "mesos", "docker"])
def test_an_address_has_its_interface_and_groups_in_labels(containerizer: Containerizer) -> None:
    given = task_of(container(security_groups=("sg-b", "sg-a", "sg-b")))
    given = replace(given, labels=(("flumina.job", "j"),), interface=2)
    assert labels(given, containerizer) == {
        "flumina.job": "j",
        "flumina.interface": "2",
        "flumina.securityGroups": "sg-a,sg-b",
    }


def test_a_task_without_address_has_no_label_of_one() -> None:
    assert labels(task_of(container(security_groups=("sg-a",)))) == {}


@pytest.mark.parametrize(
    ("text", "expected"), [("true", {"flumina.cpu.burst": "true"}), ("false", {})]
)
def test_burst_work_is_labelled_for_the_agent(text: str, expected: dict[str, str]) -> None:
    assert labels(task_of(container(attributes=(("flumina.cpu.burst", text),)))) == expected


def test_role_and_identity_are_labels_also_where_nothing_is_said_of_a_container() -> None:
    """What the metadata endpoint of a host gives to the task."""
    given = container(
        iam_role="worker",
        attributes=(("titusParameter.agent.accountId", "123456789012"),),
        security_attributes=(("flumina.identity.audiences", "vault"), ("other", "x")),
    )
    assert labels(task_of(given)) == {
        "flumina.iamRole": "worker",
        "flumina.accountId": "123456789012",
        "flumina.identity.audiences": "vault",
        "flumina.application": "web",
    }
    assert labels(task_of(container())) == {}


def test_every_attribute_stands_in_the_documentation() -> None:
    text = (ROOT / "docs" / "containers.md").read_text("utf-8")
    assert [name for name in READERS if f"`{name}`" not in text] == []
