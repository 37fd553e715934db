"""Which application answers at a path: a table that is looked up, not searched.

The one thing to know: a path with names in it (``/api/v3/jobs/{id}``) is found among those of as
many parts, the one with the fewest names first: ``tasks/move`` is no task.
"""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send


class _Pattern(NamedTuple):
    rank: int
    """Where several fit, the lowest is meant."""
    names: tuple[tuple[int, str], ...]
    """Places of the names among the parts, and the names."""
    app: ASGIApp


class _Shape(NamedTuple):
    """Paths of as many parts that have names at the same places."""

    fixed: tuple[int, ...]
    named: tuple[int, ...]
    patterns: dict[tuple[str, ...], _Pattern]
    """By the parts that are no names."""


class Paths:
    """An ASGI application made of one for each path; ``missing`` answers everything else."""

    def __init__(self, apps: Mapping[str, ASGIApp], missing: ASGIApp) -> None:
        self._missing = missing
        self._fixed: dict[str, ASGIApp] = {}
        self._shapes: dict[int, list[_Shape]] = {}
        """By how many parts a path has."""
        by_names = sorted(apps.items(), key=lambda row: row[0].count("{"))
        for rank, (path, app) in enumerate(by_names):
            if "{" not in path:
                self._fixed[path] = app
                continue
            words = path.split("/")
            names = tuple((at, word[1:-1]) for at, word in enumerate(words) if word[:1] == "{")
            shape = self._shape(len(words), tuple(at for at, _ in names))
            fixed = tuple(words[at] for at in shape.fixed)
            shape.patterns.setdefault(fixed, _Pattern(rank, names, app))

    def _shape(self, parts: int, named: tuple[int, ...]) -> _Shape:
        shapes = self._shapes.setdefault(parts, [])
        for shape in shapes:
            if shape.named == named:
                return shape
        fixed = tuple(at for at in range(parts) if at not in named)
        shapes.append(_Shape(fixed, named, {}))
        return shapes[-1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the names of its path in ``path_params``."""
        path = scope["path"]
        app = self._fixed.get(path)
        if app is None:
            app, scope["path_params"] = self._found(path.split("/"))
        await app(scope, receive, send)

    def _found(self, words: list[str]) -> tuple[ASGIApp, dict[str, str]]:
        best: _Pattern | None = None
        for fixed, named, patterns in self._shapes.get(len(words), ()):
            found = patterns.get(tuple([words[at] for at in fixed]))
            if found is None or (best is not None and best.rank < found.rank):
                continue
            if all(words[at] for at in named):  # A name is never empty.
                best = found
        if best is None:
            return self._missing, {}
        return best.app, {name: words[at] for at, name in best.names}
