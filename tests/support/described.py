"""Holds an answer against the API's own OpenAPI description.

`tests.support.asgi` asks this of every answer that a unit test gets, so a shape that is not what is
sent, or a status that no row admits, shows in the test that met it.
"""

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from connectors.web.openapi.document import openapi_document
from connectors.web.routes import ROUTES

EVERYWHERE = frozenset((405, 421, 500))
"""Statuses of the edge itself, which are of no operation; 500 is asked for by tests of faults."""


@cache
def document() -> dict[str, Any]:
    """The description."""
    return openapi_document(ROUTES)


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    paths = sorted(ROUTES, key=lambda path: path.count("{"))  # A fixed word before a name.
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path) for path in paths]


@cache
def _validator(path: str, method: str, status: str, media: str) -> Draft202012Validator | None:
    content = document()["paths"][path][method]["responses"][status].get("content", {})
    assert media in content, f"{method} {path} answers {status} with {media}, not {list(content)}"
    schema = content[media].get("schema")
    if schema is None:
        return None
    return Draft202012Validator({**schema, "components": document()["components"]})


def check_described(method: str, path: str, status: int, media: str, body: bytes) -> None:
    """Assert that the description has an operation that may answer so."""
    template = next((each for pattern, each in _templates() if pattern.fullmatch(path)), None)
    method = "get" if method == "HEAD" else method.lower()
    if template is None or status in EVERYWHERE:
        return
    operation = document()["paths"][template].get(method)
    if operation is None:
        return  # The edge's 405 was looked at above.
    responses = operation["responses"]
    assert str(status) in responses, f"{method} {template} may not answer {status}: {body[:300]!r}"
    if not body:
        return
    validator = _validator(template, method, str(status), media.partition(";")[0])
    if validator is None:
        return
    faults = [
        f"{'/'.join(map(str, each.absolute_path))}: {each.message[:300]}"
        for each in validator.iter_errors(json.loads(body))
    ]
    assert not faults, f"{method} {template} {status} is not as described: {faults[:5]}"
