"""The public keys of whoever signs tokens: fetched from one address, kept for as long as it says.

The one thing to know: keys that have run out are not used, whatever happens. Where new ones cannot
be had, nobody is admitted by a signed token (fault row 40). The address is a setting: what a token
says of where its keys are is never looked at.
"""

import asyncio
import http.client
import re
import ssl
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog

from connectors.http.connecting import connection_to
from scheduler.model.reading.bad_bytes import BAD_BYTES

logger = structlog.get_logger(__name__)

TIMEOUT_S: Final = 5.0
BYTES_MAX: Final = 256 * 1024
KEYS_MAX: Final = 100
LIFE_S: Final = 300.0
"""Where the answer does not say how long it counts."""
LIFE_S_MIN: Final = 10.0
LIFE_S_MAX: Final = 86_400.0
PAUSE_S: Final = 5.0
"""Between two attempts: whoever invents key ids does not make us ask more often."""
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})(?:$|[,\s])")
_NOT_KEPT: Final = re.compile(r"(?:^|[,\s])no-(?:store|cache)(?:$|[,\s])")


class NoKeys(Exception):
    """There are no keys that count, and new ones cannot be had; the text says why."""


class Keys:
    """The keys at one address, by their id."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``context`` is by whom an https address is believed; None: as the system does."""
        self._url, self._context, self._now_s = url, context, now_s
        self._keys: dict[str, Any] = {}
        self._until_s = 0.0
        self._asked_s = float("-inf")
        self._why = ""
        self._asking = asyncio.Lock()
        self.fetched = 0

    @property
    def until_s(self) -> float:
        """Until when the keys count, by the clock that was given."""
        return self._until_s

    async def key(self, id_: str) -> Any | None:  # noqa: ANN401 - the library's key
        """The key of this id, None where there is none; raises `NoKeys`."""
        found = self._found(id_)
        if found is not None:
            return found
        async with self._asking:
            found = self._found(id_)
            if found is None and self._now_s() - self._asked_s >= PAUSE_S:
                await self._ask()
                found = self._found(id_)
        if found is None and self._now_s() >= self._until_s:
            raise NoKeys(self._why or f"{self._url} has not answered yet")
        return found

    def _found(self, id_: str) -> Any | None:  # noqa: ANN401 - see above
        return self._keys.get(id_) if self._now_s() < self._until_s else None

    async def _ask(self) -> None:
        self._asked_s = asked_s = self._now_s()
        try:
            data, control = await asyncio.to_thread(_fetched, self._url, self._context)
            keys = _read(data)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._why = f"{self._url} cannot be read: {str(error) or type(error).__name__}"
            logger.warning("keys of signed tokens cannot be had", why=self._why)
            return
        self.fetched += 1
        self._keys, self._until_s = keys, asked_s + life_s_of(control)


def life_s_of(control: str) -> float:
    """How long an answer with this ``Cache-Control`` counts."""
    control = control.lower()
    if _NOT_KEPT.search(control):
        return LIFE_S_MIN
    found = _MAX_AGE.search(control)
    return min(LIFE_S_MAX, max(LIFE_S_MIN, float(found[1]))) if found else LIFE_S


def _fetched(url: str, context: ssl.SSLContext | None) -> tuple[bytes, str]:
    """The body and its ``Cache-Control``; nothing is followed to another address."""
    parts = urlsplit(url)
    host, path = parts.hostname or "", parts.path or "/"
    connection = connection_to(
        host,
        parts.port,
        TIMEOUT_S,
        (lambda: context or ssl.create_default_context()) if parts.scheme == "https" else None,
    )
    try:
        target = f"{path}?{parts.query}" if parts.query else path
        connection.request("GET", target, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise ValueError(f"it answers with status {answer.status}")
        data = answer.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise ValueError(f"it is larger than {BYTES_MAX} bytes")
        return data, answer.headers.get("Cache-Control", "")
    finally:
        connection.close()


def _read(data: bytes) -> dict[str, Any]:
    """The keys that verify something, by id; raises `ValueError` where there is none."""
    import jwt  # noqa: PLC0415 - only who admits by signed tokens pays for it

    try:
        raw = msgspec.json.decode(data, type=dict[str, Any]).get("keys")
    except BAD_BYTES as error:
        raise ValueError(f"it is no set of keys: {error}") from error
    if not isinstance(raw, list) or len(raw) > KEYS_MAX:
        raise ValueError(f"it has no list of at most {KEYS_MAX} keys")
    found: dict[str, Any] = {}
    for each in raw:
        if not isinstance(each, dict) or not isinstance(each.get("kid"), str):
            continue
        # A symmetric key in a public document would be everybody's.
        if each.get("kty") not in ("RSA", "EC", "OKP") or each.get("use", "sig") != "sig":
            continue
        try:
            found[each["kid"]] = jwt.PyJWK.from_dict(each)
        except (jwt.PyJWTError, TypeError, ValueError):
            continue  # Of a kind that we do not know, or damaged; the others count.
    if not found:
        raise ValueError("it has no key that verifies a signature")
    return found
