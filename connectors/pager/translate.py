"""A page, as the bytes and headers of one HTTP request.

The one thing to know: the receiver can tell that a request is ours (``X-Flumina-Signature``, an
HMAC over time and body) and that it has had it before (``Idempotency-Key``, the page's own name).
"""

import hmac
import re
from hashlib import sha256
from typing import Final

import msgspec

TEXT_CHARACTERS_MAX: Final = 4_000
"""Of each sentence: a page is read on a telephone, and the log has it in full."""
TASKS_MAX: Final = 100
SIGNATURE_HEADER: Final = "X-Flumina-Signature"
TIME_HEADER: Final = "X-Flumina-Time"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Page(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One thing that an operator must look at."""

    id: str
    """What it is about, the same wherever and however often it is noticed."""
    what: str
    why: str
    kind: str = ""
    cell: str = ""
    process: str = ""
    address: str = ""
    """Of the event in the cell log that it follows from; empty where a process noticed it."""
    at_ms: int = 0
    tasks: tuple[str, ...] = ()
    tasks_total: int = 0


def body_of(page: Page) -> bytes:
    """The JSON that the receiver reads, bounded and without characters that hide others."""
    kept = msgspec.structs.replace(
        page,
        what=shown_text(page.what),
        why=shown_text(page.why),
        tasks=tuple(shown_text(each) for each in page.tasks[:TASKS_MAX]),
    )
    text = f"{kept.cell}: {kept.what}. {kept.why}" if kept.cell else f"{kept.what}. {kept.why}"
    return msgspec.json.encode({"version": 1, "text": text, **msgspec.to_builtins(kept)})


def shown_text(text: str) -> str:
    """The text for people: what came from outside must not move or hide what stands beside it."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)[:TEXT_CHARACTERS_MAX]


def headers_of(page: Page, body: bytes, secret: str, at_ms: int) -> dict[str, str]:
    """The headers of the request; signed where there is a secret."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "flumina",
        "Idempotency-Key": sha256(page.id.encode()).hexdigest(),
        TIME_HEADER: str(at_ms),
    }
    if secret:
        headers[SIGNATURE_HEADER] = f"sha256={signature(body, secret, at_ms)}"
    return headers


def signature(body: bytes, secret: str, at_ms: int) -> str:
    """The HMAC that a receiver compares: over the time header, a full stop, and the body."""
    return hmac.new(secret.encode(), f"{at_ms}.".encode() + body, sha256).hexdigest()
