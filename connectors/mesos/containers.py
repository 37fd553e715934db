"""A job's container as the parts of a Mesos TaskInfo that describe it: pure.

The one thing to know: which containerizer is used is one setting of the connector. With `none`
(the default) a task is a command on the host and nothing else is said of its container, as agents
without an image store run nothing else; `mesos` and `docker` name the image and all the rest.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, assert_never

from scheduler.model.effects import TaskToRun
from scheduler.model.job import Container
from scheduler.model.profile import (
    BURST_ATTRIBUTE,
    SHM_MIB_DEFAULT,
    Profile,
    Volume,
    profile_of,
)

Json = dict[str, Any]

Containerizer = Literal["none", "mesos", "docker"]
CONTAINERIZERS: Final[tuple[Containerizer, ...]] = ("none", "mesos", "docker")

INTERFACE_LABEL: Final = "flumina.interface"
"""Which network interface of the host the task's address is on, counted from 0."""
GROUPS_LABEL: Final = "flumina.securityGroups"
AUDIENCES_ATTRIBUTE: Final = "flumina.identity.audiences"
"""In `securityProfile.attributes`: whom the task may show its identity to, with commas between."""


def described(task: TaskToRun, containerizer: Containerizer) -> Json:
    """The fields of a TaskInfo that say what runs, and in what."""
    container = task.container
    is_bare = container is None or containerizer == "none"
    if container is None or is_bare:
        return {"command": _command_on_host(task)} | _discovery(task)
    profile = profile_of(container.attributes, is_lenient=True)
    limits = _limits(profile)
    match containerizer:
        case "docker" if container.image:
            parts = {"command": _command_in_docker(task, container)}
            parts["container"] = _docker(container, profile)
            parts["container"] |= _persistent(task, parts["container"])
        case "docker" | "mesos":
            # Mesos' own containerizer passes `arguments` as the whole argv, image or not.
            parts = {"command": _command_on_host(task), "container": _mesos(container, profile)}
            parts["container"] |= _persistent(task, parts["container"])
        case "none":  # pragma: no cover - answered above
            raise AssertionError("a bare command has no container")
        case _:
            assert_never(containerizer)
    return parts | limits | _discovery(task)


def labels_of(task: TaskToRun) -> list[Json]:
    """The labels of a TaskInfo: those of the task, and what an agent of ours acts on.

    An executor attaches the address to the interface that was chosen, which is bound to exactly
    these groups; an agent that gives out cpu sets lets a burst task grow (`docs/containers.md`).
    """
    labels = dict(task.labels)
    if task.interface >= 0:
        groups = task.container.security_groups if task.container else ()
        labels[INTERFACE_LABEL] = str(task.interface)
        labels[GROUPS_LABEL] = ",".join(sorted(set(groups)))
    if task.container and profile_of(task.container.attributes, is_lenient=True).is_burst:
        labels[BURST_ATTRIBUTE] = "true"
    if task.container:
        labels |= _identity(task.container, task.application)
    return [{"key": key, "value": value} for key, value in labels.items()]


def _command_on_host(task: TaskToRun) -> Json:
    """The whole argv: without a shell Mesos does not put the program in front."""
    return {
        "shell": False,
        "value": task.command[0],
        "arguments": list(task.command),
        "environment": _environment(task),
    }


def _command_in_docker(task: TaskToRun, container: Container) -> Json:
    """What follows the image's name on Docker's command line.

    Words of an entry point replace the image's own (by `--entrypoint`, see `_parameters`); without
    any, the command's words are given to the image's entry point, as Titus and Docker do.
    """
    begin = 1 if container.entry_point_words else 0
    command: Json = {"shell": False, "environment": _environment(task)}
    if words := list(task.command[begin:]):
        command["arguments"] = words
    return command


def _environment(task: TaskToRun) -> Json:
    return {"variables": [{"name": name, "value": value} for name, value in task.environment]}


def _mesos(container: Container, profile: Profile) -> Json:
    """A ContainerInfo for Mesos' own containerizer."""
    info: Json = {"type": "MESOS"}
    if name := container.full_image:
        info["mesos"] = {"image": {"type": "DOCKER", "docker": {"name": name}, "cached": True}}
    linux: Json = {}
    if profile.capabilities is not None:
        capabilities = {"capabilities": list(profile.capabilities)}
        linux["effective_capabilities"] = linux["bounding_capabilities"] = capabilities
    if profile.seccomp == "unconfined":
        linux["seccomp"] = {"unconfined": True}
    elif profile.seccomp:
        linux["seccomp"] = {"profile_name": profile.seccomp}
    if profile.shm_mib != SHM_MIB_DEFAULT:
        # Only a container with a /dev/shm of its own can have it in another size.
        linux |= {"ipc_mode": "PRIVATE", "shm_size": profile.shm_mib}
    if linux:
        info["linux_info"] = linux
    if profile.rlimits:
        info["rlimit_info"] = {
            "rlimits": [
                {"type": f"RLMT_{each.name.upper()}", "soft": each.soft, "hard": each.hard}
                for each in profile.rlimits
            ]
        }
    return info | _shared(container, profile)


def _docker(container: Container, profile: Profile) -> Json:
    """A ContainerInfo for Docker's; what Mesos has no field for is an option of its command."""
    parameters = [{"key": key, "value": value} for key, value in _parameters(container, profile)]
    docker: Json = {"image": container.full_image, "network": "HOST", "force_pull_image": False}
    if parameters:
        docker["parameters"] = parameters
    return {"type": "DOCKER", "docker": docker} | _shared(container, profile)


def _parameters(container: Container, profile: Profile) -> Iterator[tuple[str, str]]:
    if container.entry_point_words:
        yield "entrypoint", container.command[0]
    if profile.shm_mib != SHM_MIB_DEFAULT:
        yield "shm-size", f"{profile.shm_mib}m"
    if profile.capabilities is not None:
        yield "cap-drop", "ALL"
        for name in profile.capabilities:
            yield "cap-add", name
    if profile.seccomp:
        yield "security-opt", f"seccomp={profile.seccomp}"
    if profile.apparmor:
        yield "security-opt", f"apparmor={profile.apparmor}"
    if profile.has_no_new_privileges:
        yield "security-opt", "no-new-privileges"
    for each in profile.rlimits:
        yield "ulimit", f"{each.name}={each.soft}:{each.hard}"


def _shared(container: Container, profile: Profile) -> Json:
    """What both kinds of container say in the same way."""
    shared: Json = {}
    if profile.volumes:
        shared["volumes"] = [_volume(each) for each in profile.volumes]
    if network := _network(container, profile):
        shared["network_infos"] = [network]
    return shared


def _identity(container: Container, application: str) -> dict[str, str]:
    """What the metadata endpoint of a host acts on (`docs/task-identity.md`)."""
    wanted = dict(container.security_attributes).get(AUDIENCES_ATTRIBUTE, "")
    account = profile_of(container.attributes, is_lenient=True).account
    labels = {
        "flumina.iamRole": container.iam_role,
        "flumina.accountId": account if container.iam_role else "",
        AUDIENCES_ATTRIBUTE: wanted,
        "flumina.application": application if wanted else "",
    }
    return {key: value for key, value in labels.items() if value}


def _persistent(task: TaskToRun, info: Json) -> Json:
    """What stays with the task's index: volumes, mounted from the host, and its address."""
    added: Json = {}
    if task.volumes:
        there = [
            {
                "mode": "RO" if each.is_read_only else "RW",
                "container_path": each.mount_point,
                "host_path": each.path,
            }
            for each in task.volumes
        ]
        added["volumes"] = [*info.get("volumes", ()), *there]
    if task.address is not None:
        network: Json = (info.get("network_infos") or [{}])[0]
        protocol = "IPv6" if ":" in task.address.address else "IPv4"
        address = {"protocol": protocol, "ip_address": task.address.address}
        added["network_infos"] = [network | {"ip_addresses": [address]}]
    return added


def _volume(volume: Volume) -> Json:
    mode = "RO" if volume.is_read_only else "RW"
    if volume.is_of_host:
        return {"mode": mode, "container_path": volume.mount_point, "host_path": volume.path}
    path = {"type": "SELF", "path": volume.path}
    source = {"type": "SANDBOX_PATH", "sandbox_path": path}
    return {"mode": mode, "container_path": volume.mount_point, "source": source}


def _network(container: Container, profile: Profile) -> Json:
    """Who may reach the container and from where: for a network plug-in that reads labels."""
    labels = {
        GROUPS_LABEL: ",".join(container.security_groups),
        "flumina.iamRole": container.iam_role,
        "flumina.subnets": ",".join(profile.subnets),
        "flumina.accountId": profile.account,
    }
    given = [{"key": key, "value": value} for key, value in labels.items() if value]
    if not given and not profile.wants_ipv6:
        return {}
    addresses = [{"protocol": "IPv4"}] + [{"protocol": "IPv6"}] * profile.wants_ipv6
    network: Json = {"ip_addresses": addresses, "labels": {"labels": given}}
    if container.security_groups:
        network["groups"] = list(container.security_groups)
    return network


def _limits(profile: Profile) -> Json:
    limits: Json = {}
    if profile.cpu_milli_max:
        limits["cpus"] = {"value": profile.cpu_milli_max / 1000}
    if profile.memory_mib_max:
        limits["mem"] = {"value": float(profile.memory_mib_max)}
    return {"limits": limits} if limits else {}


def _discovery(task: TaskToRun) -> Json:
    """The task's ports by name, for whatever looks for services in Mesos' state."""
    if not task.ports or not task.application:
        return {}
    ports = [
        {"number": port, "name": f"PORT{number}", "protocol": "tcp"}
        for number, port in enumerate(task.ports)
    ]
    return {
        "discovery": {
            "visibility": "CLUSTER",
            "name": task.application,
            "ports": {"ports": ports},
        }
    }
