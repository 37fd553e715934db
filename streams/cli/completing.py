"""What a shell is offered when it completes a word: the ids of jobs and tasks that are there.

The one thing to know: a shell waits for this with every press of a key. The API has 300 ms for its
answer; where it has none by then, or nothing runs, nothing is offered and nothing is said.
"""

import http.client
import os
import threading
from functools import partial
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from connectors.http.connecting import connection_to
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.access.opening import context_of, credentials_of
from streams.errors import OperatorError
from streams.settings import settings_of
from streams.supervise.up_file import running_ups

WAIT_S_MAX: Final = 0.3
ANSWER_BYTES_MAX: Final = 1024 * 1024
OFFERED_MAX: Final = 1_000
_JOBS: Final = f"/api/v3/jobs?fields=id&pageSize={OFFERED_MAX}"


class _Item(msgspec.Struct, frozen=True):
    id: str


class _Page(msgspec.Struct, frozen=True):
    items: tuple[_Item, ...] = ()


def job_ids(incomplete: str) -> list[str]:
    """Jobs whose ids begin so."""
    return _ids(_JOBS, incomplete)


def names(incomplete: str) -> list[str]:
    """Jobs whose ids begin so; of a job whose tasks are meant, its tasks."""
    job, mark, _ = incomplete.partition("-worker-")
    known = job_id_of(TaskId(f"{job}-worker-0-1"))
    if not mark or known is None:
        return job_ids(incomplete)
    path = f"/api/v3/tasks?fields=id&pageSize={OFFERED_MAX}&jobIds={quote(known, safe='')}"
    return _ids(path, incomplete)


def _ids(path: str, incomplete: str) -> list[str]:
    found: list[str] = []

    def ask() -> None:
        try:
            url = _api_url()
            if url:
                found.extend(_asked(url, path))
        except (OSError, http.client.HTTPException, OperatorError, *BAD_BYTES):
            return  # Whoever presses a key is not to be told of it.

    # Names that do not resolve, and answers byte by byte, know no time-out but this one.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(WAIT_S_MAX)
    return sorted(each for each in tuple(found) if each.startswith(incomplete))


def _api_url() -> str:
    """The API that a command would ask that names none; empty where that is not clear."""
    settings = settings_of(os.environ)
    if settings.api_url:
        return settings.api_url
    running = [each.api for each in running_ups(settings.data_dir.absolute()) if each.api]
    return running[0] if len(running) == 1 else ""


def _asked(url: str, path: str) -> list[str]:
    parts = urlsplit(url)
    credentials = credentials_of(settings_of(os.environ))
    context = partial(context_of, credentials) if parts.scheme == "https" else None
    connection = connection_to(parts.hostname or "", parts.port, WAIT_S_MAX, context)
    try:
        connection.request("GET", parts.path.rstrip("/") + path, headers=credentials.headers())
        answer = connection.getresponse()
        body = answer.read(ANSWER_BYTES_MAX)
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return []
    return [each.id for each in msgspec.json.decode(body, type=_Page).items]
