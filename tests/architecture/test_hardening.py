"""Every call out has a time limit where it is made, and bad bytes are caught whole.

How: the syntax trees of the four packages are read. What makes a connection must say a timeout
there, or stand in a table with where its limit is; who decodes bytes catches `BAD_BYTES`, not
msgspec's own error alone.
"""

import ast
from functools import cache
from itertools import pairwise

import pytest

from tests.architecture.tree import PACKAGES, ROOT, demand_none, parsed, place, python_files

pytestmark = pytest.mark.integration  # It reads all of the code.

MAKERS = {
    "ClientSession": "timeout",
    "HTTPConnection": "timeout",
    "HTTPSConnection": "timeout",
    "urlopen": "timeout",
    "Client": "timeout",
    "AsyncClient": "timeout",
    "client": "config",
    "open_connection": "",
    "create_connection": "timeout",
}
"""By the name that is called: the argument that limits its time; none: it has none."""
OF_LIBRARIES = {"aiohttp", "httpx", "boto3", "asyncio", "socket", "urllib", "http", "loop"}
ELSEWHERE = {
    ("connectors/federation/cells.py", "ClientSession"): "each question: asyncio.timeout in ask",
    ("connectors/metrics/prometheus.py", "ClientSession"): "each question: asyncio.timeout",
    (
        "connectors/mesos/pipeline.py",
        "create_connection",
    ): "asyncio.timeout around it in its caller",
    ("connectors/webhooks/client.py", "create_connection"): "its second argument",
    ("connectors/devcluster/agent/executor_checks.py", "create_connection"): "its second argument",
    ("streams/kafka/probe.py", "open_connection"): "asyncio.timeout around it",
    ("streams/prober/main.py", "ClientSession"): "each probe: asyncio.timeout",
    ("streams/usage/poller.py", "ClientSession"): "each question: asyncio.timeout",
}
"""Calls whose limit stands in another line, and which."""


@cache
def _calls() -> tuple[tuple[str, str, ast.Call], ...]:
    return tuple(
        (str(path.relative_to(ROOT)), name, node)
        for path in python_files(*PACKAGES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and (name := _maker(node.func))
    )


def _maker(called: ast.expr) -> str:
    """The maker of connections that is called, or nothing."""
    if not isinstance(called, ast.Attribute) or called.attr not in MAKERS:
        return ""
    inside = ast.unparse(called.value)
    is_library = inside.split("(")[0].split(".")[0] in OF_LIBRARIES
    return called.attr if is_library or inside == "session" else ""


def test_every_connection_has_a_time_limit_where_it_is_made() -> None:
    without = {
        (path, name)
        for path, name, call in _calls()
        if MAKERS[name] not in {each.arg for each in call.keywords}
    }
    assert without == set(ELSEWHERE), "give it a timeout there, or say where its limit is"


def test_many_makers_are_found() -> None:
    """The test above would pass if it saw nothing."""
    assert len(_calls()) > 25


def test_bad_bytes_are_caught_whole() -> None:
    alone = [
        place(path, node.lineno)
        for path in python_files(*PACKAGES)
        if "msgspec.DecodeError" in path.read_text("utf-8")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and node.type is not None
        if "msgspec.DecodeError" in ast.unparse(node.type)
        if "RecursionError" not in ast.unparse(node.type)
    ]
    # It tells the three apart, one after the other.
    alone = [each for each in alone if not each.startswith("connectors/mesos/translate.py")]
    assert not alone, f"catch scheduler.model.reading.bad_bytes.BAD_BYTES: {alone}"


OF_THE_CHECKOUT = {"streams/cli/run_tests.py", "streams/cli/command_bench.py"}
"""They run what stands in the checkout's tests, and go there before."""


def test_no_process_of_ours_is_of_the_build_that_lies_in_the_working_directory() -> None:
    """Without `-P` (or `-I`) `python -m` takes a folder `streams` that happens to lie there."""
    found = []
    for path in python_files(*PACKAGES):
        name = str(path.relative_to(ROOT))
        if name in OF_THE_CHECKOUT or "sys.executable" not in path.read_text("utf-8"):
            continue
        for node in ast.walk(parsed(path)):
            words = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
            for word, following in pairwise(words):
                is_safe = isinstance(following, ast.Constant) and following.value in {"-P", "-I"}
                if ast.unparse(word) == "sys.executable" and not is_safe:
                    found.append(f"{place(path, word.lineno)}: starts Python without -P")
    demand_none(found)
