"""What the Mesos connector must be told: where the masters are, and who we are to them.

The one thing to know: ``failover_timeout_s`` is how long Mesos keeps our tasks running while the
control plane is away. Mesos' own default is 0, which kills every task at the first lost
connection and burns the framework's id; so 0 is refused here.
"""

import re
from typing import Final

import msgspec

from connectors.mesos.containers import Containerizer

DEFAULT_MASTER_PORT: Final = 5050
WEEK_S: Final = 7 * 24 * 3600
FAILOVER_TIMEOUT_S_MAX: Final = 10 * 365 * 24 * 3600
"""Mesos counts it in 64-bit nanoseconds and refuses what does not fit; ten years do."""
MASTERS_MAX: Final = 16

_HOST_PORT: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
)
_FRAMEWORK_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Timeouts(msgspec.Struct, frozen=True):
    """How long each step towards a master may take."""

    connect_s: float = 5.0
    answer_s: float = 10.0
    """From the request to its answer; for SUBSCRIBE also from the answer to ``SUBSCRIBED``."""
    heartbeats_missed_max: int = 5
    """Silence of so many heartbeat intervals ends the stream (Mesos' documentation says 5)."""

    def __post_init__(self) -> None:
        """Refuse what would wait for ever or not at all."""
        if not (0 < self.connect_s <= 600 and 0 < self.answer_s <= 600):
            raise ValueError("connect_s and answer_s must be above 0 and at most 600 seconds")
        if not 1 <= self.heartbeats_missed_max <= 100:
            raise ValueError("heartbeats_missed_max must be from 1 to 100")


class MesosSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the masters are and as which framework to subscribe; checked when it is made."""

    masters: tuple[str, ...]
    """``host:port`` each, tried in turn; any of them leads to the leading one."""
    framework_id: str
    """Derived from the cell's uuid, so that it never changes while the cell lives."""
    framework_name: str = "flumina"
    role: str = "*"
    failover_timeout_s: float = WEEK_S
    user: str = "root"
    """The account that tasks run as, where the agents switch users."""
    containerizer: Containerizer = "none"
    """What runs images; `none` runs a job's command on the host, whatever image it names."""
    principal: str = ""
    hostname: str = ""
    webui_url: str = ""
    timeouts: Timeouts = Timeouts()

    def __post_init__(self) -> None:
        """Refuse settings that Mesos would refuse later, or that would end tasks."""
        if not self.masters:
            raise ValueError("no Mesos master is named; give at least one host:port")
        for each in self.masters:
            _checked_master(each)
        if not _FRAMEWORK_ID.fullmatch(self.framework_id) or self.framework_id in {".", ".."}:
            raise ValueError(
                f"{self.framework_id!r} cannot be a framework id: Mesos takes letters, digits, "
                "'.', '_' and '-' (at most 128 here); derive it from the cell's uuid"
            )
        if not 0 < self.failover_timeout_s <= FAILOVER_TIMEOUT_S_MAX:
            raise ValueError(
                f"failover_timeout_s is {self.failover_timeout_s:g}, but must be above 0 and at "
                f"most {FAILOVER_TIMEOUT_S_MAX}: after so many seconds without us Mesos kills "
                f"every task and burns the framework id, and 0 means at once; a week is {WEEK_S}"
            )
        _check_role(self.role)
        if not self.framework_name:
            raise ValueError("framework_name is empty; Mesos shows it to operators, give one")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The masters as ``host:port``, each with its port."""
        return tuple(_checked_master(each) for each in self.masters)


def masters_of(text: str) -> tuple[str, ...]:
    """The masters that ``text`` names as ``host:port,host:port``, each with its port.

    Raises ValueError with a hint for anything else.
    """
    found = tuple(
        _checked_master(each.strip().removeprefix("http://").rstrip("/"))
        for each in text.split(",")
        if each.strip()
    )
    if not 1 <= len(found) <= MASTERS_MAX:
        raise ValueError(
            f"{text!r} names {len(found)} Mesos masters; give from 1 to {MASTERS_MAX} as "
            "host:port,host:port"
        )
    return found


def _checked_master(text: str) -> str:
    """``text`` with its port, or ValueError."""
    if text.startswith("zk://"):
        raise ValueError(
            f"{text!r} asks for ZooKeeper, which flumina does not speak; name the masters "
            "themselves as host:port,host:port, any of them leads to the leading one"
        )
    found = _HOST_PORT.fullmatch(text)
    port = int(found["port"] or DEFAULT_MASTER_PORT) if found else 0
    if found is None or not 0 < port <= 65535:
        raise ValueError(f"{text!r} is no Mesos master; one looks like 10.0.0.5:5050")
    return f"{found['host']}:{port}"


def _check_role(role: str) -> None:
    """ValueError for a role that Mesos' master refuses (its own rules, ``roles.cpp``)."""
    parts = role.split("/")
    if role != "*" and any(
        part in {"", ".", "..", "*"} or part.startswith("-") or re.search(r"\s|\x08", part)
        for part in parts
    ):
        raise ValueError(
            f"{role!r} cannot be a Mesos role: it is '*', or words joined by '/', none of which "
            "is empty, '.', '..' or '*', begins with '-' or holds white space"
        )
