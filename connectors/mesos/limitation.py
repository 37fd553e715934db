"""What a task ran out of, said plainly before Mesos' own words: pure.

The one thing to know: Mesos tells it in a message (``Memory limit exceeded: Requested: 64MB
Maximum Used: 65MB``) and a reason; whoever reads ``why`` or v3 sees this message first, and should
not have to know that. Mesos' MB are of 1,048,576 bytes, so they are written MiB.
"""

import re
from typing import Final

_SIZE: Final = r"\d+(?:\.\d+)?[KMGT]?B"
_KINDS: Final = {
    "REASON_CONTAINER_LIMITATION_MEMORY": (
        "out of memory",
        re.compile(rf"Requested: (?P<limit>{_SIZE}) Maximum Used: (?P<used>{_SIZE})"),
    ),
    "REASON_CONTAINER_LIMITATION_DISK": (
        "out of disk space",
        re.compile(rf"\((?P<used>{_SIZE})\) exceeds quota \((?P<limit>{_SIZE})\)"),
    ),
}
"""By reason, what ran out and where a master of 1.11.0 says how much (observed)."""


def with_limitation(reason: str, message: str) -> str:
    """The message of an update, which says first what ran out where something did."""
    if reason not in _KINDS:
        return message
    what, words = _KINDS[reason]
    if found := words.search(message):
        what += f": used {_binary(found['used'])} of {_binary(found['limit'])}"
    said, _, more = message.partition("\n\n")  # Memory statistics of the cgroup may follow.
    plain = f"{what} (Mesos: {said})" if said else what
    return f"{plain}\n\n{more}" if more else plain


def _binary(size: str) -> str:
    """``64MB`` as ``64 MiB``."""
    number = size.rstrip("KMGTB")
    unit = size.removeprefix(number)
    return f"{number} {unit if unit == 'B' else f'{unit[0]}iB'}"
