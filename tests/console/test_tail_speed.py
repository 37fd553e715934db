"""A live tail of ten thousand rows a second: frames, memory, and that every row is counted.

The rows come from a server of this file, in the form in which the query process sends them, so that
what is measured is the page and not a broker on the same two cores. It is a soak: figures of a busy
machine say nothing.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from streams.supervise.ports import free_block

pytestmark = [pytest.mark.browser, pytest.mark.soak]

STATIC = Path(str(files("connectors.web"))) / "console" / "static"
ROWS_A_SECOND = 10_000
SECONDS = 20
PIECES_A_SECOND = 20
FRAMES_A_SECOND = 50


async def _rows() -> AsyncIterator[bytes]:
    number, began = 0, time.monotonic()
    for piece in range(SECONDS * PIECES_A_SECOND):
        lines = []
        for _ in range(ROWS_A_SECOND // PIECES_A_SECOND):
            row = {
                "at_ms": 1_763_800_000_000 + number,
                "kind": "HostLine",
                "host": f"h{number % 97}",
                "level": "INFO",
                "message": f"line {number} of a host that has a lot to say about its disks",
            }
            place = f"host-logs:0:{number}.1;{number}"
            lines.append(f"id: {place}\nevent: row\ndata: {json.dumps(row)}\n\n")
            number += 1
        yield "".join(lines).encode()
        await asyncio.sleep(max(0.0, began + (piece + 1) / PIECES_A_SECOND - time.monotonic()))
    yield b'event: meta\ndata: {"state":"ended","dropped":0}\n\n'


async def _stream(_: Request) -> StreamingResponse:
    return StreamingResponse(_rows(), media_type="text/event-stream")


async def _nothing(request: Request) -> JSONResponse:
    answers: dict[str, object] = {"sources": {"sources": []}, "saved": {"saved": []}}
    found = answers.get(request.url.path.rpartition("/")[2])
    return JSONResponse(found or {}, status_code=200 if found else 404)


@pytest.fixture
def server() -> Iterator[str]:
    """The page's files, and a stream of rows."""
    port = free_block(1)
    app = Starlette(
        routes=[
            Route("/api/flumina/query/stream", _stream),
            Route("/api/{rest:path}", _nothing, methods=["GET", "POST"]),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ]
    )
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=running.run)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


COUNT_FRAMES = """
() => {
  window.frames_seen = 0;
  const count = () => { window.frames_seen += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}
"""


def test_ten_thousand_rows_a_second(browser: Browser, server: str) -> None:
    page = browser.new_page(viewport={"width": 1360, "height": 860})
    page.add_init_script(f"({COUNT_FRAMES})()")
    page.goto(f"{server}/#/query?mql=select+*+from+host-logs")
    total = page.locator("[data-tail=total]")
    expect(page.locator(".tail-rows tbody tr").first).to_be_visible()
    measured = []
    for _ in range(5):
        before, rows = page.evaluate("window.frames_seen"), _number(total.inner_text())
        began = time.monotonic()
        page.wait_for_timeout(3_000)
        passed = time.monotonic() - began
        frames = (page.evaluate("window.frames_seen") - before) / passed
        came = (_number(total.inner_text()) - rows) / passed
        heap = page.evaluate("performance.memory.usedJSHeapSize") / 2**20
        measured.append((round(frames), round(came), round(heap)))
    print("frames/s, rows/s, MiB:", measured)
    expect(page.locator("[data-tail=state]")).to_contain_text("ended")
    expect(total).to_have_text(f"{ROWS_A_SECOND * SECONDS:,}")
    page.close()
    assert min(frames for frames, _, _ in measured[1:]) > FRAMES_A_SECOND
    # It may be before or after a collection; a leak of 3 s would be 30,000 rows, 10 MiB.
    assert measured[-1][2] < measured[1][2] + 40


def _number(text: str) -> int:
    return int(text.replace(",", ""))
