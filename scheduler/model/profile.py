"""What a container asks of its runtime beyond image and resources, read from its attributes.

The one thing to know: Titus' descriptor has no fields for these, and its users set such things by
attributes of the container. So do ours, by the names below; what is wrong is refused at admission
(`scheduler.model.v3`), and a connector reads the same attributes by the same rules.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from scheduler.model.attributes import Readers, read_attributes
from scheduler.model.base import Ours
from scheduler.model.sealed import SECRET_ATTRIBUTE, read_secret_names

SHM_ATTRIBUTE: Final = "flumina.container.shmSizeMB"
"""Where `resources.shmSizeMB` is kept."""
SHM_MIB_DEFAULT: Final = 64
"""Titus."""
SUBNETS_ATTRIBUTE: Final = "titusParameter.agent.subnets"
ACCOUNT_ATTRIBUTE: Final = "titusParameter.agent.accountId"
IPV6_ATTRIBUTE: Final = "titusParameter.agent.assignIPv6Address"
BURST_ATTRIBUTE: Final = "flumina.cpu.burst"
"""Whether the container may use threads of the host that nobody owns (`scheduler.cpu_sets`)."""

_CAPABILITY: Final = re.compile("[A-Z][A-Z_]{1,30}")
_RLIMIT: Final = re.compile("([a-z]{2,10})=([0-9]{1,19})(?::([0-9]{1,19}))?")
_VOLUME: Final = re.compile("(host|sandbox):([^:]{1,255}):(/[^:]{0,255})(?::(ro|rw))?")
_LIMIT: Final = re.compile("(cpus|mem)=([0-9]{1,7}(?:\\.[0-9]{1,3})?)")
_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_RLIMITS: Final = (  # noqa: SIM905 - so many words are for reading
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending "
    "stack"
).split()


class Volume(Ours, frozen=True):
    """A directory of the host or of the sandbox, seen inside the container."""

    is_of_host: bool
    path: str
    mount_point: str
    is_read_only: bool


class Rlimit(Ours, frozen=True):
    """A limit of the kernel on one process of the container."""

    name: str
    soft: int
    hard: int


class Profile(Ours, frozen=True):
    """The attributes of a container that its runtime must know, read."""

    shm_mib: int = SHM_MIB_DEFAULT
    volumes: tuple[Volume, ...] = ()
    capabilities: tuple[str, ...] | None = None
    """All that the container may have; None leaves it to the runtime."""
    seccomp: str = ""
    """The name of a profile, or `unconfined`."""
    apparmor: str = ""
    has_no_new_privileges: bool = False
    rlimits: tuple[Rlimit, ...] = ()
    cpu_milli_max: int = 0
    memory_mib_max: int = 0
    """Above the request, as far as the host has some left; 0 is none."""
    subnets: tuple[str, ...] = ()
    account: str = ""
    wants_ipv6: bool = False
    is_burst: bool = False


def profile_of(attributes: Iterable[tuple[str, str]], *, is_lenient: bool = False) -> Profile:
    """What these attributes say; raises UnreadableAttribute for the first that cannot be read.

    ``is_lenient`` passes over such a one.
    """
    return Profile(**read_attributes(attributes, READERS, is_lenient=is_lenient))


def _words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _shm(text: str) -> dict[str, Any]:
    if not re.fullmatch("[0-9]{1,7}", text) or int(text) == 0:
        raise ValueError('give whole MiB, like "64"')
    return {"shm_mib": int(text)}


def _volumes(text: str) -> dict[str, Any]:
    volumes = []
    for each in _words(text):
        match = _VOLUME.fullmatch(each)
        if match is None:
            raise ValueError(f'"{each}": write host:PATH:/MOUNT:ro or sandbox:PATH:/MOUNT:rw')
        is_of_host = match[1] == "host"
        parts = match[2].split("/")
        if ".." in parts or is_of_host != match[2].startswith("/"):
            raise ValueError("a host path begins with /, a sandbox path does not; neither has ..")
        volumes.append(Volume(is_of_host, match[2], match[3], match[4] == "ro"))
    return {"volumes": tuple(sorted(volumes, key=lambda each: each.mount_point))}


def _capabilities(text: str) -> dict[str, Any]:
    words = sorted({each.removeprefix("CAP_") for each in _words(text)})
    if wrong := next((each for each in words if not _CAPABILITY.fullmatch(each)), None):
        raise ValueError(f'"{wrong}" is no capability; write for example "CHOWN,NET_BIND_SERVICE"')
    return {"capabilities": tuple(words)}


def _rlimits(text: str) -> dict[str, Any]:
    limits = []
    for each in _words(text):
        match = _RLIMIT.fullmatch(each)
        if match is None or match[1] not in _RLIMITS:
            raise ValueError(f'"{each}" is no limit; write for example "nofile=1024:4096,core=0"')
        soft, hard = int(match[2]), int(match[3] or match[2])
        if soft > hard:
            raise ValueError(f'"{each}": the first number may not be above the second')
        limits.append(Rlimit(match[1], soft, hard))
    return {"rlimits": tuple(sorted(limits, key=lambda each: each.name))}


def _limits(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in _words(text):
        match = _LIMIT.fullmatch(each)
        if match is None:
            raise ValueError(f'"{each}" is no limit; write for example "cpus=2,mem=1024"')
        if match[1] == "cpus":
            found["cpu_milli_max"] = round(float(match[2]) * 1000)
        else:
            found["memory_mib_max"] = int(float(match[2]))
    return found


def _name(field: str) -> Callable[[str], dict[str, Any]]:
    def read(text: str) -> dict[str, Any]:
        if not _NAME.fullmatch(text):
            raise ValueError("give a name of letters, digits and . _ / -")
        return {field: text}

    return read


def _truth(field: str) -> Callable[[str], dict[str, Any]]:
    def read(text: str) -> dict[str, Any]:
        if text.lower() not in {"true", "false"}:
            raise ValueError('write "true" or "false"')
        return {field: text.lower() == "true"}

    return read


def _checked(check: Callable[[str], None]) -> Callable[[str], dict[str, Any]]:
    def read(text: str) -> dict[str, Any]:
        check(text)
        return {}

    return read


READERS: Final[Readers] = {
    SHM_ATTRIBUTE: _shm,
    "flumina.container.volumes": _volumes,
    "flumina.container.capabilities": _capabilities,
    "flumina.container.seccompProfile": _name("seccomp"),
    "flumina.container.apparmorProfile": _name("apparmor"),
    "flumina.container.noNewPrivileges": _truth("has_no_new_privileges"),
    "flumina.container.rlimits": _rlimits,
    "flumina.container.limits": _limits,
    SUBNETS_ATTRIBUTE: lambda text: {"subnets": tuple(_words(text))},
    ACCOUNT_ATTRIBUTE: lambda text: {"account": text.strip()},
    IPV6_ATTRIBUTE: _truth("wants_ipv6"),
    BURST_ATTRIBUTE: _truth("is_burst"),
    SECRET_ATTRIBUTE: _checked(read_secret_names),
}
"""Every attribute that is read here, by its name."""
