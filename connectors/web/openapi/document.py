"""The OpenAPI 3.1 description of the whole API, from the table of routes and the typed shapes.

The one thing to know: nothing is described by hand. A path, method or parameter comes from
`connectors.web.routes`, a body or answer from its shape, a status from what the kind of operation
can answer. Unit tests hold every answer they get against it.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any, Final

import msgspec

from connectors.web.event_stream import LAST_EVENT_ID
from connectors.web.openapi.parameters import (
    ACTOR_NAME,
    EVENT_ID,
    KEY,
    PARAMETERS,
    PATH_NAMES,
    TEXT,
    TOKEN,
    VERSION,
)
from connectors.web.requests import ACTOR, AT_LEAST, IDEMPOTENCY_KEY, IF_MATCH
from connectors.web.resource import Operation
from connectors.web.shapes.base import PART_OF, Accepted, Error

Json = dict[str, Any]
Routes = Mapping[str, Mapping[str, Operation]]

PREFIX: Final = "#/components/schemas/"
JSON: Final = "application/json"
READ_ERRORS: Final = (400, 401, 403, 414, 421, 429, 503)
WRITE_ERRORS: Final = (403, 409, 412)
BODY_ERRORS: Final = (408, 413, 415)
_DESCRIPTIONS: Final[dict[int, str]] = {
    200: "done",
    201: "made",
    202: "written, and not folded in time",
    204: "done, with nothing to say",
    400: "the request cannot be understood, or was refused for its content",
    401: "nobody who is known here asks",
    403: "turned off, or not granted to who asks",
    404: "not there",
    408: "the body did not arrive in time",
    409: "the state does not allow it, or the name is another's",
    412: "another version than demanded",
    413: "too large",
    414: "the query is too long",
    415: "another kind of body than JSON in UTF-8",
    421: "called by a foreign name",
    429: "a limit is reached",
    502: "a host answered nonsense",
    503: "nobody leads, or something does not answer",
}


def openapi_document(routes: Routes) -> Json:
    """The whole description, ready for JSON."""
    shapes = _shapes(routes)
    schemas, components = msgspec.json.schema_components(shapes, ref_template=PREFIX + "{name}")
    named = dict(zip(shapes, schemas, strict=True))
    _closed(components)
    made = _Writer(named)
    paths = {
        path: {method.lower(): made.operation(path, method, each) for method, each in ways.items()}
        for path, ways in routes.items()
    }
    proofs = {
        "token": {"type": "http", "scheme": "bearer"},
        "certificate": {"type": "mutualTLS"},
    }
    written: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "flumina",
            "version": _version(),
            "description": "The REST API of a cell: docs/rest.md and docs/api-v3.md.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": proofs},
        # The last one is nobody: behind an open door, as on a developer's computer.
        "security": [{"token": []}, {"certificate": []}, {}],
    }
    _fill_parts(written)
    return written


def _version() -> str:
    try:
        return metadata.version("flumina")
    except metadata.PackageNotFoundError:
        return "0"


def _shapes(routes: Routes) -> list[Any]:
    found: dict[Any, None] = {Error: None, Accepted: None}
    for ways in routes.values():
        for each in ways.values():
            found |= {shape: None for shape in (*_answers(each), each.body) if shape is not None}
    return list(found)


def _answers(operation: Operation) -> tuple[Any, ...]:
    """The shapes of an operation's success: one, or any of some."""
    answer = operation.answer
    return answer if isinstance(answer, tuple) else (answer,)


class _Writer:
    """Writes operations, given the schema of each shape."""

    def __init__(self, named: Mapping[Any, Json]) -> None:
        self._named = named

    def operation(self, path: str, method: str, operation: Operation) -> Json:
        """One method of one path."""
        said = inspect.getdoc(operation.handler) or ""
        written: Json = {
            "operationId": _operation_id(path, method),
            "summary": said.partition("\n")[0],
            "tags": [_tag(path)],
            "parameters": [*_path_parameters(path), *_query_parameters(operation)],
            "responses": self._responses(path, operation),
        }
        written["parameters"] += _header_parameters(path, method, operation)
        if operation.body is not None:
            schema = self._named[operation.body]
            written["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
        return written

    def _responses(self, path: str, operation: Operation) -> Json:
        answer: Json = {}
        if operation.media == JSON:
            schemas = [self._named[each] for each in _answers(operation) if each is not None]
            schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas or [{}]}
            answer = {"content": {JSON: {"schema": schema}}}
        elif operation.media:
            answer = {"content": {operation.media: {}}}
        found = {
            str(status): {"description": _DESCRIPTIONS[status], **answer}
            for status in operation.success
        }
        if operation.is_published and not operation.is_read:
            schema = self._named[Accepted]
            late = {"description": _DESCRIPTIONS[202], "content": {JSON: {"schema": schema}}}
            found.setdefault("202", late)
        for status in _errors(path, operation):
            schema = self._named[Error]
            text = {"description": _DESCRIPTIONS[status], "content": {JSON: {"schema": schema}}}
            found.setdefault(str(status), text)
        return dict(sorted(found.items()))


def _errors(path: str, operation: Operation) -> list[int]:
    found = {*READ_ERRORS, *operation.errors}
    if "{" in path:
        found.add(404)
    if not operation.is_read and operation.is_published:
        found |= {404, *WRITE_ERRORS}
    if operation.body is not None:
        found |= {*BODY_ERRORS}
    return sorted(found)


def _operation_id(path: str, method: str) -> str:
    words = re.findall("[A-Za-z0-9]+", path)
    return method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def _tag(path: str) -> str:
    words = [each for each in path.split("/") if each not in {"", "api", "v2", "v3", "flumina"}]
    return words[0] if words else "other"


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": PATH_NAMES}
        for name in re.findall("{([^}]+)}", path)
    ]


def _query_parameters(operation: Operation) -> list[Json]:
    written: list[Json] = []
    for name in operation.all_parameters:
        schema, said = operation.schemas.get(name) or PARAMETERS.get(name, (TEXT, ""))
        each: Json = {"name": name, "in": "query", "schema": schema, "description": said}
        if name in operation.required:
            each["required"] = True
        if "items" in schema:
            each |= {"style": "form", "explode": False}
        written.append(each)
    return written


def _header_parameters(path: str, method: str, operation: Operation) -> list[Json]:
    if operation.is_read:
        found = [_header(AT_LEAST, "as parameter atLeast", TOKEN)]
        if operation.is_stream:
            found.append(_header(LAST_EVENT_ID, "the last event had: go on behind it", EVENT_ID))
        return found
    if not operation.is_published:
        return []
    found = [_header(ACTOR, "who asks", ACTOR_NAME, is_required=operation.is_actor_required)]
    if operation.is_versioned:
        found.append(_header(IF_MATCH, 'only this version, as an ETag says it: `"3"`', VERSION))
    if (path, method) == ("/api/v3/jobs", "POST"):
        found.append(_header(IDEMPOTENCY_KEY, "the same key, the same submission", KEY))
    return found


def _header(name: str, said: str, schema: Json, *, is_required: bool = False) -> Json:
    written: Json = {"name": name, "in": "header", "schema": schema, "description": said}
    return {**written, "required": True} if is_required else written


def _closed(components: Json) -> None:
    """Allow no other fields in an object of ours, but where its shape says that it grows."""
    for name, schema in components.items():
        is_open = name in _OPEN or "additionalProperties" in schema
        if schema.get("type") == "object" and "properties" in schema and not is_open:
            schema["additionalProperties"] = False


_OPEN: Final = frozenset(
    (
        "Batch",
        "Capacity",
        "Constraints",
        "Container",
        "ContainerResources",
        "Delayed",
        "ExponentialBackOff",
        "Image",
        "Immediate",
        "JobDescriptor",
        "JobGroupInfo",
        "Owner",
        "RetryPolicy",
        "Service",
    )
)
"""Parts of the descriptor: its reader says what else it knows."""


def _fill_parts(written: Json) -> None:
    """Put the schema of a part of a shape where one is marked: the same, nothing required."""
    components = written["components"]["schemas"]
    for name in sorted({each[PART_OF] for each in _marked(components)}):
        components[f"{name}Part"] = _part(components, components[name])
    for each in _marked(components):
        name = each.pop(PART_OF)
        each.clear()
        each["$ref"] = f"{PREFIX}{name}Part"


def _marked(value: object) -> Iterable[Json]:
    """The schemas that are marked, wherever they stand."""
    if isinstance(value, dict):
        if PART_OF in value:
            yield value
        for each in list(value.values()):
            yield from _marked(each)
    elif isinstance(value, list):
        for each in value:
            yield from _marked(each)


def _part(components: Json, schema: object) -> Any:  # noqa: ANN401 - JSON of any kind
    if isinstance(schema, list):
        return [_part(components, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _part(components, components[schema["$ref"].removeprefix(PREFIX)])
    return {name: _part(components, each) for name, each in schema.items() if name != "required"}
