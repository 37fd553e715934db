"""Every client of Kafka in the product is made with the one place that knows how to speak to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration  # It reads all of the code.

CLIENTS = {"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaClient"}
FAUST = {"App"}
OPTIONS = {"client_options", "faust_options"}
EXCUSED = {"streams/kafka/refusals.py"}
"""It is given the options by a name: it asks one address after another with them."""


def _made(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            is_faust = name in FAUST and getattr(node.func, "value", None) is not None
            if name in CLIENTS or (is_faust and ast.unparse(node.func) == "faust.App"):
                yield node, name


def _is_told(call: ast.Call) -> bool:
    return any(
        keyword.arg is None
        and isinstance(keyword.value, ast.Call)
        and getattr(keyword.value.func, "id", "") in OPTIONS
        for keyword in call.keywords
    )


def test_no_client_is_made_without_its_security() -> None:
    found = {
        str(path): list(_made(ast.parse(path.read_text("utf-8"))))
        for path in Path("streams").rglob("*.py")
        if str(path) not in EXCUSED
    }
    assert sum(map(len, found.values())) >= 30, "the product has that many; is the search right?"
    bare = [
        f"{path}:{call.lineno} {name}"
        for path, calls in found.items()
        for call, name in calls
        if not _is_told(call)
    ]
    assert not bare, f"make them with **client_options(bootstrap): {', '.join(bare)}"
