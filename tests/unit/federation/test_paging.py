"""Pages of several cells: no item twice, none missed, whatever fails in between."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.federation.paging import (
    BadCursor,
    Part,
    Place,
    after,
    cursor_of,
    merged,
    part_of,
    places_of,
    shares,
)


def page_of(cell: str, items: list[str], cursor: str, count: int) -> Part:
    """What a cell's API answers: its items behind the cursor, as a body that is read."""
    begin = int(cursor or 0)
    chosen = items[begin : begin + count]
    body: dict[str, Any] = {
        "items": [{"id": each} for each in chosen],
        "pagination": {
            "hasMore": begin + len(chosen) < len(items),
            "totalItems": len(items),
            "cursor": str(begin + len(chosen)),
        },
    }
    return part_of(cell, msgspec.json.encode(body))


@given(
    sizes=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 30), min_size=1),
    page_size=st.integers(1, 12),
    failing=st.lists(st.sampled_from("abcd"), max_size=20),
)
def test_every_item_comes_once_though_cells_fail_now_and_then(
    sizes: Mapping[str, int], page_size: int, failing: list[str]
) -> None:
    items = {cell: [f"{cell}{n}" for n in range(size)] for cell, size in sizes.items()}
    cursor, seen = "", []
    for number in range(200):
        places = places_of(cursor, sorted(items))
        asked = shares(page_size, places)
        assert sum(asked.values()) <= page_size
        silent = {failing[number]} if number < len(failing) else set()
        parts = [
            page_of(cell, items[cell], places[cell].cursor, count)
            for cell, count in asked.items()
            if cell not in silent
        ]
        seen += [item["id"] for item in merged(parts)]
        places = after(places, parts)
        cursor = cursor_of(places)
        if all(place.is_at_end for place in places.values()):
            break
    assert sorted(seen) == sorted(each for there in items.values() for each in there)


def test_a_cell_that_joined_begins_at_its_first_item_and_one_that_left_is_left_out() -> None:
    cursor = cursor_of({"a": Place("5"), "b": Place("7", is_at_end=True)})
    assert places_of(cursor, ["b", "c"]) == {"b": Place("7", is_at_end=True), "c": Place()}


def test_items_are_the_oldest_first_and_say_their_cell() -> None:
    def item(name: str, at_ms: object) -> dict[str, Any]:
        return {"id": name, "statusHistory": [{"timestamp": at_ms}], "cell": "x"}

    parts = [
        Part("a", (item("new", 30), item("odd", "?")), "", has_more=False, total=2),
        Part("b", (item("old", "10"),), "", has_more=False, total=1),
    ]
    assert [each["id"] for each in merged(parts)] == ["odd", "old", "new"]
    assert page_of("a", ["one"], "", 5).items[0]["cell"] == "a"


@pytest.mark.parametrize("text", ["c17", "f", "f!!", "fAAAA", "f" + "A" * 9_000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        places_of(text, ["a"])


def test_an_answer_that_is_no_page_is_refused() -> None:
    with pytest.raises(ValueError, match="no page"):
        part_of("a", b'{"message": "no"}')
