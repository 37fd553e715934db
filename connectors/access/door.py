"""The door of one process: admits requests, and asks the one decision about each.

The one thing to know: an open door (no principals are set up) admits everybody as nobody, and lets
everything pass, as on a developer's computer. Beyond loopback no server starts with one.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.access.authentication import Authentication, NotAdmitted, Proof
from connectors.access.principals import Action, Principal, Target, decide
from connectors.access.refusals import Refusals
from connectors.access.sessions import CONSOLE, Sessions, id_of

PRINCIPAL: Final = "flumina.principal"
"""Where in an ASGI scope who asks is found, once he was admitted."""
PROOF: Final = "flumina.proof"
CERTIFICATE: Final = "flumina.certificate"
"""Where in an ASGI scope the server puts the client's certificate, in DER."""
ACTING_FOR: Final = "X-Flumina-Acting-For"
_ACTING_FOR: Final = ACTING_FOR.lower().encode()
_SAFE: Final = frozenset({"GET", "HEAD"})
RETRY_AFTER_S: Final = 5


class Denied(Exception):
    """A request that is not let in, or not let do what it wants."""

    def __init__(self, status: HTTPStatus, code: str, text: str, hint: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.hint = status, code, text, hint

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says to programs."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return {"WWW-Authenticate": 'Bearer realm="flumina"'}
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return {"Retry-After": str(RETRY_AFTER_S)}
        return {}


class Door:
    """Who is let in; ``authentication`` None: everybody."""

    def __init__(
        self,
        authentication: Authentication | None = None,
        cell: str = "",
        sessions: Sessions | None = None,
    ) -> None:
        self._authentication, self.cell, self.sessions = authentication, cell, sessions
        self.refusals = Refusals()

    @property
    def is_guarded(self) -> bool:
        """Whether one has to prove who one is."""
        return self._authentication is not None

    async def admit(self, scope: Mapping[str, Any]) -> Principal | None:
        """Who asks, None where the door is open; raises `Denied`."""
        if self._authentication is None:
            return None
        proof = self._proof(scope)
        try:
            return await self._authentication.principal(proof)
        except NotAdmitted as error:
            status = HTTPStatus.UNAUTHORIZED
            hint = "Send Authorization: Bearer TOKEN, or show a client certificate."
            if error.is_later:
                status, hint = HTTPStatus.SERVICE_UNAVAILABLE, "Ask again a little later."
            raise self.denied(scope, status, error.code, error.text, hint) from error

    async def still(self, scope: Mapping[str, Any]) -> bool:
        """Whether who asked would be let in now."""
        if self._authentication is None or scope.get(PRINCIPAL) is None:
            return True
        try:
            found = await self._authentication.principal(self._proof(scope))
        except (NotAdmitted, Denied):
            return False
        # Another set of grants is another reader: he has to come again.
        return bool(found.grants == scope[PRINCIPAL].grants)

    async def of_token(self, token: str) -> Principal:
        """Whose token it is; raises `NotAdmitted`."""
        assert self._authentication is not None
        return await self._authentication.principal(Proof(token))

    def check(
        self, scope: Mapping[str, Any], principal: Principal, action: Action, target: Target
    ) -> None:
        """Return where the principal may do that; raises `Denied` with a 403 else."""
        refusal = decide(principal, action, target, self.cell)
        if refusal is not None:
            hint = "Ask whoever keeps the file of principals (docs/access.md)."
            raise self.denied(scope, HTTPStatus.FORBIDDEN, refusal.code, refusal.text, hint)

    def denied(
        self, scope: Mapping[str, Any], status: HTTPStatus, code: str, text: str, hint: str
    ) -> Denied:
        """The refusal, noted."""
        who = scope.get(PRINCIPAL)
        self.refusals.note(
            code,
            who=who.name if who is not None else "",
            address=str((scope.get("client") or ("nowhere",))[0]),
            method=str(scope.get("method", "")),
            path=str(scope.get("path", "")),
            why=text,
        )
        return Denied(status, code, text[:1].upper() + text[1:], hint)

    def proof(self, scope: Mapping[str, Any]) -> Proof:
        """What the request shows of who asks; raises `Denied`."""
        return self._proof(scope)

    def _proof(self, scope: Mapping[str, Any]) -> Proof:
        token, acting_for, session = "", "", ""
        for name, value in scope["headers"]:
            if name == b"authorization":
                kind, _, text = value.decode("latin-1").partition(" ")
                if token or kind.lower() != "bearer" or not text.strip():
                    text_ = "Authorization is given twice, or is not Bearer TOKEN"
                    hint = "Send Authorization: Bearer TOKEN once."
                    raise self.denied(scope, HTTPStatus.UNAUTHORIZED, "token", text_, hint)
                token = text.strip()
            elif name == _ACTING_FOR:
                acting_for = value.decode("utf-8", "replace").strip()
            elif name == b"cookie" and self.sessions is not None:
                session = session or id_of(value.decode("latin-1"))
        if session and not token and self.sessions is not None:
            token = self.sessions.token(session)
            if token and scope["method"] not in _SAFE:
                self.check_origin(scope)
        certificate = scope.get(CERTIFICATE, b"") if not token else b""
        return Proof(token, certificate, acting_for)

    def check_origin(self, scope: Mapping[str, Any]) -> None:
        """Return where a page of ours sent this; raises `Denied` for another origin's."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        site = headers.get(b"sec-fetch-site", b"same-origin")
        is_ours = not origin or urlsplit(origin).netloc == host
        if headers.get(CONSOLE) != b"1" or not is_ours or site != b"same-origin":
            text = "this was not sent by a page of this server"
            hint = "Send the header X-Flumina-Console: 1 from the console's own pages."
            raise self.denied(scope, HTTPStatus.FORBIDDEN, "origin", text, hint)
