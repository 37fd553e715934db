"""Long lists in an answer, made row by row, so that no view of a large cluster holds the loop long.

The one thing to know: a view is a JSON-like dict in which long lists are ``Rows``. Whoever sends it
renders a small one whole, and a large one piece by piece with other work between the pieces; each
row is then as of its own moment.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from connectors.devcluster.words import Json

# So many rows of a list are made and encoded at once: about 2 ms of work.
_ROWS_AT_ONCE = 100


class Rows:
    """A list whose rows are made when they are written; the items are taken down at once."""

    def __init__(self, items: Iterable[Any], view: Callable[[Any], Any]) -> None:
        self._items = list(items)
        self._view = view

    def __iter__(self) -> Iterator[Any]:
        return map(self._view, self._items)

    def __len__(self) -> int:
        return len(self._items)


def rendered(value: object) -> bytes:
    """The JSON of a view, at once."""
    return orjson.dumps(value, default=_listed)


def _listed(value: object) -> list[Any]:
    if isinstance(value, Rows):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no part of a view")


def plain(view: Json) -> Json:
    """The view with its rows made, for who needs it whole."""
    return {key: _plain(item) for key, item in view.items()}


def _plain(value: object) -> object:
    match value:
        case dict():
            return plain(value)
        case Rows() | list():
            return [_plain(item) for item in value]
        case _:
            return value


def size_of(value: object) -> int:
    """How many rows a view has, those within rows not counted."""
    match value:
        case Rows():
            return len(value)
        case dict():
            return sum(size_of(item) for item in value.values())
        case _:
            return 0


def pieces(value: object) -> Iterator[bytes]:
    """The JSON of a view in small pieces, each made when it is asked for."""
    match value:
        case Rows():
            yield from _list_pieces(value)
        case dict() if any(isinstance(item, Rows | dict) for item in value.values()):
            separator = b"{"
            for key, item in value.items():
                yield separator + orjson.dumps(key) + b":"
                yield from pieces(item)
                separator = b","
            yield b"}"
        case _:
            yield orjson.dumps(value)


def _list_pieces(rows: Rows) -> Iterator[bytes]:
    separator = b"["
    iterator = iter(rows)
    while batch := list(islice(iterator, _ROWS_AT_ONCE)):
        for row in batch:
            if isinstance(row, dict) and any(isinstance(item, Rows) for item in row.values()):
                yield separator
                yield from pieces(row)
            else:
                yield separator + orjson.dumps(row)
            separator = b","
    yield b"]" if len(rows) else b"[]"
