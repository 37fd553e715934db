"""The OpenAPI description: made from the routes, whole, and true of what is answered.

That it is true is shown by every other test of this folder: `tests.support.asgi` holds each answer
against it. Here is what those cannot show, and that the holding itself can fail.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connectors.web.openapi.parameters import PARAMETERS
from connectors.web.routes import ROUTES
from tests.support.asgi import call
from tests.support.cell import running_cell
from tests.support.described import check_described, document
from tests.support.web_cell import WebCell, descriptor, service_descriptor

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
OPERATIONS = [(path, method, each) for path in ROUTES for method, each in ROUTES[path].items()]


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _component(name: str) -> Draft202012Validator:
    components = document()["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


def test_it_is_served_as_it_is_made() -> None:
    shown = call(WebCell().app, "GET", "/api/openapi.json")
    assert (shown.status, shown.json) == (200, json.loads(json.dumps(document())))
    assert shown.json["openapi"] == "3.1.0"


def test_each_operation_of_the_routes_is_there_once() -> None:
    built = {(path, method.lower()) for path, method, _ in OPERATIONS}
    described = document()["paths"]
    assert {(path, method) for path, ways in described.items() for method in ways} == built
    names = [each["operationId"] for ways in described.values() for each in ways.values()]
    assert len(names) == len(set(names))
    assert all(each["summary"] for ways in described.values() for each in ways.values())


@pytest.mark.slow
def test_each_reference_leads_to_a_schema() -> None:
    components = document()["components"]["schemas"]
    for reference in _references(document()):
        assert reference.removeprefix("#/components/schemas/") in components
    for schema in components.values():
        Draft202012Validator.check_schema(schema)


def test_each_answer_has_a_shape_and_each_parameter_a_schema() -> None:
    for path, method, each in OPERATIONS:
        is_json = each.media == "application/json"
        assert not is_json or each.answer is not None, f"{method} {path} has no answer"
        for name in each.all_parameters:
            assert name in each.schemas or name in PARAMETERS, f"{name} of {method} {path}"
    used = {name for _, _, each in OPERATIONS for name in each.all_parameters}
    assert set(PARAMETERS) <= used


def test_the_paths_names_and_what_must_be_given_are_said() -> None:
    shown = document()["paths"]["/api/v3/jobs/{id}/attributes"]["delete"]
    by_name = {each["name"]: each for each in shown["parameters"]}
    assert (by_name["id"]["in"], by_name["id"]["required"]) == ("path", True)
    assert by_name["keys"]["required"] is True
    assert by_name["If-Match"]["in"] == "header"
    assert {"200", "202", "400", "404", "409", "412", "429", "503"} <= set(shown["responses"])
    order = document()["paths"]["/api/flumina/commands/rules"]["post"]
    actor = next(each for each in order["parameters"] if each["name"] == "X-Flumina-Actor")
    assert actor["required"] is True


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "why"),
    [
        ("GET", "/api/v3/jobs/a", 200, {"id": "a"}, "required property"),
        ("GET", "/api/v3/jobs/a", 418, {}, "may not answer 418"),
        ("GET", "/api/v3/agent/instances", 200, {"items": [], "x": 1}, "Additional properties"),
        ("GET", "/api/v3/tasks", 200, {"items": [{"id": 1}]}, "is not of type 'string'"),
        ("POST", "/api/v3/tasks/move", 404, {"message": "x"}, "required property"),
    ],
)
def test_an_answer_that_is_not_described_is_found(
    method: str, path: str, status: int, body: Any, why: str
) -> None:
    with pytest.raises(AssertionError, match=why):
        check_described(method, path, status, "application/json", json.dumps(body).encode())


def test_the_examples_are_as_the_descriptor_is_described() -> None:
    validator = _component("JobDescriptor")
    examples = [path for path in sorted(EXAMPLES.glob("*.json")) if "batch" in path.name]
    assert examples
    for path in examples:
        validator.validate(json.loads(path.read_text("utf-8")))
    validator.validate(descriptor())
    wrong = descriptor(container={"resources": {"cpu": "1", "memoryMB": 256}})
    assert not validator.is_valid(wrong)


def test_what_a_round_said_of_a_task_is_as_described() -> None:
    web = WebCell(running_cell(hosts=1))
    assert call(web.app, "POST", "/api/v3/jobs?jobId=s", service_descriptor(1)).status == 201
    big = {"resources": {"cpu": 64, "memoryMB": 256}, "command": ["true"]}
    assert call(web.app, "POST", "/api/v3/jobs?jobId=b", descriptor(container=big)).status == 201
    web.cell.launched()
    placed = call(web.app, "GET", "/api/v3/scheduler/results/s-worker-0-1")
    assert placed.json["success"]["host"]
    refused = call(web.app, "GET", "/api/v3/scheduler/results/b-worker-0-1")
    assert refused.json["failures"][0]["rule"]
