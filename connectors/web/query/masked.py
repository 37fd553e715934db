"""Answers of the api on their way to the console: masked by names of keys, whatever they are.

The one thing to know: this is the only way from the api to a page, so what is masked here is in no
page. JSON and pieces of logs are masked whole, streams line by line; what changes something is
answered with ids and places of logs only, and passed on as it is.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Literal

from projections.masking import MASK, Masker

if TYPE_CHECKING:
    import httpx

WHOLE_BYTES_MAX: Final = 256 * 1024 * 1024
"""As much as the time machine answers with at most."""
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a stream; no event of ours is larger than a few mebibytes."""
AT_ONCE_BYTES: Final = 64 * 1024
"""More is masked beside the loop."""
JSON: Final = "application/json"
STREAM: Final = "text/event-stream"
BYTES: Final = "application/octet-stream"

Kind = Literal["", "json", "text", "lines"]


def kind_of(method: str, content_type: str) -> Kind:
    """How an answer is masked; empty for one that is passed on as it is."""
    if method != "GET":
        return ""
    media = content_type.partition(";")[0].strip().lower()
    if media == STREAM:
        return "lines"
    if media == JSON or media.endswith("+json"):
        return "json"
    # The page of an incident was masked where it was made, and its style is named by its hash.
    is_text = media.startswith("text/") and media != "text/html"
    return "text" if is_text or media == BYTES else ""


class TooLarge(Exception):
    """An answer that cannot be masked, and so is not passed on."""


async def masked_whole(found: "httpx.Response", kind: Kind, masker: Masker) -> bytes:
    """The answer's body masked; raises `TooLarge`."""
    body = bytearray()
    async for piece in found.aiter_bytes():
        body += piece
        if len(body) > WHOLE_BYTES_MAX:
            raise TooLarge
    data = bytes(body)
    mask = masker.json if kind == "json" else masker.plain
    if len(data) <= AT_ONCE_BYTES:
        return mask(data)
    return await asyncio.to_thread(mask, data)


async def masked_lines(found: "httpx.Response", masker: Masker) -> AsyncIterator[bytes]:
    """The stream's lines masked, each as soon as it is whole."""
    rest, is_dropped = b"", False
    async for piece in found.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        if lines and is_dropped:
            lines[0], is_dropped = b"data: " + MASK.encode(), False
        if lines:
            yield b"".join(masker.event_line(each + b"\n") for each in lines)
        if len(rest) > LINE_BYTES_MAX or is_dropped:
            rest, is_dropped = b"", True  # Nobody keeps so much for one line.
    if rest:
        yield masker.event_line(rest)
