"""Which application answers at a path: a table that is looked up, not searched.

The one thing to know: a path with names in it (``/api/v3/jobs/{id}``) is found among those of as
many parts, the one with the fewest names first: ``tasks/move`` is no task.
"""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send


class _Pattern(NamedTuple):
    parts: tuple[str | None, ...]
    """None where the path has a name."""
    names: tuple[tuple[int, str], ...]
    app: ASGIApp


class Paths:
    """An ASGI application made of one for each path; ``missing`` answers everything else."""

    def __init__(self, apps: Mapping[str, ASGIApp], missing: ASGIApp) -> None:
        self._missing = missing
        self._fixed: dict[str, ASGIApp] = {}
        self._patterns: dict[int, list[_Pattern]] = {}
        for path, app in sorted(apps.items(), key=lambda row: row[0].count("{")):
            if "{" not in path:
                self._fixed[path] = app
                continue
            words = path.split("/")
            names = [(at, word[1:-1]) for at, word in enumerate(words) if word.startswith("{")]
            parts = tuple(None if word.startswith("{") else word for word in words)
            self._patterns.setdefault(len(words), []).append(_Pattern(parts, tuple(names), app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the names of its path in ``path_params``."""
        path = scope["path"]
        app = self._fixed.get(path)
        if app is None:
            app, scope["path_params"] = self._found(path.split("/"))
        await app(scope, receive, send)

    def _found(self, words: list[str]) -> tuple[ASGIApp, dict[str, str]]:
        for pattern in self._patterns.get(len(words), ()):
            if all(
                word == part if part is not None else word
                for word, part in zip(words, pattern.parts, strict=True)
            ):
                return pattern.app, {name: words[at] for at, name in pattern.names}
        return self._missing, {}
