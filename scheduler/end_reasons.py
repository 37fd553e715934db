"""Why a failed task ended, as far as what Mesos says of it tells: whose fault it is.

The one thing to know: only what is certain is refined. A task that merely failed stays `failed`,
for a system error never uses up the user's retries, and so would be tried for ever. What a task's
own command ended with is never looked at: it cannot make its own end the system's fault.

Titus (S19) has the same five classes and leaves the patterns to settings; these are the texts of
Mesos' agent and command executor, and of the container runtimes below it.
"""

import re
from typing import Final

from scheduler.model.task import FinishReason

MESSAGE_CHARACTERS_MAX: Final = 2_000
"""So much of a message is looked at; a pattern that needs more is none."""

_OWN_END: Final = re.compile(r"Command (exited|terminated)|Container exited", re.IGNORECASE)
"""How Mesos' executors tell of an end that the command itself made."""

_OF_REASON: Final[dict[str, FinishReason]] = {
    "REASON_EXECUTOR_TERMINATED": "crashed",
    "REASON_EXECUTOR_REGISTRATION_TIMEOUT": "localSystemError",
    "REASON_CONTAINER_UPDATE_FAILED": "localSystemError",
    "REASON_IO_SWITCHBOARD_EXITED": "localSystemError",
    "REASON_GC_ERROR": "localSystemError",
    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT": "transientSystemError",
    "REASON_AGENT_RESTARTED": "transientSystemError",
    "REASON_SLAVE_RESTARTED": "transientSystemError",
    "REASON_AGENT_DISCONNECTED": "transientSystemError",
    "REASON_SLAVE_DISCONNECTED": "transientSystemError",
    "REASON_CONTAINER_PREEMPTED": "transientSystemError",
    "REASON_RESOURCES_UNKNOWN": "transientSystemError",
    "REASON_TASK_INVALID": "invalidRequest",
    "REASON_TASK_GROUP_INVALID": "invalidRequest",
}
"""Mesos' own reasons that say all; the old word for agent is still in use."""

_OF_MESSAGE: Final[tuple[tuple[FinishReason, re.Pattern[str]], ...]] = (
    (
        "invalidRequest",
        re.compile(
            r"image \S+ not found|no such image|manifest unknown|manifest for \S+ not found"
            r"|pull access denied|repository \S+ not found|invalid reference format"
            r"|executable file not found|security group \S+ does not exist"
            r"|role \S+ (does not exist|cannot be assumed)",
            re.IGNORECASE,
        ),
    ),
    (
        "transientSystemError",
        re.compile(
            r"toomanyrequests|tls handshake timeout|temporary failure in name resolution"
            r"|context deadline exceeded|connection (refused|reset|timed out)"
            r"|service unavailable|rate exceeded|requestlimitexceeded",
            re.IGNORECASE,
        ),
    ),
    (
        "localSystemError",
        re.compile(
            r"no space left on device|read-only file system|input/output error"
            r"|device or resource busy|too many open files|cannot allocate memory"
            r"|failed to (prepare|create|mount|set up|isolate) ",
            re.IGNORECASE,
        ),
    ),
    ("crashed", re.compile(r"executor (terminated|crashed|died)|containerizer", re.IGNORECASE)),
    ("unknownSystemError", re.compile(r"internal (server )?error|system error", re.IGNORECASE)),
)
"""By the first pattern that is found; each is a plain run of words, so that no text is slow."""


def refined(mesos_reason: str, message: str) -> FinishReason:
    """What TASK_FAILED means with this reason and message; ``failed`` where they say no more."""
    text = message[:MESSAGE_CHARACTERS_MAX]
    if _OWN_END.match(text):
        return "failed"
    known = _OF_REASON.get(mesos_reason)
    if known is not None:
        return known
    for reason, pattern in _OF_MESSAGE:
        if pattern.search(text):
            return reason
    return "failed"
