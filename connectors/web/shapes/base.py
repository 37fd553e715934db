"""What every shape shares, and the shapes that all paths share: errors, ids, tokens.

The one thing to know: a shape describes what is sent, in camel case, and knows no other fields.
The OpenAPI description is made from shapes, and each answer of the API's unit tests is held
against it. Bodies are not read by shapes: the readers of topic ``jobs`` name every fault.
"""

from typing import Annotated, Any

import msgspec


class Shape(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """An object of the API."""


Json = dict[str, Any]
"""An object of which only its being one is described."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
AtMs = Annotated[int, msgspec.Meta(description="milliseconds since 1970")]
Texts = dict[str, str]


PART_OF = "x-part-of"
"""A key of a schema, read when the description is made and not in it."""


def part_of(name: str) -> msgspec.Meta:
    """The mark of an object that has some fields of the shape of that name, or all."""
    return msgspec.Meta(extra_json_schema={PART_OF: name})


class FaultShape(msgspec.Struct, frozen=True):
    """One thing that is wrong, and what to do."""

    field: str
    text: str
    hint: str
    code: str
    """What kind of fault, which decides the status."""


class ErrorContext(Shape, frozen=True):
    """Texts by field, as Titus gives them."""

    constraint_violations: Texts


class Error(Shape, frozen=True):
    """Any answer that is not a success."""

    status_code: int
    message: str
    error_details: str
    error_context: ErrorContext
    faults: tuple[FaultShape, ...]
    id: str = ""
    token: str = ""


class Written(Shape, frozen=True):
    """What was asked for was done to this."""

    id: str


class Accepted(Shape, frozen=True):
    """It is in its topic, and was not folded in time: read with ``atLeast=token``."""

    id: str
    token: str


class Page(Shape, frozen=True):
    """Where a page begins."""

    page_size: int
    cursor: str


class Pagination(Shape, frozen=True):
    """Where a page stands among all that were found."""

    current_page: Page
    has_more: bool
    total_items: int
    cursor: str
    cursor_position: int
