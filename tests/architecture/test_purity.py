"""What the pure packages may use: a closed list, because a clock can hide in any library.

The import contracts in `pyproject.toml` say which of our packages may know which; these tests say
what of Python and of libraries the pure ones may touch at all.
"""

import ast
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import (
    PACKAGES,
    PURE,
    demand_none,
    imported_names,
    parsed,
    place,
    python_files,
)

pytestmark = pytest.mark.integration  # It reads all of the code.

LIBRARIES = {
    "scheduler": {"msgspec", "numpy"},
    "projections": {"msgspec"},
    # zstd: the bytes of a snapshot are a value like any other; nothing is read or written there.
    "projections/snapshot": {"msgspec", "cramjam"},
    # orjson: events are read as the command line reads them; what is no JSON is one error.
    # pyarrow, numpy: a batch of events as columns is a value; nothing is read or written there.
    "projections/query": {"msgspec", "orjson", "re2", "hyperscan", "pyarrow", "numpy"},
    "projections/health": {"msgspec", "re2", "hyperscan", "numpy"},
}
# Clocks, chance, waiting, files, processes, and the world outside.
IMPURE_MODULES = {
    *("time", "random", "secrets", "uuid", "asyncio", "threading", "multiprocessing", "concurrent"),
    *("os", "io", "pathlib", "shutil", "tempfile", "glob", "sqlite3", "mmap", "fcntl", "signal"),
    *(
        "socket",
        "ssl",
        "http",
        "urllib",
        "subprocess",
        "selectors",
        "logging",
        "platform",
        "locale",
    ),
    *("importlib", "pickle", "ctypes", "getpass"),
}
# Pure, though its package is not: it only takes texts apart.
PURE_PARTS = {"urllib.parse"}
# `hash` of a string differs between two starts of Python.
IMPURE_CALLS = {"open", "input", "print", "hash", "id", "exec", "eval", "__import__"}
# Of `datetime`, which is welcome for what it can compute.
CLOCK_METHODS = {"now", "utcnow", "today"}


def _libraries_of(path: Path) -> set[str]:
    found = [folder for folder in LIBRARIES if place(path).startswith(f"{folder}/")]
    return LIBRARIES[max(found, key=len)]


@pytest.mark.parametrize("package", PURE)
def test_only_listed_libraries_are_imported(package: str) -> None:
    foreign = [
        f"{place(path, line)} imports {name}"
        for path in python_files(package)
        for name, line in imported_names(path)
        if (top := name.partition(".")[0]) not in {*sys.stdlib_module_names, *PACKAGES}
        and top not in _libraries_of(path)
    ]
    demand_none(foreign)


@pytest.mark.parametrize("package", PURE)
def test_nothing_impure_is_imported(package: str) -> None:
    impure = [
        f"{place(path, line)} imports {name}"
        for path in python_files(package)
        for name, line in imported_names(path)
        if name.partition(".")[0] in IMPURE_MODULES
        and not any(f"{name}.".startswith(f"{part}.") for part in PURE_PARTS)
    ]
    demand_none(impure)


@pytest.mark.parametrize("package", PURE)
def test_nothing_impure_is_called_or_awaited(package: str) -> None:
    impure = []
    for path in python_files(package):
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                    impure.append(f"{place(path, node.lineno)} calls {name}()")
                case ast.Attribute(attr=name) if name in CLOCK_METHODS:
                    impure.append(f"{place(path, node.lineno)} uses .{name}")
                case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                    impure.append(f"{place(path, node.lineno)} waits")
                case ast.Global():
                    impure.append(f"{place(path, node.lineno)} changes a global")
                case _:
                    continue
    demand_none(impure)
