"""Faults of a dev cluster's hosts, injected by command: a file for each check that shall fail.

The one thing to know: nothing really breaks. The prober of a dev cluster reads these files and
reports the check as bad, so that everything behind it can be tried; no other process looks at them.
"""

from pathlib import Path
from typing import Final

FOLDER: Final = "broken"
PROBES: Final = ("agent", "clock", "container", "disk", "instance", "system", "volume")
DETAIL_BYTES_MAX: Final = 400


def break_probe(home: Path, probe: str, detail: str) -> None:
    """Have a check of the agent with this directory fail."""
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / probe).write_bytes(detail.encode()[:DETAIL_BYTES_MAX])


def broken(home: Path) -> dict[str, str]:
    """The checks that shall fail, each with what it shall say."""
    folder = home / FOLDER
    if not folder.is_dir():
        return {}
    return {
        each.name: each.read_bytes()[:DETAIL_BYTES_MAX].decode("utf-8", "replace")
        for each in sorted(folder.iterdir())
        if each.name in PROBES
    }


def mend(home: Path, probe: str = "") -> None:
    """Take one fault back, or all of them."""
    for name in [probe] if probe else list(broken(home)):
        (home / FOLDER / name).unlink(missing_ok=True)
