"""Who runs scripts on hosts, by the setting ``FLUMINA_HEALING``.

The one thing to know: ``ssm:FILE`` and ``local:FILE`` name the file of the allow-list;
``dev:DIRECTORY`` is a dev cluster, whose few scripts are given. AWS' library is loaded only where
it is used.
"""

import sys
from pathlib import Path
from typing import Final

from connectors.healing.allow_list import AllowList, Script, read_allow_list
from connectors.healing.local import LocalCommands
from connectors.healing.ports import HostCommands

KINDS: Final = ("ssm", "local", "dev")
_DEV: Final = (sys.executable, "-P", "-m", "connectors.healing.dev_script")
DEV_SCRIPTS: Final = AllowList({name: Script((*_DEV, name)) for name in ("status", "mend", "fail")})
"""What hosts of a dev cluster can be told to run."""


def healing_place(text: str) -> str:
    """The setting, if it can be one; raises ValueError."""
    kind, _, rest = text.partition(":")
    if kind not in KINDS or not rest:
        raise ValueError(
            f"{text!r} is none of ssm:FILE, local:FILE (of the allow-list), dev:DIRECTORY"
        )
    return text


def open_commands(place: str) -> HostCommands:
    """Whoever runs scripts; raises ValueError where the allow-list cannot be read."""
    kind, _, rest = place.partition(":")
    if kind == "dev":
        return LocalCommands(DEV_SCRIPTS, Path(rest))
    allowed = read_allow_list(Path(rest))
    if kind == "local":
        return LocalCommands(allowed)
    from connectors.healing.ssm import SsmCommands  # noqa: PLC0415 - boto3 is some 40 MiB

    return SsmCommands(allowed)
