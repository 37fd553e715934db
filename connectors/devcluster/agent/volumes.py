"""Persistent volumes as directories of the agent, and what is kept of operations.

The one thing to know: a volume is a directory that lives until it is destroyed; a task sees it by a
symbolic link in its sandbox, as with Mesos' ``filesystem/posix`` isolator. Its size is counted,
not enforced.
"""

import json
import shutil
from pathlib import Path, PurePosixPath

from connectors.devcluster.agent.operations import OperationBook, volumes_of
from connectors.devcluster.node import write_atomically
from connectors.devcluster.words import Json


class Volumes:
    """The volumes of one agent, on disk."""

    def __init__(self, home: Path) -> None:
        self._root = home / "work" / "volumes" / "roles"
        self._kept = home / "meta" / "operations.json"

    def restore(self, book: OperationBook) -> None:
        """Give the book what an earlier process of this agent kept of it."""
        if self._kept.exists():
            book.restore(json.loads(self._kept.read_bytes()))

    def keep(self, book: OperationBook) -> None:
        """Write the book down, make the volumes that are new, and remove those that are not."""
        write_atomically(self._kept, json.dumps(book.registration()).encode())
        wanted = {self._path(role, persistence_id) for role, persistence_id in book.volumes()}
        for path in wanted:
            path.mkdir(parents=True, exist_ok=True)
        for mark in list(self._root.glob("**/.volumes/*")):
            if mark not in wanted:
                shutil.rmtree(mark)

    def link(self, sandbox: Path, info: Json) -> None:
        """Let a task or an executor find its volumes in its sandbox."""
        for role, persistence_id, path in volumes_of(info):
            place = PurePosixPath(path)
            if place.is_absolute() or ".." in place.parts:
                continue
            link = sandbox / place
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self._path(role, persistence_id), target_is_directory=True)

    def _path(self, role: str, persistence_id: str) -> Path:
        # Roles are a tree; the folder keeps volumes apart from the roles below theirs.
        return self._root / role / ".volumes" / persistence_id
