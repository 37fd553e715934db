"""The sandbox files of an agent over HTTP, as Mesos' ``/files`` endpoints show them.

The one thing to know: a path names a run of an executor, virtually
(``/frameworks/F/executors/E/runs/latest/...``) or by the absolute directory that ``/state`` tells,
and nothing outside that sandbox can be reached through it, by dots or by links.
"""

import grp
import json
import mimetypes
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.devcluster.agent.store import AgentStore
from connectors.devcluster.words import Json

# What Mesos reads at once when no length is given: 16 pages.
READ_BYTES_MAX = 16 * 4096
_VIRTUAL_PARTS = 6


class FileError(Exception):
    """The path names no file that may be read; ``response`` is what the asker is told."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.response = PlainTextResponse(text, status)


class SandboxFiles:
    """Browse, read and download."""

    def __init__(self, store: AgentStore, agent_id: Callable[[], str | None]) -> None:
        self._store = store
        self._agent_id = agent_id

    def routes(self) -> list[Route]:
        """The HTTP routes."""
        handlers = {
            "browse": self._browse,
            "read": self._read,
            "download": self._download,
            "debug": self._debug,
        }
        return [Route(f"/files/{name}", _guarded(handler)) for name, handler in handlers.items()]

    def listed(self, asked: str) -> list[Json]:
        """What a directory holds, as v1 ``FileInfo``; nothing for a file."""
        path = self._find(asked)
        if not path.is_dir():
            return []
        return [_file_info(asked.rstrip("/"), entry) for entry in sorted(path.iterdir())]

    def read(self, asked: str, offset: int, length: int | None) -> tuple[int, bytes]:
        """The size of a file, and bytes of it from the offset; of all sizes, within a limit."""
        path = self._find(asked)
        if path.is_dir():
            raise FileError(400, "Cannot read a directory.\n")
        with path.open("rb") as file:
            file.seek(offset)
            most = READ_BYTES_MAX if length is None else min(length, READ_BYTES_MAX)
            return os.fstat(file.fileno()).st_size, file.read(most)

    def _debug(self, _request: Request) -> Response:
        """Which virtual paths there are, and where they lead."""
        agent_id = self._agent_id()
        if agent_id is None:
            return JSONResponse({})
        root = self._store.work / "slaves" / agent_id
        runs = sorted(root.glob("frameworks/*/executors/*/runs/latest"))
        return JSONResponse({f"/{p.relative_to(root)}": str(p.resolve()) for p in runs})

    def _locate(self, request: Request) -> tuple[str, Path]:
        """The path as it was asked for, and the existing file or directory it means."""
        # Whatever follows a NUL is not part of a file's name, to Mesos as to the system.
        asked = request.query_params.get("path", "").partition("\0")[0]
        if not asked:
            raise FileError(400, "Expecting 'path=value' in query.\n")
        return asked, self._find(asked)

    def _find(self, asked: str) -> Path:
        try:
            root, rest = self._sandbox_of(asked)
            sandbox = root.resolve(strict=True)
            path = sandbox.joinpath(*rest).resolve(strict=True)
        except (OSError, ValueError) as error:
            raise FileError(404, _NOT_FOUND) from error
        if not path.is_relative_to(sandbox):
            raise FileError(400, f"'{asked}' is inaccessible.\n")
        return path

    def _sandbox_of(self, asked: str) -> tuple[Path, list[str]]:
        parts = [p for p in asked.split("/") if p]
        agent_id = self._agent_id()
        if not asked.startswith("/") or agent_id is None:
            raise ValueError("not a path of this agent")
        base = [p for p in str(self._store.work / "slaves" / agent_id).split("/") if p]
        if parts[: len(base)] == base:
            parts = parts[len(base) :]
        match parts[:_VIRTUAL_PARTS]:
            case ["frameworks", framework_id, "executors", executor_id, "runs", run]:
                names = (framework_id, executor_id, run)
            case _:
                raise ValueError("not a path of a run")
        if any(name in (".", "..") or "\0" in name for name in names):
            raise ValueError("not a name")
        runs = self._store.runs(agent_id, framework_id, executor_id)
        return runs / run, parts[_VIRTUAL_PARTS:]

    def _browse(self, request: Request) -> Response:
        asked, path = self._locate(request)
        if not path.is_dir():
            return JSONResponse([])
        entries = sorted(path.iterdir())
        return JSONResponse([_entry(asked.rstrip("/"), entry) for entry in entries])

    def _read(self, request: Request) -> Response:
        offset = _whole_number(request, "offset", -1)
        length = _whole_number(request, "length", -1)
        if offset < -1:
            raise FileError(400, f"Negative offset provided: {offset}.\n")
        if length < -1:
            raise FileError(400, f"Negative length provided: {length}.\n")
        _, path = self._locate(request)
        if path.is_dir():
            raise FileError(400, "Cannot read a directory.\n")
        size = path.stat().st_size
        if offset == -1:
            return JSONResponse({"data": "", "offset": size})
        if offset >= size or length == 0:
            return JSONResponse({"data": "", "offset": offset})
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(READ_BYTES_MAX if length == -1 else min(length, READ_BYTES_MAX))
        return _as_it_is(data, offset)

    def _download(self, request: Request) -> Response:
        _, path = self._locate(request)
        if path.is_dir():
            raise FileError(400, "Cannot download a directory.\n")
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        headers = {"Content-Disposition": f"attachment; filename={quote(path.name)}"}
        return FileResponse(path, media_type=kind, headers=headers)


_NOT_FOUND = (
    "No such file in a sandbox of this agent. A path begins with "
    "/frameworks/FRAMEWORK/executors/TASK/runs/latest, or is the directory that /state names.\n"
)


def _guarded(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except FileError as refusal:
            return refusal.response

    return answer


def _as_it_is(data: bytes, offset: int) -> Response:
    """The answer of Mesos: bytes go into the JSON string as they are, also when no UTF-8."""
    text = data.decode("utf-8", "surrogateescape")
    body = json.dumps({"data": text, "offset": offset}, ensure_ascii=False)
    return Response(body.encode("utf-8", "surrogateescape"), media_type="application/json")


def _whole_number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise FileError(400, f"Failed to parse {name}: Failed to convert '{text}' to number.\n")
    return int(text)


def _file_info(folder: str, path: Path) -> Json:
    entry = _entry(folder, path)
    info = os.lstat(path)
    return {**entry, "mtime": {"nanoseconds": int(info.st_mtime) * 10**9}, "mode": info.st_mode}


def _entry(folder: str, path: Path) -> Json:
    info = os.lstat(path)
    return {
        "gid": _name(lambda: grp.getgrgid(info.st_gid).gr_name, info.st_gid),
        "mode": stat.filemode(info.st_mode),
        "mtime": float(int(info.st_mtime)),
        "nlink": info.st_nlink,
        "path": f"{folder}/{path.name}",
        "size": info.st_size,
        "uid": _name(lambda: pwd.getpwuid(info.st_uid).pw_name, info.st_uid),
    }


def _name(lookup: Callable[[], str], number: int) -> str:
    try:
        return lookup()
    except KeyError:
        return str(number)
