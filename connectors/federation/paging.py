"""One list out of the pages of several cells, without an item twice or missed.

The one thing to know: the cursor of the whole holds a cursor of each cell. Every cell is asked for
its share of a page and all that it gives is shown, so nothing is fetched and thrown away; a cell
that did not answer keeps its place, and goes on there when it is asked again.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES

Json = dict[str, Any]
CURSOR_CHARACTERS_MAX: Final = 8_192
PREFIX: Final = "f"


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where one cell is in the list."""

    cursor: str = ""
    is_at_end: bool = False


class BadCursor(ValueError):
    """A text that is no cursor of the federation."""


def places_of(cursor: str, cells: Sequence[str]) -> dict[str, Place]:
    """The place of each cell that the cursor means; raises `BadCursor`.

    A cell that joined meanwhile begins at its first item; one that left is left out.
    """
    if not cursor:
        return {name: Place() for name in cells}
    if len(cursor) > CURSOR_CHARACTERS_MAX or not cursor.startswith(PREFIX):
        raise BadCursor("it is no cursor of this API")
    text = cursor.removeprefix(PREFIX)
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found = msgspec.msgpack.decode(data, type=dict[str, Place])
    except (Base64Error, ValueError, *BAD_BYTES) as error:
        raise BadCursor("it is no cursor of this API") from error
    return {name: found.get(name, Place()) for name in cells}


def cursor_of(places: Mapping[str, Place]) -> str:
    """The text of the cursor that goes on at these places."""
    data = msgspec.msgpack.encode(dict(sorted(places.items())))
    return PREFIX + urlsafe_b64encode(data).decode().rstrip("=")


def shares(page_size: int, places: Mapping[str, Place]) -> dict[str, int]:
    """How many items to ask of each cell that has more: together the page, at least one each.

    With fewer items than cells, the first ones are asked; the others have their turn later.
    """
    able = [name for name, place in sorted(places.items()) if not place.is_at_end]
    if not able:
        return {}
    each, more = divmod(page_size, len(able))
    found = {name: each + (number < more) for number, name in enumerate(able)}
    return {name: count for name, count in found.items() if count}


class Part(msgspec.Struct, frozen=True):
    """A page of one cell."""

    cell: str
    items: tuple[Json, ...]
    cursor: str
    has_more: bool
    total: int


def part_of(cell: str, body: bytes) -> Part:
    """A cell's answer read as a page; raises `ValueError` where it is none."""
    try:
        value = msgspec.json.decode(body, type=_Page)
    except BAD_BYTES as error:
        raise ValueError(f"its answer is no page: {error}") from error
    where = value.pagination
    items = tuple({**item, "cell": cell} for item in value.items)
    return Part(cell, items, where.cursor, where.has_more, where.total_items)


class _Where(msgspec.Struct, rename="camel"):
    has_more: bool
    total_items: int
    cursor: str = ""


class _Page(msgspec.Struct):
    items: list[Json]
    pagination: _Where


def after(places: Mapping[str, Place], parts: Sequence[Part]) -> dict[str, Place]:
    """The places behind these parts; whoever gave none stays where it was."""
    found = dict(places)
    for part in parts:
        cursor = part.cursor or places[part.cell].cursor
        found[part.cell] = Place(cursor, is_at_end=not part.has_more)
    return found


def merged(parts: Sequence[Part]) -> list[Json]:
    """The items of all parts, oldest first; those that do not say when they came stand first."""
    items = [item for part in parts for item in part.items]
    return sorted(items, key=_came_at_ms)


def _came_at_ms(item: Json) -> int:
    history = item.get("statusHistory")
    first = history[0] if isinstance(history, list) and history else item.get("status")
    at_ms = first.get("timestamp") if isinstance(first, dict) else None
    try:
        return int(at_ms) if at_ms is not None else 0
    except (TypeError, ValueError):
        return 0
