"""The paths of a login: by a token once, and by a cookie from then on; and who one is.

The one thing to know: the token is sent in a body, is kept by the process, and never comes back.
What a page shows of what somebody may do is a courtesy; each request is decided anew.
"""

from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.access.authentication import NotAdmitted
from connectors.access.door import Denied, Door
from connectors.access.principals import Principal, actions_of
from connectors.access.sessions import id_of
from connectors.web.query.bodies import bounded_body
from connectors.web.query.problems import JSON, QueryProblem

ME: Final = "/api/flumina/access/me"
LOGIN: Final = "/api/flumina/access/login"
LOGOUT: Final = "/api/flumina/access/logout"
BODY_BYTES_MAX: Final = 32 * 1024


def access_routes(door: Door) -> list[Route]:
    """The routes of a login, behind this door."""

    async def me(request: Request) -> Response:
        """Who asks, and what he may do: nobody is an answer, too."""
        if not door.is_guarded:
            return _told(None, is_guarded=False, door=door)
        if not any(door.proof(request.scope)):
            return _told(None, is_guarded=True, door=door)
        try:
            principal = await door.admit(request.scope)
        except Denied as denied:
            if denied.status != HTTPStatus.UNAUTHORIZED:
                raise
            principal = None
        return _told(principal, is_guarded=True, door=door)

    async def login(request: Request) -> Response:
        """Begin a login with the body's token; 401 for one that nobody has."""
        sessions = door.sessions
        if not door.is_guarded or sessions is None:
            raise QueryProblem("open", "There is nobody to log in as: no principals are set up.")
        door.check_origin(request.scope)
        token = await _token(request)
        try:
            principal = await door.of_token(token)
        except NotAdmitted as error:
            is_later = error.is_later
            status = HTTPStatus.SERVICE_UNAVAILABLE if is_later else HTTPStatus.UNAUTHORIZED
            raise door.denied(
                request.scope, status, error.code, error.text, "Copy the token once more."
            ) from error
        sessions.end(id_of(request.headers.get("cookie", "")))
        answer = _told(principal, is_guarded=True, door=door)
        answer.headers["Set-Cookie"] = sessions.cookie(sessions.begin(token))
        return answer

    async def logout(request: Request) -> Response:
        """End the login of the cookie; again is nothing."""
        sessions = door.sessions
        answer = Response(b"{}", media_type=JSON)
        if sessions is not None:
            door.check_origin(request.scope)
            sessions.end(id_of(request.headers.get("cookie", "")))
            answer.headers["Set-Cookie"] = sessions.cookie("")
        return answer

    return [
        Route(ME, me, methods=["GET"]),
        Route(LOGIN, login, methods=["POST"]),
        Route(LOGOUT, logout, methods=["POST"]),
    ]


def _told(principal: Principal | None, *, is_guarded: bool, door: Door) -> Response:
    told: dict[str, Any] = {"isGuarded": is_guarded, "name": None, "actions": [], "grants": []}
    if principal is not None:
        told |= {
            "name": principal.name,
            "actions": list(actions_of(principal, door.cell)),
            "grants": [
                {
                    "role": each.role,
                    "owners": list(each.owners),
                    "applications": list(each.applications),
                    "cells": list(each.cells),
                }
                for each in principal.grants
            ],
            "expiresAtMs": principal.expires_at_ms,
        }
    return Response(orjson.dumps(told), media_type=JSON)


async def _token(request: Request) -> str:
    body = await bounded_body(request, BODY_BYTES_MAX)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        given = None
    token = given.get("token") if isinstance(given, dict) else None
    if not isinstance(token, str) or not token.strip():
        raise QueryProblem("json", 'The body is an object {"token": "…"}.')
    return token.strip()
