"""What the metadata of one task are made of, read from what Mesos' agent was given.

The one thing to know: a task that names no role and no audience has no endpoint, and nothing here
is taken from what the task itself says at run time.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

ROLE_LABEL: Final = "flumina.iamRole"
ACCOUNT_LABEL: Final = "flumina.accountId"
AUDIENCES_LABEL: Final = "flumina.identity.audiences"
"""Whom the task may show its identity to, with commas between."""
OWNER_LABEL: Final = "flumina.owner"
APPLICATION_LABEL: Final = "flumina.application"
JOB_LABEL: Final = "flumina.job"
ZONE_ATTRIBUTES: Final = ("zone", "availability-zone", "availabilityZone")


class TaskFacts(msgspec.Struct, frozen=True):
    """One task, as its host knows it."""

    task_id: str
    job_id: str = ""
    owner: str = ""
    application: str = ""
    host: str = ""
    address: str = ""
    zone: str = ""
    role_arn: str = ""
    """Empty: the task was given no role."""
    audiences: tuple[str, ...] = ()
    """Empty: the task gets no identity."""

    @property
    def role_name(self) -> str:
        """The last part of the role's name, by which clients ask for it."""
        return self.role_arn.rpartition("/")[2]

    @property
    def region(self) -> str:
        """The zone without its letter, where it ends in one as AWS' zones do."""
        has_letter = self.zone[-1:].isalpha() and self.zone[-2:-1].isdigit()
        return self.zone[:-1] if has_letter else ""

    @property
    def is_served(self) -> bool:
        """Whether there is anything that the task may have."""
        return bool(self.role_arn or self.audiences)


def facts_of(task: Mapping[str, Any], host: Mapping[str, Any]) -> TaskFacts:
    """The facts of a TaskInfo on a host, which is Mesos' AgentInfo."""
    labels = _labels(task)
    zones = {
        each["name"]: str(each.get("text", {}).get("value", ""))
        for each in host.get("attributes", ())
    }
    audiences = labels.get(AUDIENCES_LABEL, "").split(",")
    return TaskFacts(
        task_id=str(task["task_id"]["value"]),
        job_id=labels.get(JOB_LABEL, ""),
        owner=labels.get(OWNER_LABEL, ""),
        application=labels.get(APPLICATION_LABEL, ""),
        host=str(host.get("hostname", "")),
        address=str(host.get("ip", "")),
        zone=next((zones[name] for name in ZONE_ATTRIBUTES if name in zones), ""),
        role_arn=role_arn(labels.get(ROLE_LABEL, ""), labels.get(ACCOUNT_LABEL, "")),
        audiences=tuple(each.strip() for each in audiences if each.strip()),
    )


def role_arn(role: str, account: str) -> str:
    """The role's ARN; a bare name is one of the account. Empty where neither says which."""
    if role.startswith("arn:"):
        return role
    return f"arn:aws:iam::{account}:role/{role}" if role and account else ""


def _labels(task: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    networks = task.get("container", {}).get("network_infos", ())
    for holder in (*networks, task):
        for each in holder.get("labels", {}).get("labels", ()):
            found[str(each["key"])] = str(each.get("value", ""))
    return found
