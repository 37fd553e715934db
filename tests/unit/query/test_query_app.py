"""What the query process serves besides rows: files with an ETag, the api, and errors as sentences.

How: the application is called without a socket; the api behind it is a real server on loopback that
answers as it is told to.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from connectors.web.query.app import CSP, QueryApp
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import BODY_BYTES_MAX, PassThrough
from projections.masking import Masker
from tests.support.scripted_server import Server

SECRET = "not for everybody"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A page of a script, beside something that is none of ours."""
    (tmp_path / "secret.txt").write_text(SECRET)
    static = tmp_path / "static"
    (static / "views").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html>page")
    (static / "views" / "job.js").write_text("export const a = 1;")
    (static / "link.txt").symlink_to(tmp_path / "secret.txt")
    return static


@pytest.fixture
def api() -> Iterator[Server]:
    """The api behind the process."""
    server = Server((200, {"hello": "there"}, {"X-Flumina-Offset": "7", "Connection": "close"}))
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def asked(  # noqa: PLR0917 - a request
    files: Path,
    url: str,
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes | AsyncIterator[bytes] | None = None,
) -> httpx.Response:
    """The answer to one request."""

    async def ask() -> httpx.Response:
        passing = PassThrough(url, Masker())
        app = QueryApp([], passing, ConsoleFiles(files), {"127.0.0.1"})
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:7180"
            ) as client:
                request = client.build_request(method, "/", headers=headers, content=body)
                request.url = request.url.copy_with(raw_path=target.encode())
                return await client.send(request)
        finally:
            await passing.close()

    return asyncio.run(ask())


NOBODY = "http://127.0.0.1:9"


def test_a_file_has_a_tag_and_is_not_sent_twice(files: Path) -> None:
    """A browser that has it is told so, and every answer forbids other origins."""
    first = asked(files, NOBODY, "GET", "/views/job.js")
    assert (first.status_code, first.text) == (200, "export const a = 1;")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    again = asked(files, NOBODY, "GET", "/views/job.js", {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    (files / "views" / "job.js").write_text("export const a = 2;")
    changed = asked(files, NOBODY, "GET", "/views/job.js", {"If-None-Match": first.headers["etag"]})
    assert changed.text == "export const a = 2;"


@pytest.mark.parametrize("path", ["/", "/jobs", "/task/web-0", "/diff?from=1&to=2"])
def test_a_view_is_the_page(files: Path, path: str) -> None:
    """An address with a view in it can be loaded again."""
    assert asked(files, NOBODY, "GET", path).text == "<!doctype html>page"


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/%2e%2e/secret.txt", "/views/../../secret.txt", "/link.txt", "/no.js"),
        *("/views/", "//etc/passwd.txt", "/a%00.js", "/..%2fsecret.txt"),
    ],
)
def test_nothing_else_is_served(files: Path, path: str) -> None:
    """Not by a way round, not by a link."""
    answer = asked(files, NOBODY, "GET", path)
    assert SECRET not in answer.text
    assert answer.status_code == 404 or answer.text == "<!doctype html>page"


def test_the_api_is_asked_as_if_it_were_here(files: Path, api: Server) -> None:
    """Its path, query, body and headers; not what concerns one connection."""
    answer = asked(
        files,
        api.url,
        "POST",
        "/api/v3/jobs?a=1&b=%2F",
        {"X-Flumina-Actor": "ann", "Connection": "X-Private", "X-Private": "1", "TE": "gzip"},
        b'{"x": 1}',
    )
    assert answer.json() == {"hello": "there"}
    assert answer.headers["x-flumina-offset"] == "7"
    assert answer.headers["content-security-policy"] == CSP
    (request,) = api.asked
    assert (request.method, request.path) == ("POST", "/api/v3/jobs?a=1&b=%2F")
    assert request.body == b'{"x": 1}'
    names = {name.lower(): value for name, value in request.headers.items()}
    assert names["x-flumina-actor"] == "ann"
    assert names["host"] == api.url.removeprefix("http://")
    assert not {"x-private", "te"} & set(names)


def test_an_api_that_is_away_is_told_of_in_a_sentence(files: Path) -> None:
    """And when to come again."""
    answer = asked(files, NOBODY, "GET", "/api/v3/jobs")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "api-away"


def test_an_api_that_breaks_off_is_told_of(files: Path) -> None:
    """It is no success with half a body."""
    server = Server(None)
    try:
        answer = asked(files, server.url, "GET", "/api/v3/jobs")
    finally:
        server.shutdown()
        server.server_close()
    assert (answer.status_code, answer.json()["code"]) == (502, "api-broken")


def test_too_large_a_body_is_not_passed_on(files: Path, api: Server) -> None:
    """Its length says so before a byte of it is read."""
    length = {"Content-Length": str(BODY_BYTES_MAX + 1)}
    answer = asked(files, api.url, "POST", "/api/v3/jobs", length)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert not api.asked


def test_a_body_that_does_not_say_its_length_is_cut_off_where_it_is_too_large(files: Path) -> None:
    """It comes in pieces, and whoever sends it is told; the api got no whole request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = threading.Thread(target=swallow, args=(listener,))
        reader.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        answer = asked(files, url, "POST", "/api/v3/jobs", body=pieces())
        reader.join(60)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


async def pieces() -> AsyncIterator[bytes]:
    """More than is passed on."""
    for _ in range(BODY_BYTES_MAX // 2**20 + 1):
        yield b"x" * 2**20


def swallow(listener: socket.socket) -> None:
    """Take one connection's bytes to their end, and answer nothing."""
    connection, _ = listener.accept()
    with connection:
        while connection.recv(2**16):
            pass


def test_a_strange_name_of_the_server_is_refused(files: Path, api: Server) -> None:
    """A page of another origin that had its name point here gets nothing."""
    answer = asked(files, api.url, "GET", "/api/v3/jobs", {"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (421, "host")
    assert not api.asked


def test_files_cannot_be_written(files: Path) -> None:
    """There is nothing to write."""
    assert asked(files, NOBODY, "PUT", "/views/job.js").status_code == 405
