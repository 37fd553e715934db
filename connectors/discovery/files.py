"""Files as a registry: one a service, in the form of Prometheus' ``file_sd_configs``.

The one thing to know: a file is replaced whole, by renaming, so that no reader sees a half one.
Groups in it that bear no task of ours stay as they are. Each cell has a folder of its own: two
writers of one file would lose each other's changes.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from connectors.ports import Endpoint, RegistrationFailed
from scheduler.model.reading.bad_bytes import BAD_BYTES

TASK: Final = "flumina_task"

Group = dict[str, Any]


class Files:
    """Files below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = asyncio.Lock()

    @property
    def renew_ms(self) -> int:
        """0: files stay."""
        return 0

    def key_of(self, endpoint: Endpoint) -> str:
        """The task."""
        return endpoint.task_id

    async def register(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Write each into the service's file; raises `RegistrationFailed`."""
        groups = {each.task_id: _group(place, each) for each in endpoints}
        await self._changed(place, groups, lambda group: group[1] in groups)

    async def deregister(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Take each out of it; a file without groups is removed."""
        gone = {each.task_id for each in endpoints}
        await self._changed(place, {}, lambda group: group[1] in gone)

    async def registered(self, place: str) -> frozenset[str]:
        """The tasks in the service's file."""
        groups = await asyncio.to_thread(self._read, self._path(place))
        return frozenset(name for _, name in groups if name)

    async def renew(
        self,
        place: str,  # noqa: ARG002 - the port's; nothing has to be done
        endpoints: Sequence[Endpoint],  # noqa: ARG002 - as above
    ) -> frozenset[str]:
        """Nothing is lost: files stay."""
        return frozenset()

    async def close(self) -> None:
        """Nothing: no file is kept open."""

    def _path(self, place: str) -> Path:
        return self._directory / f"{quote(place, safe='')}.json"

    async def _changed(
        self, place: str, new: dict[str, Group], is_gone: Callable[[tuple[Group, str]], bool]
    ) -> None:
        async with self._lock:
            await asyncio.to_thread(self._change, self._path(place), new, is_gone)

    def _change(
        self, path: Path, new: dict[str, Group], is_gone: Callable[[tuple[Group, str]], bool]
    ) -> None:
        kept = [each[0] for each in self._read(path) if not is_gone(each)]
        groups = kept + [new[name] for name in sorted(new)]
        try:
            if not groups:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            # No reader takes a name that does not end with .json for a file of services.
            half = path.with_suffix(".half")
            half.write_bytes(msgspec.json.format(msgspec.json.encode(groups), indent=2))
            half.replace(path)
        except OSError as error:
            raise RegistrationFailed(f"{path} cannot be written: {error}") from error

    def _read(self, path: Path) -> list[tuple[Group, str]]:
        """The groups of a file, each with its task, which is empty for others' groups."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=list[Group])
        except FileNotFoundError:
            return []
        except (OSError, *BAD_BYTES) as error:
            raise RegistrationFailed(f"{path} cannot be read: {error}") from error
        return [(each, _task_of(each)) for each in found]


def _task_of(group: Group) -> str:
    """The task that we wrote the group for; empty where another wrote it, in whatever form."""
    labels = group.get("labels")
    return str(labels.get(TASK, "")) if isinstance(labels, dict) else ""


def _group(place: str, endpoint: Endpoint) -> Group:
    address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return {
        "targets": [f"{address}:{endpoint.port}"],
        "labels": {
            "flumina_cell": endpoint.cell,
            "flumina_service": place,
            "flumina_job": endpoint.job_id,
            TASK: endpoint.task_id,
            "flumina_ports": ",".join(map(str, endpoint.ports)),
            "flumina_version": endpoint.version,
            "flumina_healthy": "true" if endpoint.is_healthy else "false",
        },
    }
