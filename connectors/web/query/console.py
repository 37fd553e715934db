"""The console's files, as they stand in the package, with an ETag each.

The one thing to know: only what was found below the directory when it was asked for is served, by
its own name; a path that leads elsewhere is 404. A path without a point is a view of the page, and
gets ``index.html``, so that an address with a view in it can be loaded again.
"""

from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import Response

STATIC: Final = Path(__file__).parents[1] / "console" / "static"
INDEX: Final = "index.html"
FILE_BYTES_MAX: Final = 8 * 1024 * 1024
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


class ConsoleFiles:
    """Answers requests for files of one directory."""

    def __init__(self, directory: Path = STATIC) -> None:
        self._directory = directory.resolve()

    async def answer(self, request: Request) -> Response:
        """The file, 304 where the caller has it, 404 where there is none."""
        found = self._path_of(request.url.path)
        data = None if found is None else await anyio.to_thread.run_sync(_read, found)
        if found is None or data is None:
            return Response("There is no such file.\n", HTTPStatus.NOT_FOUND, media_type=PLAIN)
        tag = f'"{blake2b(data, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
            return Response(None, HTTPStatus.NOT_MODIFIED, headers)
        kind = TYPES.get(found.suffix, "application/octet-stream")
        return Response(data, HTTPStatus.OK, headers, kind)

    def _path_of(self, path: str) -> Path | None:
        name = path.lstrip("/")
        if "\0" in name:
            return None
        last = name.rpartition("/")[2]
        found = (self._directory / (name if "." in last else INDEX)).resolve()
        return found if found.is_relative_to(self._directory) else None


PLAIN: Final = "text/plain; charset=utf-8"


def _read(path: Path) -> bytes | None:
    """The file's bytes; None where it is no file of ours."""
    try:
        if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
            return None
        return path.read_bytes()
    except OSError:
        return None
