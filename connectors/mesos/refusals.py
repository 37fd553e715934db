"""A master that will not have this framework: which refusals an operator must hear of, and what of.

The one thing to know: a refusal for what we are (role, principal, user, capabilities) is the same
at the next attempt, and Mesos answers it with 200 and an ERROR event, so a cell could ask again
for ever with nobody told. Each reason pages once, and once more after a stream that ended in
another way, because that trouble is over then and the next one is new.
"""

from typing import Final

import structlog

from scheduler.model.mesos import StreamEnded

REPLACED: Final = "Framework failed over"
"""What a master of 1.11.0 says to the stream of a framework that has subscribed again."""
REASONS_MAX: Final = 16
"""Of one trouble; a master whose reason is another one each time pages no more than that."""

_LOG: Final = structlog.get_logger("flumina.mesos")
_NO_LOGIN: Final = (
    "flumina names no principal and does not log in yet: let the master run without "
    "--authenticate_frameworks (and --authenticate_http_frameworks), and let its --acls allow "
    "frameworks without a principal"
)
_OLD_MASTER: Final = (
    "this flumina needs PARTITION_AWARE, MULTI_ROLE and TASK_KILLING_STATE: run a master of "
    "Mesos 1.11 that allows them"
)
_ROLE: Final = (
    "flumina subscribes with the role '*': let the master's --roles and --acls "
    "(register_frameworks) allow it"
)
_USER: Final = (
    "flumina's tasks run as root: let the master's --acls (run_tasks) and --root_submissions "
    "allow it"
)
_ADVICE: Final = (
    (("principal", "authenticat", "401"), _NO_LOGIN),
    (("capabilit",), _OLD_MASTER),
    (("role",), _ROLE),
    (("user", "root"), _USER),
    (("failover_timeout",), "set another MESOS_FAILOVER_TIMEOUT_S (seconds) for the cell"),
)
_ELSE: Final = (
    "compare what the master says with the FrameworkInfo in its log, and with docs/mesos.md "
    "('Who we are to Mesos': role, principal, capabilities)"
)


def advice(said: str) -> str:
    """What an operator can do about a master that refuses us with these words."""
    words = said.lower()
    for names, sentence in _ADVICE:
        if any(each in words for each in names):
            return sentence
    return _ELSE


def is_about_us(ended: StreamEnded) -> bool:
    """Whether the ERROR event that ended a stream refuses what we are: only an operator can help.

    A burnt id pages by itself, and a replaced stream is what a new leader does to an old one.
    """
    return not ended.is_fatal and REPLACED not in ended.why


class Refusals:
    """The reasons that have paged since a stream was last open."""

    def __init__(self) -> None:
        self._paged: set[str] = set()

    def taken(self) -> None:
        """The master had us, and no refusal ended it: the next one is another trouble."""
        self._paged.clear()

    def refused(self, why: str) -> None:
        """Page for this reason, unless it has paged already."""
        if why in self._paged or len(self._paged) >= REASONS_MAX:
            return
        self._paged.add(why)
        _LOG.critical("mesos_refuses_us", page=True, why=why, what_to_do=advice(why))
