"""What the schema of values refuses, each with the place of the mistake; nothing unknown passes.

How: a real helm is asked for a rendering with one value that is wrong.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.chart import CHART, KUBERNETES, ROOT, manifests, tried

REFUSED = {
    "parts.cell.replicas=1": "minimum",
    "parts.cell.isEnabled=false": "isEnabled",
    "parts.cell.replicaz=2": "replicaz",
    "image.digest=latest": "digest",
    "image.repository=registry.example.com/flumina:latest": "repository",
    "image.tag=v1": "tag",
    "parts.api.memory=2G": "memory",
    "kafka.security=sasl_plaintext": "security",
    "kafka.security=sasl_ssl": "user",
    "kafka.sasl.password.value=hunter2": "value",
    "kafka.parts.cel.user=flumina-cell": "cel",
    "kafka.parts.cell.user=flumina-cell": "password",
    "kafka.parts.cell.certificate.name=": "certificate",
    "settings.FLUMINA_PAGE_SECRET=0123456789abcdef": "FLUMINA_PAGE_SECRET",
    "settings.FLUMINA_TOKEN=0123456789abcdef": "FLUMINA_TOKEN",
    "access.file.name=": "access",
    "tls.isInFront=false": "tls",
    "store.url=file:///var/lib": "url",
    "cells.names={main,main}": "names",
    "cells.names={main,other}": "parts.federation.isEnabled",
    "networkPolicy.kafka.cidrs={anywhere}": "cidrs",
    "parts.cell.roleArn=admin": "roleArn",
    "whatever=1": "whatever",
}


@pytest.mark.integration  # It starts processes.
@pytest.mark.parametrize("words", REFUSED)
def test_a_wrong_value_is_refused_by_its_place(words: str) -> None:
    done = tried(
        *("template", "cp", CHART, "--kube-version", KUBERNETES),
        *("-f", CHART / "examples" / "small.yaml", "--set", words),
    )
    assert done.returncode != 0
    assert REFUSED[words] in done.stderr


def test_nothing_renders_without_values_that_only_the_reader_knows() -> None:
    done = tried("template", "cp", CHART, "--kube-version", KUBERNETES)
    assert done.returncode != 0
    for place in ("/image", "/kafka", "/mesos", "/store", "/access", "/tls"):
        assert place in done.stderr


def _objects(schema: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if "properties" in schema:
        yield place, schema
        for name, each in schema["properties"].items():
            yield from _objects(each, f"{place}.{name}")


def test_no_object_takes_what_it_does_not_know_and_each_value_is_documented() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    objects = dict(_objects(schema))
    assert len(objects) > 40
    assert [place for place, each in objects.items() if each["additionalProperties"]] == []
    values = YAML(typ="safe").load((CHART / "values.yaml").read_text("utf-8"))
    known = set(schema["properties"]) - {"global"}
    assert set(values) == known, "each value has a default, and each default a schema"
    assert set(values["parts"]) == set(schema["properties"]["parts"]["properties"])
    table = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    assert [each for each in sorted(known) if f"| `{each}" not in table] == []


def test_what_a_value_says_arrives() -> None:
    """The schema could as well refuse all; and `helm template` ignore what it passes."""
    found = manifests("small", "--set", "parts.cell.replicas=5")
    (cell,) = [each for each in found if each["kind"] == "StatefulSet" and "cell" in str(each)][:1]
    assert cell["spec"]["replicas"] == 5
