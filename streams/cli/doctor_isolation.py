"""The checks of `flumina doctor` about what tasks of a dev cluster are confined by.

The one thing to know: a running agent is asked what it found when it started. Where none runs,
this computer is looked at in the same way, by making an empty cgroup and removing it again.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from connectors.devcluster.agent.isolation import probe
from connectors.mesos.usage import hosts_of
from streams.cli.doctor_checks import Finding, ok, skipped, warning

TIMEOUT_S: Final = 5.0
NAMES: Final = {
    "memory": "memory limits",
    "cpu": "cpu limits",
    "pids": "pids limits",
    "affinity": "cpu affinity",
    "disk": "disk quota",
    "no-new-privileges": "no-new-privileges",
    "seccomp": "seccomp",
    "users": "shifted users",
    "network": "tasks' network",
    "bandwidth": "bandwidth",
}
NO_MEMORY_LIMITS: Final = (
    "Run the dev cluster where it may make cgroups (as root, or with --isolation "
    "auto,cgroup=DIRECTORY and a delegated cgroup v2 directory)."
)


def isolation_findings(masters: Sequence[str]) -> list[Finding]:
    """What hosts of a dev cluster enforce; of this computer, where no cluster runs."""
    if not masters:
        rows = [row.to_json() for row in probe(f"flumina-doctor-{os.getpid()}-").rows()]
        return list(_findings(rows))
    try:
        hosts = hosts_of(_get(f"http://{masters[0]}/slaves"))
        state = _get(f"{hosts[0].url}/state") if hosts else {}
    except (OSError, ValueError) as error:
        return [skipped("isolation", f"no host could be asked: {error}")]
    if "flumina_isolation" in state:
        return list(_findings(state["flumina_isolation"]))
    if not hosts:
        return [skipped("isolation", "no host is connected")]
    return [skipped("isolation", "hosts are Mesos' own agents; their --isolation decides")]


def _findings(rows: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    for row in rows:
        kind, by, text = row["kind"], row["by"], row["text"]
        check = NAMES.get(kind, kind)
        if by is None and kind != "memory":
            yield skipped(check, text)
        elif kind == "memory" and by in {None, "watchdog"}:
            said = f"{by or 'not enforced'}: {text}. Out of memory cannot be told for certain"
            yield warning(check, said, NO_MEMORY_LIMITS)
        else:
            yield ok(check, f"{by}: {text}")


def _get(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http, of the master's own word
            found = json.load(answer)
    except urllib.error.URLError as error:
        raise OSError(f"{url}: {error.reason}") from error
    return found if isinstance(found, dict) else {}
