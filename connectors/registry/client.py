"""A registry by HTTP: HEAD of a tag's manifest, with one time-out over all of it.

The one thing to know: two answers differ for good. That the registry does not have the tag is
certain, and the image is refused where that is wanted; that it does not answer says nothing.
"""

import asyncio
from typing import Final

import aiohttp

from connectors.ports import ImageUnknown, RegistryUnavailable
from connectors.registry.credentials import Credentials, CredentialsUnreadable
from connectors.registry.reaching import EVERYWHERE, guarded_socket
from connectors.registry.translate import (
    MANIFESTS,
    Place,
    digest_in,
    digest_of_manifest,
    manifest_path,
    place_of,
    token_url,
)
from connectors.webhooks.addresses import Network

TIMEOUT_S: Final = 5.0
"""Titus' own for its checks of images, for all requests that one answer takes."""
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""A manifest is some kilobytes; registries take 4 MiB."""
ASKED_AT_ONCE_MAX: Final = 20
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
OK: Final = 200


class HttpRegistry:
    """What tags mean, asked of registries; close it when done."""

    def __init__(
        self,
        url: str = "",
        timeout_s: float = TIMEOUT_S,
        credentials: Credentials | None = None,
        networks: tuple[Network, ...] = (),
    ) -> None:
        """``url`` is the registry of images that name none.

        ``networks`` are those beside the public internet in which a registry may be.
        """
        self._url = url.rstrip("/")
        self._credentials = credentials or Credentials()
        self._timeout_s = timeout_s
        self._networks = networks
        self._http: dict[bool, aiohttp.ClientSession] = {}

    async def digest_of(self, image: str, tag: str) -> str:
        """The digest that the tag stands for now.

        Raises `ImageUnknown` where the registry says that there is none, `RegistryUnavailable`
        where it says nothing of use in time.
        """
        place = place_of(image, self._url)
        if place is None:
            raise RegistryUnavailable(f"{image} names no registry, and none is set")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._asked(place, tag)
        except TimeoutError:
            raise RegistryUnavailable(
                f"{place.url} did not answer within {self._timeout_s:g} s"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise RegistryUnavailable(f"{place.url} does not answer: {error}") from error

    async def close(self) -> None:
        """End every connection."""
        while self._http:
            await self._http.popitem()[1].close()

    async def _asked(self, place: Place, tag: str) -> str:
        url = place.url + manifest_path(place.repository, tag)
        headers = {"Accept": MANIFESTS}
        status, answered = await self._head(place, url, headers)
        if status == UNAUTHORIZED:
            challenge = answered.get("WWW-Authenticate", "")
            headers["Authorization"] = await self._authorization(place, challenge)
            status, answered = await self._head(place, url, headers)
        if status in {UNAUTHORIZED, FORBIDDEN}:
            raise RegistryUnavailable(f"{place.url} does not let us read {place.repository}")
        if status == NOT_FOUND:
            raise ImageUnknown(f"{place.url} has no {place.repository}:{tag}")
        if status != OK:
            raise RegistryUnavailable(f"{place.url} answers {status}")
        return digest_in(answered) or await self._by_body(place, url, headers)

    async def _head(
        self, place: Place, url: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str]]:
        async with self._session(place).head(url, headers=headers, allow_redirects=True) as answer:
            named = {"WWW-Authenticate", "Docker-Content-Digest"}
            return answer.status, {each: answer.headers.get(each, "") for each in named}

    async def _authorization(self, place: Place, challenge: str) -> str:
        """What the registry's 401 asks for, by the login that there is, or as anybody."""
        try:
            login = await asyncio.to_thread(self._credentials.of, place.url)
        except CredentialsUnreadable as error:
            raise RegistryUnavailable(str(error)) from error
        if login.bearer:
            return f"Bearer {login.bearer}"
        if challenge.lower().startswith("basic"):
            if not login.basic:
                raise RegistryUnavailable(f"{place.url} wants a login, and there is none for it")
            return f"Basic {login.basic}"
        return f"Bearer {await self._token(place, challenge, login.basic)}"

    async def _token(self, place: Place, challenge: str, basic: str) -> str:
        """A reader's token, as the registry's 401 says where to get it."""
        url = token_url(challenge)
        if not url:
            raise RegistryUnavailable(f"{place.url} wants a login that this version does not have")
        if basic and place.url.startswith("https://") and not url.startswith("https://"):
            raise RegistryUnavailable(
                f"{place.url} sends our login to {url}, without TLS: not done"
            )
        headers = {"Authorization": f"Basic {basic}"} if basic else {}
        async with self._session(place).get(url, headers=headers) as answer:
            if answer.status != OK:
                raise RegistryUnavailable(f"{place.url} gives no token: {answer.status}")
            try:
                told = await answer.json(content_type=None)
            except ValueError as error:
                raise RegistryUnavailable(f"{place.url} gives a token that is none") from error
        token = told.get("token") or told.get("access_token") if isinstance(told, dict) else None
        if not isinstance(token, str):
            raise RegistryUnavailable(f"{place.url} gives no token")
        return token

    async def _by_body(self, place: Place, url: str, headers: dict[str, str]) -> str:
        async with self._session(place).get(url, headers=headers) as answer:
            if answer.status != OK:
                raise RegistryUnavailable(f"{url} answers {answer.status}")
            body = await answer.content.read(BODY_BYTES_MAX + 1)
            while len(body) <= BODY_BYTES_MAX and not answer.content.at_eof():
                body += await answer.content.read(BODY_BYTES_MAX + 1 - len(body))
        if len(body) > BODY_BYTES_MAX:
            raise RegistryUnavailable(f"{url} has a manifest of more than {BODY_BYTES_MAX} bytes")
        return digest_of_manifest(body)

    def _session(self, place: Place) -> aiohttp.ClientSession:
        """The connections for a registry: to one that a producer names, fewer may be made."""
        is_ours = place.url == self._url
        found = self._http.get(is_ours)
        if found is None:
            allowed = EVERYWHERE if is_ours else self._networks
            connector = aiohttp.TCPConnector(
                limit=ASKED_AT_ONCE_MAX, socket_factory=guarded_socket(allowed)
            )
            # `digest_of` has the time of a whole question; this is of what it would forget.
            whole = aiohttp.ClientTimeout(total=2 * self._timeout_s)
            found = aiohttp.ClientSession(connector=connector, timeout=whole)
            self._http[is_ours] = found
        return found
