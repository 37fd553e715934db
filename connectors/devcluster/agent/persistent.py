"""Volumes that stay with an index of a job, seen in a task's sandbox.

The one thing to know: the cell names them in a label of the task, with the directory on the host.
A task finds each by a symbolic link at its mount point, inside the sandbox; nothing is mounted, so
that the dev cluster needs no rights. A link never leads over something that is there already.
"""

from pathlib import Path, PurePosixPath

from connectors.devcluster.node import log
from connectors.devcluster.words import Json
from scheduler.model.mounts import VOLUMES_LABEL, read_mounted
from scheduler.model.reading.bad_bytes import BAD_BYTES


def link_persistent(sandbox: Path, info: Json) -> None:
    """Let a task find its volumes in its sandbox."""
    labels = info.get("labels", {}).get("labels", ())
    text = next((each.get("value", "") for each in labels if each.get("key") == VOLUMES_LABEL), "")
    if not text:
        return
    try:
        mounted = read_mounted(text)
    except BAD_BYTES as error:
        log("a task's volumes cannot be read", label=VOLUMES_LABEL, why=str(error))
        return
    for each in mounted:
        place = PurePosixPath(each.mount_point.lstrip("/"))
        if not place.parts or ".." in place.parts:
            continue
        link = sandbox / place
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists() and not link.is_symlink():
            link.symlink_to(each.path, target_is_directory=True)
