"""Plug-ins that are installed here, by their entry points, and how a policy file names them.

The one thing to know: nothing of a plug-in is imported here; its package's metadata says enough.
"""

import importlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final, Literal

from scheduler.model.reading.faults import Faults, nearest_name, shown_text
from scheduler.model.rules import Plugin

Kind = Literal["fitness", "constraint"]
GROUPS: Final[Mapping[Kind, str]] = {
    "fitness": "flumina.fitness",
    "constraint": "flumina.constraints",
}


def installed_plugins() -> tuple[Plugin, ...]:
    """Every plug-in that is installed here, with the version that would be loaded."""
    importlib.invalidate_caches()
    found = {
        Plugin(kind, each.name, each.dist.name, each.dist.version)
        for kind, group in GROUPS.items()
        for each in metadata.entry_points(group=group)
        if each.dist is not None
    }
    return tuple(sorted(found, key=lambda each: (each.kind, each.name, each.distribution)))


def complete(document: dict[str, Any], faults: Faults) -> None:
    """Fill in distribution and version of plug-ins that the document only names.

    What is not installed here, or is in several packages, is added to the faults.
    """
    entries = document.get("plugins")
    if not isinstance(entries, list):
        return
    here = installed_plugins()
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and not (entry.get("distribution") and entry.get("version")):
            _complete(entry, here, f"plugins[{place}]", faults)


def _complete(entry: dict[str, Any], here: tuple[Plugin, ...], path: str, faults: Faults) -> None:
    kind, name, distribution = entry.get("kind"), entry.get("name"), entry.get("distribution")
    found = [
        each
        for each in here
        if (each.kind, each.name) == (kind, name) and distribution in {None, "", each.distribution}
    ]
    entry.setdefault("distribution", found[0].distribution if found else "unknown")
    entry.setdefault("version", found[0].version if found else "unknown")
    if len(found) > 1:
        told = ", ".join(f"{each.distribution} {each.version}" for each in found)
        faults.add(f"{path}.distribution", f"could be {told}", "say which one is meant")
    elif not found and isinstance(name, str):
        names = [each.name for each in here if each.kind == kind]
        near = nearest_name(name, names) if names else "none is installed"
        hint = f"{near}; install it here and where the cell runs, or give distribution and version"
        faults.add(f"{path}.name", f"is {shown_text(name)}, which is not installed here", hint)
