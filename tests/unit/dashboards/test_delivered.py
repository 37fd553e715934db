"""Every delivered dashboard can be shown: its questions parse, and each field it draws is there.

How: fields of queries are held against the sources of the query process, fields of paths against
the shapes of the API's answers, by which its OpenAPI description is made.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from connectors.web.resource import Operation
from connectors.web.routes import ROUTES
from connectors.web.shapes import jobs as job_shapes
from connectors.web.shapes.base import PART_OF
from projections.dashboards.filling import filled
from projections.dashboards.model import Dashboard, Panel
from projections.dashboards.options import fields_of
from projections.query.rows import named
from projections.query.syntax import Aggregate, Prefixed, Property, Query, name_of
from streams.dashboards.files import DELIVERED, checked_file
from streams.query.asked import asked_of
from streams.query.sources import SOURCES

WANTED = {
    *("slo", "allocation", "cell", "queue", "placement", "fleet", "host-logs"),
    *("job", "task", "incident"),
}
VALUES = {"job": "j1", "task": "t1", "host": "h1", "from": "-1h", "to": "now"}
NOW_MS = 1_763_800_000_000
FILES = sorted(DELIVERED.glob("*.yaml"))


def panels() -> Iterator[Any]:
    for path in FILES:
        dashboard = checked_file(path)
        for panel in dashboard.panels:
            yield pytest.param(dashboard, panel, id=f"{path.stem}/{panel.id}")


def test_all_that_are_promised_are_there() -> None:
    assert {path.stem for path in FILES} == WANTED


@pytest.mark.parametrize(("dashboard", "panel"), list(panels()))
def test_a_panel_draws_what_its_question_gives(dashboard: Dashboard, panel: Panel) -> None:
    shown = filled(msgspec.structs.replace(dashboard, panels=(panel,)), VALUES).panels[0]
    assert "{" not in shown.query + shown.path
    drawn = list(fields_of(panel))
    if panel.query:
        span: dict[str, str] = {
            name: shown.options[name] for name in ("from", "to") if name in shown.options
        }
        query = asked_of({"mql": shown.query, **span}, "", NOW_MS).query
        for stream in query.streams:
            known = {each.name for each in SOURCES[stream].fields}
            asked = {
                each.prefix if isinstance(each, Prefixed) else each[0] for each in named(query)
            }
            made = {each.alias for each in query.items if isinstance(each, Aggregate)}
            assert asked <= known | made, (stream, asked - known)
        assert set(drawn) <= set(selected(query)), selected(query)
    elif panel.path:
        answer = answer_of(shown.path)
        items = str(panel.options.get("items", ""))
        for field in drawn:
            assert has_field(answer, items, field), (panel.path, items, field)


def selected(query: Query) -> Iterator[str]:
    """What the columns of the query's rows are called."""
    for item in query.items:
        if isinstance(item, Aggregate):
            yield item.alias or item.name
        elif isinstance(item, Property):
            yield item.path.name
        else:
            yield name_of(item)


def answer_of(path: str) -> Any:
    """What the API answers to this path; its parameters are known."""
    bare, _, parameters = path.partition("?")
    for pattern, operations in ROUTES.items():
        if re.fullmatch(re.sub(r"\{[a-z]+\}", "[^/]+", pattern), bare):
            operation: Operation = operations["GET"]
            asked = {each.partition("=")[0] for each in parameters.split("&") if each}
            assert asked <= set(operation.parameters), asked
            return msgspec.inspect.type_info(operation.answer)
    pytest.fail(f"the API has no path {bare}")


def has_field(kind: Any, items: str, field: str) -> bool:
    for step in filter(None, items.split(".")):
        kind = inside(kind, step)
    if items and kind is not None:
        if isinstance(kind, msgspec.inspect.DictType):
            return field in {"key", "value"}
        kind = plain(kind)
        kind = getattr(kind, "item_type", kind)
    for step in field.split("."):
        kind = inside(kind, step)
    return kind is not None


def inside(kind: Any, step: str) -> Any:
    """The type of a field of an object; None where it has no such field."""
    part = of_part(kind)
    kind = plain(part if part is not None else kind)
    if isinstance(kind, msgspec.inspect.StructType):
        return next((each.type for each in kind.fields if each.encode_name == step), None)
    if isinstance(kind, msgspec.inspect.DictType):
        return kind.value_type
    return None


def plain(kind: Any) -> Any:
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = next(each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType))
    return kind


def of_part(kind: Any) -> Any:
    """A job's or task's shape, where an object has some of its fields."""
    schema = kind.extra_json_schema if isinstance(kind, msgspec.inspect.Metadata) else None
    if schema and PART_OF in schema:
        shape = getattr(job_shapes, schema[PART_OF])
        return msgspec.inspect.type_info(shape)
    return None
