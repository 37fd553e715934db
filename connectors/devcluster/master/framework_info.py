"""Whether a FrameworkInfo is valid, and how it may change; Mesos' own sentences.

The one thing to know: a framework that is refused here gets 200, an ERROR event and the end of its
stream, not a 400.
"""

import re

from connectors.devcluster.speciality import role_error
from connectors.devcluster.words import Json

# Mesos' Duration holds nanoseconds in 64 bits: about 292 years.
_DURATION_SECONDS_MAX = 9_223_372_036.0
_NO_ID = re.compile(r"[\x00-\x1f\x7f/\\]")


def framework_error(info: Json) -> str | None:
    """Why this FrameworkInfo is refused, or None."""
    return _roles_error(info) or _id_error(info) or _timeout_error(info)


def _roles_error(info: Json) -> str | None:
    if "MULTI_ROLE" in {c.get("type") for c in info.get("capabilities", [])}:
        if "role" in info:
            return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
        roles = info.get("roles", [])
        doubled = sorted({r for r in roles if roles.count(r) > 1})
        if doubled:
            names = ", ".join(doubled)
            return f"'FrameworkInfo.roles' contains duplicate items: {{ {names} }}"
        for role in roles:
            if problem := role_error(role):
                return f"'FrameworkInfo.roles' contains invalid role: {problem}"
        return None
    if info.get("roles"):
        return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
    if problem := role_error(info.get("role", "*")):
        return f"'FrameworkInfo.role' is not a valid role: {problem}"
    return None


def _id_error(info: Json) -> str | None:
    value = info.get("id", {}).get("value", "")
    return id_error(value) if value else None


def id_error(value: str) -> str | None:
    """Why this is no id of a framework or a task, or None."""
    if not value:
        return "ID must not be empty"
    if len(value) > 255:
        return "ID must not be greater than 255 characters"
    if value in (".", ".."):
        return f"'{value}' is disallowed"
    if _NO_ID.search(value):
        return f"'{value}' contains invalid characters"
    return None


def _timeout_error(info: Json) -> str | None:
    seconds = info.get("failover_timeout", 0.0)
    if abs(seconds) > _DURATION_SECONDS_MAX:
        return f"The framework failover_timeout ({seconds:g}) is invalid"
    return None


def change_error(old: Json, new: Json) -> str | None:
    """Why a known framework may not change to this, or None."""
    if old.get("principal") != new.get("principal"):
        return "Changing framework's principal is not allowed."
    return None


def update_error(old: Json, new: Json) -> str | None:
    """Why UPDATE_FRAMEWORK refuses this, or None; stricter than a new subscription."""
    if problem := change_error(old, new):
        return problem
    if old["user"] != new["user"]:
        return (
            "Updating 'FrameworkInfo.user' is unsupported; attempted to update from "
            f"'{old['user']}' to '{new['user']}'"
        )
    before, after = bool(old.get("checkpoint")), bool(new.get("checkpoint"))
    if before != after:
        return (
            "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from "
            f"'{str(before).lower()}' to '{str(after).lower()}'"
        )
    return None


def merged(old: Json, new: Json) -> Json:
    """The new FrameworkInfo with the fields that Mesos silently keeps from the old one."""
    result = dict(new)
    result["user"] = old["user"]
    if "checkpoint" in old or "checkpoint" in new:
        result["checkpoint"] = bool(old.get("checkpoint", False))
    return result
