"""A path is answered by its own application; where several fit, by the one with the fewest names.

How: each path of the API is asked for with words in the place of its names, and a few are that
fit more than one pattern. The table is compared with a search through all patterns.
"""

import asyncio
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.web.paths import Paths
from connectors.web.routes import ROUTES


def _found(paths: Paths, asked: list[str]) -> list[tuple[str, dict[str, str]]]:
    """For each path which application answers, and the names of the path that it is given."""
    scopes: list[dict[str, Any]] = [{"path": path, "path_params": {}} for path in asked]

    async def run() -> None:
        for scope in scopes:
            await paths(scope, None, None)  # type: ignore[arg-type] # nothing is asked of them

    asyncio.run(run())
    return [(scope["answered"], scope["path_params"]) for scope in scopes]


def _app(name: str) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        scope["answered"] = name

    return app


def _paths(*patterns: str) -> Paths:
    return Paths({each: _app(each) for each in patterns}, _app("none"))


def _searched(path: str) -> tuple[str, dict[str, str]]:
    """The same, by a look at each pattern."""
    words = path.split("/")
    for pattern in sorted(ROUTES, key=lambda each: each.count("{")):
        parts = pattern.split("/")
        names = {part[1:-1]: word for part, word in zip(parts, words, strict=False) if "{" in part}
        if len(parts) == len(words) and all(
            word if "{" in part else part == word for part, word in zip(parts, words, strict=True)
        ):
            return pattern, names
    return "none", {}


def test_each_path_of_the_api_is_found() -> None:
    asked = []
    for pattern in ROUTES:
        path = "/".join("word" if "{" in part else part for part in pattern.split("/"))
        asked += [path, f"{path}/", f"{path}/more", path.replace("word", "")]
    assert _found(_paths(*ROUTES), asked) == [_searched(path) for path in asked]


@pytest.mark.parametrize(
    ("path", "answered", "names"),
    [
        ("/tasks/move", "/tasks/move", {}),
        ("/tasks/a", "/tasks/{id}", {"id": "a"}),
        ("/a/b/why", "/{kind}/{id}/why", {"kind": "a", "id": "b"}),
        ("/tasks/b/why", "/tasks/{id}/{what}", {"id": "b", "what": "why"}),
        ("/tasks//why", "none", {}),
        ("/tasks", "none", {}),
    ],
)
def test_the_fewest_names_come_first_and_then_the_first_said(
    path: str, answered: str, names: dict[str, str]
) -> None:
    patterns = ("/tasks/{id}/{what}", "/{kind}/{id}/why", "/tasks/{id}", "/tasks/move")
    assert _found(_paths(*patterns), [path]) == [(answered, names)]
