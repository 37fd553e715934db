"""What the api answers is masked on its way to the console: whole answers, streams, broken pieces.

The answers are httpx's own, in the pieces in which a network may bring them.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence

import httpx
import msgspec
import pytest

from connectors.web.query.masked import Kind, TooLarge, kind_of, masked_lines, masked_whole
from projections.masking import MASK, Masker

SECRET = "hunter2-Zx9"
BODY = msgspec.json.encode({"container": {"env": {"PIN": SECRET}}, "id": "shop"})


def answer(pieces: Sequence[bytes], **headers: str) -> httpx.Response:
    """An answer that comes in these pieces."""

    async def come() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return httpx.Response(200, content=come(), headers=headers)


def cut(data: bytes, size: int) -> list[bytes]:
    """The data in pieces of so many bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("method", "media", "kind"),
    [
        ("GET", "application/json", "json"),
        ("GET", "application/json; charset=utf-8", "json"),
        ("GET", "application/problem+json", "json"),
        ("GET", "text/event-stream; charset=utf-8", "lines"),
        ("GET", "application/octet-stream", "text"),
        ("GET", "text/plain", "text"),
        ("GET", "text/html", ""),
        ("GET", "application/zip", ""),
        ("GET", "", ""),
        ("POST", "application/json", ""),
        ("HEAD", "application/json", ""),
    ],
)
def test_what_is_masked_how(method: str, media: str, kind: Kind) -> None:
    assert kind_of(method, media) == kind


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_json_is_masked_whole(size: int) -> None:
    masked = asyncio.run(masked_whole(answer(cut(BODY, size)), "json", Masker()))
    assert msgspec.json.decode(masked) == {"container": {"env": {"PIN": MASK}}, "id": "shop"}


def test_what_the_api_packed_is_unpacked_and_masked() -> None:
    packed = answer([gzip.compress(BODY)], **{"content-encoding": "gzip"})
    assert SECRET.encode() not in asyncio.run(masked_whole(packed, "json", Masker()))


def test_much_is_masked_beside_the_loop() -> None:
    many = msgspec.json.encode([{"password": SECRET, "id": number} for number in range(5_000)])
    masked = msgspec.json.decode(asyncio.run(masked_whole(answer([many]), "json", Masker())))
    assert masked[4_999] == {"password": MASK, "id": 4_999}


def test_a_log_keeps_its_bytes_but_for_secrets() -> None:
    log = b"start \xff\xfe\npassword=" + SECRET.encode() + b" ok\n"
    masked = asyncio.run(masked_whole(answer([log]), "text", Masker()))
    assert masked == b"start \xff\xfe\npassword=" + MASK.encode() + b" ok\n"


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_a_stream_is_masked_line_by_line(size: int) -> None:
    stream = b": ping\n\nid: 7\nevent: row\ndata: " + BODY + b"\n\nid: 8\ndata: {}\n\n"

    async def all_of() -> bytes:
        return b"".join([each async for each in masked_lines(answer(cut(stream, size)), Masker())])

    masked = asyncio.run(all_of())
    assert SECRET.encode() not in masked
    assert masked.replace(MASK.encode(), SECRET.encode()) == stream


def test_a_line_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.web.query.masked.LINE_BYTES_MAX", 100)

    async def all_of() -> bytes:
        pieces = cut(b"data: " + b"x" * 1_000 + SECRET.encode() + b"\ndata: {}\n", 30)
        return b"".join([each async for each in masked_lines(answer(pieces), Masker())])

    assert asyncio.run(all_of()) == b"data: masked\ndata: {}\n"


def test_an_answer_that_is_too_large_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.web.query.masked.WHOLE_BYTES_MAX", 100)
    with pytest.raises(TooLarge):
        asyncio.run(masked_whole(answer([b"x" * 101]), "json", Masker()))
